/** `proa run`, the executable as a whole. Containers of the tiny image, each removed by --rm. */
import { describe, expect, test } from "bun:test";
import { existsSync, readlinkSync } from "node:fs";
import { missing, type ProaOptions, type ProaResult, proaPath, useTiny, waitUntil } from "../../harness";

describe.skipIf(missing !== null)("proa run", () => {
  const place = useTiny();
  const { engine } = place;

  /** `proa run --rm OPTIONS tiny COMMAND`. */
  function run(options: string[], command: string[], more?: ProaOptions): Promise<ProaResult> {
    return engine.proa(["run", "--rm", ...options, place.tiny, ...command], more);
  }

  /** What a shell in the container prints. Fails where it prints errors or does not exit 0. */
  async function shell(script: string, options: string[] = []): Promise<string> {
    const result = await run(options, ["sh", "-c", script]);
    expect(result.stderr).toBe("");
    expect(result.exitCode).toBe(0);
    return result.stdout.trim();
  }

  test("refuses a flag that it does not know, and offers the one that was meant", async () => {
    const result = await engine.proa(["run", "--rmm", place.tiny]);
    expect(result.stderr).toContain("unknown flag: --rmm");
    expect(result.stderr).toContain("hint: did you mean --rm?");
    expect(result.exitCode).toBe(125);
  });

  test("passes stdout, stderr and the exit status", async () => {
    const result = await run([], ["sh", "-c", "echo out; echo err >&2; exit 7"]);
    expect(result).toMatchObject({ stdout: "out\n", stderr: "err\n", exitCode: 7 });
  });

  test("passes a million bytes of every value through stdin and stdout unchanged", async () => {
    const bytes = Uint8Array.from({ length: 1_000_000 }, (_, i) => (i * 31 + (i >> 8)) & 255);
    const result = await run(["-i"], ["cat"], { stdin: bytes });
    expect(result.stderr).toBe("");
    expect(Bun.hash(result.bytes.stdout)).toBe(Bun.hash(bytes));
  });

  test("without -i the container's stdin is at its end", async () => {
    const result = await run([], ["cat"], { stdin: "not for the container" });
    expect(result).toMatchObject({ stdout: "", exitCode: 0 });
  });

  test("exits 127 where the command is not there", async () => {
    const result = await run([], ["nothere"]);
    expect(result.stderr).toBe("Error: execute: nothere: command not found in the container\n");
    expect(result.exitCode).toBe(127);
  });

  test("exits 126 where the command cannot be executed", async () => {
    const result = await run([], ["/etc/passwd"]);
    expect(result.stderr).toBe("Error: execute: /etc/passwd: permission denied\n");
    expect(result.exitCode).toBe(126);
  });

  test("exits 128 + N where signal N ended the command", async () => {
    const running = engine.proa(["run", "--rm", "--name", "victim", place.tiny, "sleep", "1000"]);
    await waitUntil(async () => (await engine.proa(["kill", "victim"])).exitCode === 0);
    expect((await running).exitCode).toBe(137);
  });

  test("passes on the signals that it gets", async () => {
    const command = ["sh", "-c", "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 0.05; done"];
    const running = engine.start(["run", "--rm", place.tiny, ...command]);
    const reader = running.stdout.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("ready\n");
    running.kill("SIGTERM");
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("got\n");
    expect(await running.exited).toBe(9);
  });

  test("leaves options behind the image's name to the command", async () => {
    const result = await run([], ["echo", "--rm", "-it", "--name=x", "--"]);
    expect(result.stdout).toBe("--rm -it --name=x --\n");
  });

  test("sets environment, user with groups, directory and host name", async () => {
    const options = ["-e", "A=b c", "-u", "app", "-w", "/tmp", "-h", "box"];
    expect(await shell('echo "$A"; id -u; id -g; id -G; pwd; hostname; echo $HOME', options)).toBe(
      "b c\n1000\n1000\n1000 2000\n/tmp\nbox\n/home/app",
    );
  });

  test("a user that the image does not have is named in the error", async () => {
    const result = await run(["-u", "nobodyhere"], ["true"]);
    expect(result.stderr).toStartWith("Error: ");
    expect(result.stderr).toContain("nobodyhere");
    expect(result.exitCode).toBe(125);
  });

  test("makes every namespace", async () => {
    const names = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"];
    const inside = (await shell(`for n in ${names.join(" ")}; do readlink /proc/self/ns/$n; done`)).split(
      "\n",
    );
    const shared = names.filter((name, i) => inside[i] === readlinkSync(`/proc/self/ns/${name}`));
    expect(shared).toEqual([]);
  });

  test("--network host is the host's network, none has loopback alone", async () => {
    expect(await shell("readlink /proc/self/ns/net", ["--network", "host"])).toBe(
      readlinkSync("/proc/self/ns/net"),
    );
    expect(await shell("ls /sys/class/net", ["--network", "none"])).toBe("lo");
  });

  test("gives Docker's default capabilities, a filter, and no more", async () => {
    const status = await shell("grep -E '^(Cap|Seccomp:)' /proc/self/status");
    expect(status.replaceAll(/[\t ]+/g, " ").split("\n")).toEqual([
      "CapInh: 0000000000000000",
      "CapPrm: 00000000a80425fb",
      "CapEff: 00000000a80425fb",
      "CapBnd: 00000000a80425fb",
      "CapAmb: 0000000000000000",
      "Seccomp: 2",
    ]);
  });

  test("--cap-drop ALL --cap-add and --security-opt no-new-privileges are what they say", async () => {
    const options = ["--cap-drop", "ALL", "--cap-add", "CHOWN", "--security-opt", "no-new-privileges"];
    expect(await shell("grep -E '^(CapEff|NoNewPrivs)' /proc/self/status", options)).toBe(
      "CapEff:\t0000000000000001\nNoNewPrivs:\t1",
    );
  });

  test("masks and write-protects what the runtime specification's defaults name", async () => {
    const script = [
      "cat /proc/keys /proc/timer_list /proc/interrupts | wc -c",
      "ls /proc/acpi /sys/firmware | grep -v : | wc -w",
      "echo 1 2>/dev/null >/proc/sys/vm/swappiness || echo read-only",
      "touch /sys/x 2>/dev/null || echo read-only",
    ].join("; ");
    expect(await shell(script)).toBe("0\n0\nread-only\nread-only");
  });

  test("has the usual devices and file systems, and a descriptor table of its own", async () => {
    const script = [
      "for d in null zero full random urandom tty; do test -c /dev/$d && echo $d; done",
      "test -w /dev/shm && test -d /dev/pts && test -d /dev/mqueue && test -L /dev/fd && echo rest",
      "echo gone >/dev/null",
      "ls /proc/self/fd",
    ].join("; ");
    expect(await shell(script)).toBe("null\nzero\nfull\nrandom\nurandom\ntty\nrest\n0\n1\n2\n3"); // 3 is ls's own
  });

  test("--read-only refuses writes, and --tmpfs allows them in one place", async () => {
    const script = "touch /x 2>/dev/null || echo refused; touch /scratch/x && echo allowed";
    expect(await shell(script, ["--read-only", "--tmpfs", "/scratch"])).toBe("refused\nallowed");
  });

  test("changes to the root file system are the container's own", async () => {
    expect(await shell("echo changed >/etc/passwd; rm /etc/group; cat /etc/passwd")).toBe("changed");
    expect(await shell("head -n 1 /etc/passwd; test -e /etc/group && echo there")).toBe(
      "root:x:0:0:root:/root:/bin/sh\nthere",
    );
  });

  test("-v binds a directory, :ro refuses writes to it", async () => {
    const host = engine.sandbox.home;
    expect(await shell("echo written >/v/file; cat /v/file", ["-v", `${host}:/v`])).toBe("written");
    expect(await Bun.file(`${host}/file`).text()).toBe("written\n");
    expect(await shell("touch /v/file 2>/dev/null || echo refused", ["-v", `${host}:/v:ro`])).toBe("refused");
  });

  test("--rootfs / shows the host's files and throws changes away", async () => {
    const result = await engine.proa([
      "run",
      "--rm",
      "--rootfs",
      "/",
      "sh",
      "-c",
      "cat /etc/os-release; echo x >/etc/proa-was-here",
    ]);
    expect(result.stderr).toBe("");
    expect(result.stdout).toBe(await Bun.file("/etc/os-release").text());
    expect(result.exitCode).toBe(0);
    expect(existsSync("/etc/proa-was-here")).toBe(false);
  });

  test("hello needs no registry", async () => {
    const result = await engine.proa(["run", "--rm", "hello"], { env: { PATH: "/usr/bin:/bin" } });
    expect(result.stderr).toBe("");
    expect(result.stdout).toStartWith("Hello from proa!\n");
  });

  test("passes bytes that are no UTF-8 in the environment, and refuses them as arguments by name", async () => {
    const script = 'exec "$0" run --rm "$1" printf %s "$(printf "a\\377")"';
    const result = Bun.spawnSync(["sh", "-c", script, proaPath, place.tiny], {
      env: { ...engine.sandbox.env },
    });
    if (result.exitCode === 0) {
      expect([...result.stdout]).toEqual([97, 255]);
    } else {
      expect(result.stderr.toString()).toContain("UTF-8");
      expect(result.exitCode).toBe(125);
    }
  });

  test("ten at once all run", async () => {
    const all = await Promise.all(Array.from({ length: 10 }, (_, i) => run([], ["echo", String(i)])));
    expect(all.map(({ stdout, stderr }) => stdout + stderr)).toEqual(
      Array.from({ length: 10 }, (_, i) => `${i}\n`),
    );
  });

  test("--rm leaves no process, mount or directory, and no row", async () => {
    await engine.assertNothingLeft();
    expect(await engine.ok(["ps", "-aq"])).toBe("");
  });
});
