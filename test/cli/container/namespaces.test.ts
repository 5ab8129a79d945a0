/** `--pid`, `--ipc`, `--uts`, `--cgroupns`: of its own, the host's, another container's, or one that is there. */
import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync, readlinkSync } from "node:fs";
import { missing, useTiny, waitUntil } from "../../harness";
import { detach, inspect, removeAll, run, shell, supervisorOf } from "./_shell";

const uid = process.getuid?.() ?? 0;
/** A script that prints the links of these namespaces of its shell. */
const links = (...kinds: string[]): string =>
  `for k in ${kinds.join(" ")}; do readlink /proc/self/ns/$k; done`;
const own = (kind: string): string => readlinkSync(`/proc/self/ns/${kind}`);

/** Whether a process with these words runs on this host. */
const runs = (words: string): boolean =>
  [...new Bun.Glob("[0-9]*").scanSync({ cwd: "/proc", onlyFiles: false })].some((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ") === `${words} `;
    } catch {
      return false;
    }
  });

describe.skipIf(missing !== null || uid === 0)("namespaces", () => {
  const place = useTiny();
  const { engine } = place;

  afterEach(() => removeAll(place));

  test.each(["pid", "ipc", "uts", "cgroup"])("--%s is of its own, or the host's", async (kind) => {
    const option = kind === "cgroup" ? "--cgroupns" : `--${kind}`;
    const seen = (options: string[]): Promise<string> =>
      shell(place, options, `readlink /proc/self/ns/${kind}`);
    expect(await seen([])).not.toBe(own(kind));
    expect(await seen([option, "private"])).not.toBe(own(kind));
    expect(await seen([option, "host"])).toBe(own(kind));
    expect(await seen([option, `ns:/proc/${process.pid}/ns/${kind}`])).toBe(own(kind));
  });

  test.each(["pid", "ipc", "uts", "cgroup"])(
    "--%s container:NAME is that container's, and so is its user namespace",
    async (kind) => {
      const option = kind === "cgroup" ? "--cgroupns" : `--${kind}`;
      await detach(place, "donor", ["sleep", "1000"]);
      const theirs = await engine.ok(["exec", "donor", "sh", "-c", links(kind, "user")]);
      expect(await shell(place, [option, "container:donor"], links(kind, "user"))).toBe(theirs);
      const pid = await inspect(place, "donor", "{{.State.Pid}}");
      expect(await shell(place, [option, `ns:/proc/${pid}/ns/${kind}`], links(kind, "user"))).toBe(theirs);
      const missingOne = await run(place, [option, "container:nobody"], ["true"]);
      expect(missingOne.stderr).toContain("namespace of container: nobody: no such container");
      await engine.ok(["stop", "-t", "0", "donor"]);
      const stopped = await run(place, [option, "container:donor"], ["true"]);
      expect(stopped.stderr).toMatch(
        /^Error: join .* namespace of container: donor: container [0-9a-f]{12} is not running\n/,
      );
      expect(stopped.exitCode).toBe(125);
    },
  );

  test("--pid container:NAME sees its processes, and leaves none behind there", async () => {
    await detach(place, "donor", ["sleep", "1234"]);
    const script = "ps | grep -c 'sleep 123[4]'; sleep 4321 & echo $$";
    const [seen, pid] = (await shell(place, ["--pid", "container:donor"], script)).split("\n");
    expect(seen).toBe("1");
    expect(Number(pid)).toBeGreaterThan(1);
    await waitUntil(async () => !(await engine.ok(["exec", "donor", "ps"])).includes("4321"), {
      what: "the end of what the other container left running",
    });
    expect(await engine.ok(["exec", "donor", "ps"])).toContain("sleep 1234");
  });

  test("--pid container:NAME: what is masked in /proc is masked, and the other's cannot be looked into", async () => {
    await detach(place, "donor", ["sleep", "1000"], ["--cap-drop", "ALL", "-e", "SECRET=1"]);
    const script =
      "cat /proc/interrupts | wc -c; ls /proc/acpi 2>/dev/null | wc -l; echo 1 2>/dev/null >/proc/sys/kernel/shmmax || echo readonly";
    expect((await shell(place, ["--pid", "container:donor", "-u", "app"], script)).split("\n")).toEqual([
      "0",
      "0",
      "readonly",
    ]);
    // another user of that container's has no business with its root's processes
    expect(
      await shell(
        place,
        ["--pid", "container:donor", "-u", "app"],
        "cat /proc/1/environ 2>/dev/null | wc -c; kill -9 1 2>/dev/null || echo refused",
      ),
    ).toBe("0\nrefused");
  });

  test("--pid host sees the host's processes, and leaves none behind", async () => {
    const script = `test -d /proc/${process.pid} && echo seen; sleep 54321 & echo left`;
    expect(await shell(place, ["--pid", "host"], script)).toBe("seen\nleft");
    const isLeft = (): boolean => runs("sleep 54321");
    await waitUntil(() => !isLeft(), { what: "the end of what the container left running" });
  });

  test("--pid host: what is left running goes also when the supervisor was killed", async () => {
    const id = await detach(
      place,
      "orphans",
      ["sh", "-c", "sleep 98765 & exec sleep 1000"],
      ["--pid", "host"],
    );
    const isLeft = (): boolean => runs("sleep 98765");
    await waitUntil(isLeft, { what: "the process" });
    process.kill(supervisorOf(place, id), "SIGKILL");
    await waitUntil(async () => (await inspect(place, "orphans", "{{.State.Status}}")) === "exited", {
      what: "the end",
    });
    await waitUntil(() => !isLeft(), { what: "the end of what the container left running" });
  });

  test("--ipc container:NAME shares queues, and /dev/shm", async () => {
    await detach(place, "donor", ["sh", "-c", "echo shared >/dev/shm/file; exec sleep 1000"]);
    await waitUntil(async () => (await engine.ok(["exec", "donor", "ls", "/dev/shm"])) === "file", {
      what: "the file",
    });
    expect(
      await shell(place, ["--ipc", "container:donor"], "cat /dev/shm/file; echo back >/dev/shm/back"),
    ).toBe("shared");
    expect(await engine.ok(["exec", "donor", "cat", "/dev/shm/back"])).toBe("back");
  });

  test("--ipc container:NAME does not follow what the other made of its /dev/shm", async () => {
    await detach(
      place,
      "donor",
      ["sh", "-c", "umount /dev/shm && rmdir /dev/shm && ln -s / /dev/shm; exec sleep 1000"],
      ["--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined"],
    );
    await waitUntil(
      async () => (await engine.ok(["exec", "donor", "ls", "-l", "/dev/"])).includes("shm ->"),
      { what: "the link" },
    );
    const result = await run(place, ["--ipc", "container:donor"], ["ls", "/dev/shm"]);
    expect(result.stderr).toContain("open mount source");
    expect(result.exitCode).toBe(125);
  });

  test("--ipc private cannot be joined, none has no /dev/shm, host has the host's", async () => {
    await detach(place, "closed", ["sleep", "1000"], ["--ipc", "private"]);
    const result = await run(place, ["--ipc", "container:closed"], ["true"]);
    expect(result.stderr).toContain("non-shareable IPC");
    expect(result.exitCode).toBe(125);
    expect(await shell(place, ["--ipc", "none"], "grep -c ' /dev/shm ' /proc/self/mounts || true")).toBe("0");
    expect(await shell(place, ["--ipc", "shareable"], "grep -c ' /dev/shm ' /proc/self/mounts")).toBe("1");
    const before = readFileSync("/proc/sys/kernel/shmmax", "utf8").trim();
    expect(await shell(place, ["--ipc", "host"], "cat /proc/sys/kernel/shmmax")).toBe(before);
  });

  test("--uts host has the host's name, and container:NAME the other's", async () => {
    const host = readFileSync("/proc/sys/kernel/hostname", "utf8").trim();
    expect(await shell(place, ["--uts", "host"], "hostname; cat /etc/hostname; echo $HOSTNAME")).toBe(
      `${host}\n${host}\n${host}`,
    );
    await detach(place, "named", ["sleep", "1000"], ["--hostname", "called"]);
    expect(await shell(place, ["--uts", "container:named"], "hostname; echo $HOSTNAME")).toBe(
      "called\ncalled",
    );
  });

  test("several namespaces of one container at once, and none of two", async () => {
    await detach(place, "one", ["sleep", "1000"]);
    await detach(place, "two", ["sleep", "1000"]);
    const all = [
      "--pid",
      "container:one",
      "--ipc",
      "container:one",
      "--uts",
      "container:one",
      "--network",
      "container:one",
    ];
    const script = links("pid", "ipc", "uts", "net", "user");
    expect(await shell(place, all, script)).toBe(await engine.ok(["exec", "one", "sh", "-c", script]));
    const mixed = await run(place, ["--pid", "container:one", "--ipc", "container:two"], ["true"]);
    expect(mixed.stderr).toStartWith(
      "Error: join namespaces: of one and two: they have different user namespaces\n",
    );
    await detach(place, "three", ["sleep", "1000"], ["--userns", "container:one"]);
    expect(await shell(place, ["--pid", "container:one", "--ipc", "container:three"], "echo joined")).toBe(
      "joined",
    );
    const kept = await run(place, ["--pid", "container:one", "--userns", "keep-id"], ["true"]);
    expect(kept.stderr).toContain("--userns: keep-id: the namespaces of one belong to its user namespace");
  });

  test("a container that was created for another's namespaces finds it by its id, and starts again with it", async () => {
    await detach(place, "donor", ["sleep", "1000"]);
    await engine.ok(["create", "--name", "guest", "--pid", "container:donor", place.tiny, "sleep", "1000"]);
    await engine.ok(["rename", "donor", "renamed"]);
    await engine.ok(["start", "guest"]);
    expect(await inspect(place, "guest", "{{.HostConfig.PidMode}}")).toBe(
      `container:${await inspect(place, "renamed", "{{.Id}}")}`,
    );
    await engine.ok(["restart", "-t", "0", "renamed"]);
    // its pid namespace is gone, and with it the guest
    await waitUntil(async () => (await inspect(place, "guest", "{{.State.Status}}")) === "exited", {
      what: "the guest's end",
    });
    await engine.ok(["start", "guest"]);
    expect(await engine.ok(["exec", "guest", "ps"])).toContain("sleep 1000");
  });

  test("exec and stop work in a container that shares a pid namespace", async () => {
    await detach(place, "donor", ["sleep", "1000"]);
    await detach(
      place,
      "guest",
      ["sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.1; done"],
      ["--pid", "container:donor"],
    );
    expect(await engine.ok(["exec", "guest", "readlink", "/proc/self/ns/pid"])).toBe(
      await engine.ok(["exec", "donor", "readlink", "/proc/self/ns/pid"]),
    );
    await engine.ok(["stop", "guest"]);
    expect(await inspect(place, "guest", "{{.State.ExitCode}}")).toBe("7");
    expect(await inspect(place, "donor", "{{.State.Status}}")).toBe("running");
  });

  test.each([
    [["--pid", "bogus"], "--pid: invalid PID mode"],
    [["--pid", "container:"], "--pid: invalid PID mode"],
    [["--uts", "bogus"], "--uts: invalid UTS mode"],
    [["--ipc", "bogus"], "--ipc: invalid IPC mode"],
    [["--cgroupns", "bogus"], "--cgroupns: invalid CGROUP mode"],
    [["--pid", "none"], "--pid: invalid PID mode"],
    [["--uts", "host", "--hostname", "x"], "conflicting options: hostname and the UTS mode"],
    [["--ipc", "host", "--shm-size", "1m"], "--shm-size: with --ipc host: /dev/shm is the other's"],
    [["--pid", "ns:/nothing"], "join PID namespace: /nothing: no such file or directory"],
    [["--pid", "ns:/etc/passwd"], "join PID namespace: /etc/passwd: it is no namespace"],
    [
      ["--sysctl", "net.ipv4.ip_forward=1", "--network", "host"],
      "sysctl: 'net.ipv4.ip_forward': not allowed in host network namespace",
    ],
    [
      ["--sysctl", "kernel.shmmax=1", "--ipc", "host"],
      "sysctl: 'kernel.shmmax': not allowed in host ipc namespace",
    ],
  ])("%p is refused", async (options, message) => {
    const result = await run(place, options, ["true"]);
    expect(result.stderr).toStartWith(`Error: ${message}\n`);
    expect(result.exitCode).toBe(125);
  });

  test("inspect shows them in docker's fields", async () => {
    await detach(
      place,
      "shown",
      ["sleep", "1000"],
      ["--pid", "host", "--ipc", "none", "--uts", "host", "--cgroupns", "host"],
    );
    const fields =
      "{{.HostConfig.PidMode}} {{.HostConfig.IpcMode}} {{.HostConfig.UTSMode}} {{.HostConfig.CgroupnsMode}}";
    expect(await inspect(place, "shown", fields)).toBe("host none host host");
  });
});
