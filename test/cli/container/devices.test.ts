/** `--device`, `--gpus` and CDI. */
import { afterEach, describe, expect, test } from "bun:test";
import { accessSync, constants, lstatSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing, useTiny } from "../../harness";
import { detach, inspect, removeAll, run, shell } from "./_shell";

const uid = process.getuid?.() ?? 0;
const FUSE = "/dev/fuse";
const has = (path: string): boolean => {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
};

/** A device that this user may neither read nor write. */
const closed = readdirSync("/dev")
  .map((name) => `/dev/${name}`)
  .find((path) => {
    const stat = lstatSync(path);
    return (stat.isCharacterDevice() || stat.isBlockDevice()) && !has(path);
  });

describe.skipIf(missing !== null || uid === 0)("--device", () => {
  const place = useTiny();
  const { engine } = place;

  afterEach(() => removeAll(place));

  test.skipIf(!has(FUSE))("is the host's node, under its name or another", async () => {
    const number = await shell(place, ["--device", FUSE], "stat -c '%F %t:%T' /dev/fuse");
    expect(number).toBe("character special file a:e5");
    expect(
      await shell(
        place,
        ["--device", `${FUSE}:/dev/other`],
        "stat -c %t:%T /dev/other; test -e /dev/fuse || echo gone",
      ),
    ).toBe("a:e5\ngone");
    expect(
      await shell(
        place,
        ["--device", `${FUSE}:/srv/deep/dir/fuse:rw`],
        "exec 3<>/srv/deep/dir/fuse && echo open",
      ),
    ).toBe("open");
    expect(await shell(place, [], "test -e /dev/fuse || echo gone")).toBe("gone");
  });

  test.skipIf(!has(FUSE))(
    "with fewer permissions than the node's is answered with a word: no device cgroup is there to take them",
    async () => {
      const result = await run(
        place,
        ["--device", `${FUSE}:r`],
        ["sh", "-c", "exec 3</dev/fuse && echo read"],
      );
      expect(result).toMatchObject({ stdout: "read\n", exitCode: 0 });
      expect(result.stderr).toContain(
        "--device /dev/fuse:r: only root can take away what the node itself allows",
      );
      expect((await run(place, ["--device", `${FUSE}:rw`], ["true"])).stderr).toBe("");
    },
  );

  test.skipIf(!has(FUSE))("is in inspect, and survives a restart", async () => {
    await detach(place, "dev", ["sleep", "1000"], ["--device", FUSE]);
    expect(JSON.parse(await inspect(place, "dev", "{{json .HostConfig.Devices}}"))).toEqual([
      { PathOnHost: FUSE, PathInContainer: FUSE, CgroupPermissions: "rwm" },
    ]);
    await engine.ok(["restart", "-t", "0", "dev"]);
    expect(await engine.ok(["exec", "dev", "stat", "-c", "%t:%T", FUSE])).toBe("a:e5");
  });

  test("of a directory: all nodes in it that the caller may open", async () => {
    expect(await shell(place, ["--device", "/dev/net:/dev/nets"], "ls /dev/nets 2>/dev/null || true")).toBe(
      has("/dev/net/tun") ? "tun" : "",
    );
  });

  test.each([
    [
      ["--device", "/dev/nothing"],
      'error gathering device information while adding custom device: "/dev/nothing": no such file or directory',
    ],
    [
      ["--device", "/etc/passwd"],
      'error gathering device information while adding custom device: "/etc/passwd": not a device node',
    ],
    [["--device", "/dev/null:/dev/x:q"], "device: /dev/null:/dev/x:q: bad mode specified: q"],
    [["--device", "a:b:c:d"], "device: a:b:c:d: bad format"],
    [
      ["--device", "vendor.com/class=none"],
      "CDI device injection failed: unresolvable CDI devices vendor.com/class=none",
    ],
    [["--gpus", "all"], "CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=all"],
    [["--gpus", "some"], '--gpus: some: invalid count (some): value must be either "all" or an integer'],
    [["--gpus", "driver=none,count=1"], 'could not select device driver "none": with capabilities: [[gpu]]'],
  ])("%p is refused", async (options, message) => {
    const result = await run(place, options, ["true"]);
    expect(result.stderr).toStartWith(`Error: ${message}`);
    expect(result.exitCode).toBe(125);
  });

  test.skipIf(closed === undefined)("that the caller may not open is refused, with what to do", async () => {
    const result = await run(place, ["--device", `${closed}:/dev/x`], ["true"]);
    expect(result.stderr).toStartWith(
      `Error: device: ${closed}: permission denied\nhint: a container opens what you may open yourself`,
    );
    expect(result.exitCode).toBe(125);
  });

  test("CDI devices of JSON and YAML bring nodes, mounts and variables", async () => {
    const cdi = join(engine.sandbox.configHome, "cdi");
    mkdirSync(cdi, { recursive: true });
    writeFileSync(join(engine.sandbox.home, "library"), "of the vendor\n");
    writeFileSync(
      join(cdi, "vendor.json"),
      JSON.stringify({
        cdiVersion: "0.6.0",
        kind: "vendor.com/device",
        containerEdits: { env: ["VENDOR=yes"] },
        devices: [
          {
            name: "one",
            containerEdits: {
              env: ["DEVICE=one"],
              deviceNodes: [{ path: "/dev/vendor0", hostPath: "/dev/zero" }],
              mounts: [
                {
                  hostPath: join(engine.sandbox.home, "library"),
                  containerPath: "/usr/lib/vendor",
                  options: ["ro"],
                },
              ],
            },
          },
        ],
      }),
    );
    writeFileSync(
      join(cdi, "gpu.yaml"),
      'cdiVersion: "0.6.0"\nkind: nvidia.com/gpu\ndevices:\n- name: all\n  containerEdits:\n    env:\n    - GPUS=all\n- name: "0"\n  containerEdits:\n    env:\n    - GPUS=first\n',
    );
    const script =
      "echo $VENDOR $DEVICE; stat -c %t:%T /dev/vendor0; cat /usr/lib/vendor; echo x 2>/dev/null >/usr/lib/vendor || echo readonly";
    expect(await shell(place, ["--device", "vendor.com/device=one"], script)).toBe(
      "yes one\n1:5\nof the vendor\nreadonly",
    );
    expect(
      await shell(place, ["--device", "vendor.com/device=one", "-e", "DEVICE=mine"], "echo $DEVICE"),
    ).toBe("mine");
    expect(await shell(place, ["--gpus", "all"], "echo $GPUS")).toBe("all");
    expect(await shell(place, ["--gpus", "1"], "echo $GPUS")).toBe("first");
    expect(await shell(place, ["--gpus", "device=0"], "echo $GPUS")).toBe("first");
    const result = await run(place, ["--gpus", "2"], ["true"]);
    expect(result.stderr).toContain("unresolvable CDI devices nvidia.com/gpu=1");
  });
});
