/** What the engine hands to the runtime: a bundle of the OCI runtime specification, also for other runtimes. */
import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import Ajv from "ajv-draft-04";
import { missing, useTiny } from "../../harness";
import configLinux from "../../oci/schema/config-linux.json";
import configSchema from "../../oci/schema/config-schema.json";
import defs from "../../oci/schema/defs.json";
import defsLinux from "../../oci/schema/defs-linux.json";
import stateSchema from "../../oci/schema/state-schema.json";
import { detach, inspect, printed, removeAll, run, SLEEP } from "./_shell";

/** Without the parts of other systems, whose schemas are not here. */
function forLinux(schema: typeof configSchema): object {
  const kept = Object.entries(schema.properties).filter(
    ([, value]) => !/"config-(?!linux)/.test(JSON.stringify(value)),
  );
  return { ...schema, properties: Object.fromEntries(kept) };
}

function validator() {
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
  for (const [name, schema] of Object.entries({
    "config-linux.json": configLinux,
    "defs.json": defs,
    "defs-linux.json": defsLinux,
  })) {
    ajv.addSchema(schema, name);
  }
  return ajv;
}

describe.skipIf(missing !== null)("the bundle of a running container", () => {
  const place = useTiny();
  const { engine } = place;
  afterEach(() => removeAll(place));

  test.each([
    [[]],
    [
      [
        "-t",
        "-u",
        "app",
        "-w",
        "/tmp",
        "--read-only",
        "--tmpfs",
        "/t:size=1m",
        "--cap-drop",
        "ALL",
        "--domainname",
        "d",
      ],
    ],
    [
      [
        "--network",
        "host",
        "--ulimit",
        "core=unlimited",
        "--ulimit",
        "nofile=10:20",
        "--sysctl",
        "kernel.shmmax=1",
        "--oom-score-adj",
        "5",
      ],
    ],
    [
      [
        "--security-opt",
        "seccomp=unconfined",
        "--security-opt",
        "no-new-privileges",
        "-v",
        "/etc:/host:ro",
        "--group-add",
        "7",
      ],
    ],
    [
      [
        "--privileged",
        "--pid",
        "host",
        "--ipc",
        "host",
        "--uts",
        "host",
        "--cgroupns",
        "host",
        "--umask",
        "077",
      ],
    ],
    [
      [
        "--userns",
        "keep-id",
        "--ipc",
        "none",
        "--security-opt",
        "unmask=ALL",
        "--security-opt",
        "proc-opts=hidepid=invisible",
        "--personality",
        "LINUX32",
        "--device",
        "/dev/zero:/dev/nothing",
      ],
    ],
    [["--userns", "auto:size=1500", "-u", "1234:5", "--chrootdirs", "/jail", "--group-add", "keep-groups"]],
  ])("made with %p is valid, and so is its state", async (options) => {
    const id = await detach(place, "web", SLEEP, options);
    const read = (...path: string[]) => JSON.parse(readFileSync(join(...path), "utf8"));
    const config = read(engine.sandbox.dataHome, "proa/containers", id, "config.json");
    const validate = validator().compile(forLinux(configSchema));
    validate(config);
    expect(validate.errors).toBeNull();
    const validateState = validator().compile(stateSchema);
    const state = read(engine.sandbox.runtimeDir, "proa/containers", id, "state.json");
    validateState(state);
    expect(validateState.errors).toBeNull();
    expect(state).toMatchObject({
      id,
      status: "running",
      pid: Number(await inspect(place, "web", "{{.State.Pid}}")),
    });
    expect(existsSync(state.bundle)).toBe(true);
  });
});

describe.each(["crun", "runc"])("--runtime %s", (runtime) => {
  const absent =
    missing ??
    (Bun.which(runtime, { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" }) === null
      ? `${runtime} is not installed`
      : null);
  describe.skipIf(absent !== null)(absent ?? "runs the same bundle:", () => {
    const place = useTiny();
    const { engine } = place;
    const path =
      Bun.which(runtime, { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" }) ?? runtime;
    afterEach(() => removeAll(place));

    test("streams, status, user, directory, environment and host name", async () => {
      const options = ["--runtime", path, "-u", "app", "-w", "/tmp", "-e", "A=1", "-h", "box"];
      const result = await run(place, options, [
        "sh",
        "-c",
        "id -u; pwd; echo $A; hostname; echo err >&2; exit 7",
      ]);
      expect(result).toMatchObject({ stdout: "1000\n/tmp\n1\nbox\n", stderr: "err\n", exitCode: 7 });
    });

    test("ids, masks, devices and namespaces of the host's", async () => {
      const uid = String(process.getuid?.());
      const runtimeOptions = ["--runtime", path];
      const kept = await run(
        place,
        [...runtimeOptions, "--userns", "keep-id"],
        ["sh", "-c", "id -u; stat -c %u /etc/group"],
      );
      expect(kept).toMatchObject({ stdout: `${uid}\n0\n`, stderr: "" });
      const bare = [
        "--security-opt",
        "systempaths=unconfined",
        "--umask",
        "077",
        "--device",
        "/dev/zero:/dev/none",
      ];
      const script = "grep -c ' /proc/' /proc/self/mounts; umask; stat -c %t:%T /dev/none";
      expect((await run(place, [...runtimeOptions, ...bare], ["sh", "-c", script])).stdout).toBe(
        "0\n0077\n1:5\n",
      );
      const hosts = ["--uts", "host", "--ipc", "host"];
      const name = readFileSync("/proc/sys/kernel/hostname", "utf8");
      expect((await run(place, [...runtimeOptions, ...hosts], ["hostname"])).stdout).toBe(name);
      const joined = await run(place, [...runtimeOptions, "--pid", "container:other"], ["true"]);
      expect(joined.stderr).toContain("cannot have it join one");
    });

    test("stdin, binary-safe, to its end", async () => {
      const bytes = crypto.getRandomValues(new Uint8Array(65_536));
      const result = await run(place, ["--runtime", path, "-i"], ["cat"], { stdin: bytes });
      expect(Bun.hash(result.bytes.stdout)).toBe(Bun.hash(bytes));
    });

    test("capabilities, filter, read-only and masked paths as without it", async () => {
      const script =
        "grep -E '^(CapEff|CapBnd|Seccomp):' /proc/self/status; touch /proc/sys/kernel/x 2>/dev/null || echo refused; cat /proc/keys | wc -c";
      const own = await run(place, [], ["sh", "-c", script]);
      expect((await run(place, ["--runtime", path], ["sh", "-c", script])).stdout).toBe(own.stdout);
    });

    test("a detached one: logs, exec, stop, and inspect names it", async () => {
      await detach(
        place,
        "web",
        ["sh", "-c", "trap 'exit 4' TERM; echo ready; while :; do sleep 0.02; done"],
        ["--runtime", path],
      );
      await printed(place, "web", "ready");
      expect(await inspect(place, "web", "{{.HostConfig.Runtime}}")).toBe(path);
      await engine.ok(["stop", "-t", "2", "web"]);
      expect(await inspect(place, "web", "{{.State.Status}}")).toBe("exited");
    });

    test("a command that is not there is a failure that says so, and leaves nothing", async () => {
      const result = await run(place, ["--runtime", path], ["nothere"]);
      expect(result.stderr).toContain("nothere");
      expect(result.exitCode).not.toBe(0);
      await engine.assertNothingLeft();
    });
  });
});
