/** Volumes, tmpfs, read-only roots, and directories of the host as a root. */
import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { missing, useTiny } from "../../harness";
import { detach, removeAll, run, shell } from "./_shell";

describe.skipIf(missing !== null)("-v", () => {
  const place = useTiny();
  const { engine } = place;
  let count = 0;
  const directory = (): string => {
    const path = join(engine.sandbox.home, `dir${count++}`);
    mkdirSync(path);
    return path;
  };

  test("files that root in the container makes are the user's on the host", async () => {
    const host = directory();
    await shell(place, ["-v", `${host}:/v`], "echo x >/v/file; mkdir /v/d");
    expect(statSync(join(host, "file")).uid).toBe(process.getuid?.() ?? -1);
    expect(readdirSync(host).sort()).toEqual(["d", "file"]);
  });

  test("ro refuses writes below, also of what is mounted in it; rw and the last of several targets hold", async () => {
    const host = directory();
    mkdirSync(join(host, "sub"));
    const script =
      "for d in /v /v/sub; do touch $d/x 2>/dev/null || echo refused; done; touch /w/x && echo written";
    expect(await shell(place, ["-v", `${host}:/v:ro`, `--volume=${host}:/w:rw`], script)).toBe(
      "refused\nrefused\nwritten",
    );
  });

  test("a source that is not there is made, a directory of the user's", async () => {
    const host = join(directory(), "not/there yet");
    expect(await shell(place, ["-v", `${host}:/v`], "touch /v/x; ls /v")).toBe("x");
    expect(readdirSync(host)).toEqual(["x"]);
    expect(statSync(host).uid).toBe(process.getuid?.() ?? -1);
  });

  test("a source that cannot be made is named, and nothing is started or left", async () => {
    const result = await run(place, ["-v", "/proc/no/such:/v"], ["true"]);
    expect(result.stderr).toStartWith("Error: create source of volume: /proc/no/such: ");
    expect(result.exitCode).toBe(125);
    await engine.assertNothingLeft();
    expect(await engine.ok(["ps", "-aq"])).toBe("");
  });

  test("a refused option makes no source", async () => {
    const host = join(directory(), "not");
    expect((await run(place, ["-v", `${host}:/v:nosuch`], ["true"])).exitCode).toBe(125);
    expect(existsSync(host)).toBe(false);
  });

  test("a file is bound over a file, and to a target that the image does not have", async () => {
    const host = directory();
    writeFileSync(join(host, "f"), "bound");
    expect(
      await shell(
        place,
        ["-v", `${host}/f:/etc/passwd:ro`, "-v", `${host}/f:/new/deep/f`],
        "cat /etc/passwd /new/deep/f",
      ),
    ).toBe("boundbound");
  });

  test("a path relative to the current directory is one: ./dir and .", async () => {
    const host = directory();
    writeFileSync(join(host, "f"), "here");
    for (const [source, cwd] of [
      ["./", host],
      [".", host],
      [`./${host.split("/").pop()}`, join(host, "..")],
    ] as const) {
      expect(await shell(place, ["-v", `${source}:/v`], "cat /v/f", { cwd })).toBe("here");
    }
  });

  test("a target that is a link of the image stays in the container", async () => {
    const host = directory();
    writeFileSync(join(host, "f"), "bound");
    await detach(place, "links", [
      "sh",
      "-c",
      "ln -s / /link; ln -s ../../../../../../tmp/x /out; sleep 1000",
    ]);
    await engine.ok(["rm", "-f", "links"]);
    const root = directory();
    for (const name of ["bin", "proc", "sys", "dev", "etc", "tmp"]) mkdirSync(join(root, name));
    writeFileSync(join(root, "bin/sh"), readFileSync("/bin/busybox"), { mode: 0o755 });
    symlinkSync(`${host}/..`, join(root, "escape"));
    const options = ["--rootfs", "-v", `${host}:/escape/inside`, root];
    const result = await engine.proa(["run", "--rm", ...options, "sh", "-c", "cat /escape/inside/f"]);
    expect(result.stdout).toBe("bound");
    expect(existsSync(join(host, "../inside"))).toBe(false);
  });

  test("a directory that another user may not enter is reported, not passed over", async () => {
    const host = directory();
    mkdirSync(join(host, "closed/inner"), { recursive: true });
    chmodSync(join(host, "closed"), 0o000);
    const result = await run(place, ["-v", `${host}/closed/inner:/v`], ["ls", "/v"]);
    chmodSync(join(host, "closed"), 0o755);
    expect(result.stderr).toStartWith("Error: ");
    expect(result.stderr).toContain("permission denied");
    expect(result.exitCode).toBe(125);
  });

  test("propagation stays private: what the container mounts is not seen on the host", async () => {
    const host = directory();
    await detach(
      place,
      "mounter",
      ["sh", "-c", "mkdir /v/m && mount -t tmpfs x /v/m && touch /v/m/x; sleep 1000"],
      ["--cap-add", "SYS_ADMIN", "-v", `${host}:/v`],
    );
    await engine.ok(["exec", "mounter", "sh", "-c", "while ! test -e /v/m/x; do sleep 0.02; done"]);
    expect(readdirSync(join(host, "m"))).toEqual([]);
    await engine.ok(["rm", "-f", "mounter"]);
  });

  test("ps and inspect show it", async () => {
    const host = directory();
    await engine.ok(["create", "--name", "bound", "-v", `${host}:/v:ro`, place.tiny]);
    expect(await engine.ok(["ps", "-a", "--no-trunc", "--format", "{{.Mounts}}"])).toBe(host);
    expect(JSON.parse(await engine.ok(["inspect", "-f", "{{json .Mounts}}", "bound"]))).toEqual([
      { Type: "bind", Source: host, Destination: "/v", Mode: "ro", RW: false, Propagation: "rprivate" },
    ]);
    await engine.ok(["rm", "bound"]);
  });

  test("--tmpfs has the size and mode that are asked for, and hides what was there", async () => {
    const script = "df -k /etc | awk 'END {print $2}'; stat -c %a /etc; ls -A /etc | wc -l";
    // /etc/hosts and its like are bound into it again
    expect(
      await shell(place, ["--tmpfs", "/scratch:size=1m,mode=700"], script.replaceAll("/etc", "/scratch")),
    ).toBe("1024\n700\n0");
    const full = "dd if=/dev/zero of=/scratch/x bs=1M count=2 2>/dev/null; stat -c %s /scratch/x";
    expect(await shell(place, ["--tmpfs", "/scratch:size=1m"], full)).toBe("1048576");
  });

  test("of two --tmpfs with one target the last counts", async () => {
    const options = ["--tmpfs", "/scratch:size=1m", "--tmpfs", "/scratch:size=2m"];
    expect(await shell(place, options, "df -k /scratch | awk 'END {print $2}'")).toBe("2048");
  });

  test("--shm-size is the size of /dev/shm, 64 MiB without it", async () => {
    const script = "df -k /dev/shm | awk 'END {print $2}'";
    expect(await shell(place, [], script)).toBe("65536");
    expect(await shell(place, ["--shm-size", "1m"], script)).toBe("1024");
    expect(await shell(place, ["--shm-size=2097152"], script)).toBe("2048");
  });

  test("--read-only leaves only mounts writable", async () => {
    const host = directory();
    const script =
      "for d in / /etc /tmp /root; do touch $d/x 2>/dev/null && echo $d; done; touch /v/x /t/x /dev/shm/x && echo mounts";
    expect(await shell(place, ["--read-only", "-v", `${host}:/v`, "--tmpfs", "/t"], script)).toBe("mounts");
  });

  test("nothing is left of all these", () => removeAll(place));
});

describe.skipIf(missing !== null)("--rootfs", () => {
  const place = useTiny();
  const { engine } = place;

  test("/ is the host's files below a writable layer of the container's own", async () => {
    const script = "touch /etc/proa-made /usr/proa-made && rm /etc/os-release && ls /etc/proa-made; id -u";
    expect(await engine.ok(["run", "--rm", "--rootfs", "/", "bash", "-c", script])).toBe("/etc/proa-made\n0");
    expect(existsSync("/etc/proa-made")).toBe(false);
    expect(existsSync("/usr/proa-made")).toBe(false);
    expect(existsSync("/etc/os-release")).toBe(true);
    await engine.assertNothingLeft();
  });

  test("a directory is left as it is, --read-only too", async () => {
    const root = join(engine.sandbox.home, "root");
    for (const name of ["bin", "etc"]) mkdirSync(join(root, name), { recursive: true });
    writeFileSync(join(root, "bin/sh"), readFileSync("/bin/busybox"), { mode: 0o755 });
    expect(
      await engine.ok(["run", "--rm", "--rootfs", root, "sh", "-c", "echo x >/etc/x; echo $(cat /etc/x)"]),
    ).toBe("x");
    const refused = await engine.proa([
      "run",
      "--rm",
      "--read-only",
      "--rootfs",
      root,
      "sh",
      "-c",
      ": >/etc/x",
    ]);
    expect(refused.exitCode).not.toBe(0);
    expect(readdirSync(join(root, "etc"))).toEqual([]);
    expect(readdirSync(root).sort()).toEqual(["bin", "etc"]);
  });

  test.each([
    ["/no/such/root", "no such file or directory"],
    ["/etc/passwd", "it is not a directory"],
  ])("%s is refused", async (path, why) => {
    const result = await engine.proa(["run", "--rm", "--rootfs", path, "true"]);
    expect(result.stderr).toBe(`Error: rootfs: ${path}: ${why}\n`);
    expect(result.exitCode).toBe(125);
  });

  test("nothing is left of all these", () => removeAll(place));
});
