/** What a container's processes may do: capabilities, groups, system calls, and the ways to the host's kernel and processes. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { processesOf } from "../../harness";
import { removeAll } from "../_network";
import { run, shell, supervisorOf } from "../container/_shell";
import { expectRefused, missing, startBox, useAttacker } from "./_attack";

const NONE = "0000000000000000";

/** What cannot be called by default. personality and clone3 are answered in their own ways (below). */
const REFUSED =
  "io_uring_setup userfaultfd bpf perf_event_open keyctl add_key request_key open_by_handle_at mount fsopen open_tree move_mount mount_setattr umount2 pivot_root setns unshare clone kexec_load init_module finit_module delete_module swapon acct quotactl reboot settimeofday clock_settime syslog personality move_pages mknod".split(
    " ",
  );

setDefaultTimeout(180_000); // many containers in a test; a hang is one command's timeout

describe.skipIf(missing !== null)(`privileges${missing ? ` (${missing})` : ""}`, () => {
  const place = useAttacker();
  const { engine } = place;

  const status = (text: string): Record<string, string> =>
    Object.fromEntries(
      [...text.matchAll(/^(\w+):[ \t]*(.*?)[ \t]*$/gm)].map(([, key, value]) => [key, value]),
    );

  // CVE-2022-24769 (moby), 27649 (podman), 27650 (crun), 27651 (buildah), 29162 (runc): a program with inheritable file capabilities gains them
  test("no capability is inheritable or ambient: not at the start, not in exec, not for another user", async () => {
    const cat = ["cat", "/proc/self/status"];
    await using box = await startBox(place, ["--cap-add", "ALL"]);
    const texts = [
      (await run(place, [], cat)).stdout,
      (await run(place, ["--cap-add", "ALL"], cat)).stdout,
      (await run(place, ["--cap-add", "ALL", "-u", "app"], cat)).stdout,
      (await run(place, ["--privileged"], cat)).stdout,
      await engine.ok(["exec", box.id, ...cat]),
      await engine.ok(["exec", "-u", "app", box.id, ...cat]),
      await engine.ok(["exec", "--privileged", box.id, ...cat]),
      await engine.ok(["exec", "--privileged", "-u", "app", box.id, ...cat]),
    ].map(status);
    expect(texts.map(({ CapInh }) => CapInh)).toEqual(texts.map(() => NONE));
    expect(texts.map(({ CapAmb }) => CapAmb)).toEqual(texts.map(() => NONE));
  });

  test("exec gets no more than the container has", async () => {
    await using box = await startBox(place, ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]);
    const inside = status(await engine.ok(["exec", box.id, "cat", "/proc/self/status"]));
    expect(inside).toMatchObject({ CapEff: NONE, CapPrm: NONE, CapBnd: NONE, NoNewPrivs: "1", Seccomp: "2" });
  });

  // CVE-2022-2989 (podman), 2990 (buildah), 2995 (CRI-O), 36109 (moby): a set-group-ID program could drop the primary group, and with it what
  // a file denies to that group
  test("the supplementary groups are those of the image, and hold the primary one", async () => {
    const groups = async (...options: string[]): Promise<string> =>
      (status((await run(place, options, ["cat", "/proc/self/status"])).stdout)["Groups"] ?? "").trim();
    expect(await groups()).toBe("0");
    expect(await groups("-u", "app")).toBe("1000 2000");
    expect(await groups("-u", "app:extra")).toBe("2000");
    expect(await groups("-u", "4321:1234")).toBe("1234");
    expect(await groups("-u", "app", "--group-add", "77")).toBe("77 1000 2000");
    await using box = await startBox(place);
    const inside = status(await engine.ok(["exec", "-u", "app", box.id, "cat", "/proc/self/status"]));
    expect(inside["Groups"]).toBe("1000 2000");
  });

  test.each([
    ["in the first process", (name: string) => ["logs", name]],
    ["in what exec adds", (name: string) => ["exec", name, "attack", "calls"]],
    ["as another user", (name: string) => ["exec", "-u", "app", name, "attack", "calls"]],
  ])("system calls that reach deep into the kernel are refused, %s", async (_where, command) => {
    await engine.ok([
      "run",
      "-d",
      "--name",
      "calls",
      place.tiny,
      "sh",
      "-c",
      "attack calls; touch /done; sleep 1000",
    ]);
    await engine.ok(["exec", "calls", "sh", "-c", "until [ -e /done ]; do sleep 0.01; done"]);
    const answers = Object.fromEntries(
      (await engine.ok(command("calls"))).split("\n").map((line) => line.split(" ") as [string, string]),
    );
    const allowed = REFUSED.filter((name) => answers[name] !== "EPERM" && answers[name] !== "ENOSYS");
    expect(allowed).toEqual([]);
    expect(answers["clone3"]).toBe("ENOSYS"); // its flags lie in memory, out of a filter's sight: programs then use clone
    await engine.ok(["rm", "-f", "calls"]);
  });

  // CVE-2022-0492: root of a user namespace could write release_agent of a cgroup v1 hierarchy
  test.each([
    ["by default", []],
    ["with every capability and no filter", ["--cap-add", "ALL", "--security-opt", "seccomp=unconfined"]],
    ["privileged", ["--privileged"]],
    ["privileged, in the host's cgroup namespace", ["--privileged", "--cgroupns", "host"]],
  ])("the host's kernel, cgroups and disks are out of reach, %s", async (_how, options) => {
    const script = [
      "cd /tmp; mkdir c d; made() { echo reached $1; }",
      "for t in memory cpu devices pids rdma; do mount -t cgroup -o $t x c && (echo /x >c/release_agent) && made release_agent; umount c; done",
      "mount -t cgroup2 x c; mount -o remount,rw /sys/fs/cgroup",
      "for g in c /sys/fs/cgroup; do (echo 1 >$g/../cgroup.procs); [ -e $g/cgroup.procs ] && (echo 0 >$g/cgroup.freeze) && made freeze; done",
      "(echo '|/x' >/proc/sys/kernel/core_pattern) && made core_pattern; (echo /x >/proc/sys/kernel/modprobe) && made modprobe",
      "(echo /x >/sys/kernel/uevent_helper) && made uevent_helper; (echo b >/proc/sysrq-trigger) && made sysrq",
      "mount -o remount,rw /proc; mount -o remount,rw /proc/sys; (echo 1 >/proc/sys/kernel/sysrq) && made sysrq-mask",
      "mount -t proc p d && (echo '|/x' >d/sys/kernel/core_pattern) && made core_pattern-again; mount -t sysfs s d && (echo /x >d/kernel/uevent_helper) && made uevent-again",
      "mount -t debugfs x d && made debugfs; mount -t tracefs x d && made tracefs; mount -t securityfs x d && made securityfs; mount -t bpf x d && ls d/ | grep . && made bpf",
      "for n in 'b 8 0' 'b 259 0' 'b 254 0' 'c 1 1' 'c 1 4' 'c 10 200'; do mknod n $n && head -c 1 n && made \"$n\"; rm -f n; done",
      "for f in /dev/mem /dev/kmem /dev/port /dev/sda /dev/vda /dev/kvm /dev/fuse; do (: <$f) && case $f in */kvm|*/fuse) ;; *) made $f;; esac; done",
      "head -c 1 /proc/kcore && made kcore; dmesg | grep -m 1 . && made dmesg; insmod /bin/busybox && made module; date -s 2001-01-01 >x; date +%Y | grep 2001 && made clock",
      "chroot /proc/1/root/.. true; nsenter -t 1 -m -- ls /work; swapon /bin/busybox && made swap; true",
    ].join("\n");
    const result = await run(place, options, ["sh", "-c", `(${script}) 2>/tmp/x; echo end`], {
      timeoutMs: 60_000,
    });
    expect(result.stdout).toBe("end\n");
    expect(result.exitCode).toBe(0);
  });

  // CVE-2023-25809: without a cgroup namespace of its own, a rootless container could write to the user's own groups
  test.each([["private"], ["host"]])("no cgroup can be made or joined, with --cgroupns %s", async (kind) => {
    const script =
      "(mkdir /sys/fs/cgroup/x; echo 1 >/sys/fs/cgroup/cgroup.procs; find /sys/fs/cgroup -writable -type f | head -n 1) 2>/tmp/x; true";
    const result = await run(place, ["--cgroupns", kind], ["sh", "-c", script]);
    expect(result).toMatchObject({ stdout: "", stderr: "", exitCode: 0 });
  });

  test("the engine's processes cannot be seen from inside", async () => {
    await using box = await startBox(place);
    const supervisor = supervisorOf(place, box.id);
    const answers = await engine.ok(["exec", box.id, "attack", "trace", `${supervisor}`]);
    expect(answers.split("\n")).toEqual([
      "seize ESRCH",
      "read ESRCH",
      "root/etc ENOENT",
      "environ ENOENT",
      "mem ENOENT",
      "maps ENOENT",
      "fd/0 ENOENT",
      "cwd/. ENOENT",
      "exe ENOENT",
    ]);
    expect(await engine.ok(["exec", box.id, "sh", "-c", "cat /proc/*/comm | sort -u"])).not.toContain("proa");
  });

  test.each([
    ["", []],
    [", with every capability and no filter", ["--cap-add", "ALL", "--security-opt", "seccomp=unconfined"]],
    [", privileged", ["--privileged"]],
  ])("the engine's processes cannot be looked into with --pid host%s", async (_how, options) => {
    await using box = await startBox(place, ["--pid", "host", ...options]);
    const supervisor = supervisorOf(place, box.id);
    const ours = processesOf(engine.sandbox).filter(({ name }) => name.startsWith("proa"));
    expect(ours.map(({ pid }) => pid)).toContain(supervisor);
    for (const { pid, name } of ours) {
      const answers = await engine.ok(["exec", box.id, "attack", "trace", `${pid}`]);
      const opened = answers.split("\n").filter((line) => / ok$/.test(line) && line !== "maps ok");
      expect([name, opened]).toEqual([name, []]);
    }
  });

  // CVE-2020-15257: containerd-shim's abstract socket, which a container with the host's network reached
  test("with the host's network no socket of the engine can be reached", async () => {
    await using _neighbour = await startBox(place);
    const text = await shell(place, ["--network", "host"], "cat /proc/net/unix");
    expect(
      text.split("\n").filter((line) => /@.*proa|proa.*\.sock$/.test(line) && line.includes("@")),
    ).toEqual([]);
  });

  test("abstract sockets of the host are reached with the host's network only", async () => {
    const name = `proa-test-${crypto.randomUUID()}`;
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((done) => server.listen(`\0${name}`, done));
    expect(await shell(place, [], `attack connect ${name}`)).toBe("ECONNREFUSED");
    expect(await shell(place, ["--network", "none"], `attack connect ${name}`)).toBe("ECONNREFUSED");
    server.close();
  });

  test("a container's other users cannot enter proa's directories, even when these are mounted", async () => {
    await using _neighbour = await startBox(place);
    const volumes = [engine.sandbox.runtimeDir, engine.sandbox.dataHome, engine.sandbox.cacheHome].flatMap(
      (path, i) => ["-v", `${path}:/v${i}`],
    );
    const script =
      "for i in 0 1 2; do ls /v$i/proa /v$i 2>&1 | grep -v -e 'Permission denied' -e '^/v.:$'; done; true";
    for (const user of ["app", "1234", "65534"])
      expect(await shell(place, [...volumes, "-u", user], script)).toBe("");
  });

  // config.json and the run directory decide what the next exec does: the container must not find them
  test("a container's own bundle and run directory are not in it", async () => {
    await using box = await startBox(place, ["--cap-add", "ALL", "--security-opt", "seccomp=unconfined"]);
    const script = `cat /proc/self/mountinfo /proc/1/environ /proc/1/cmdline; find / -xdev \\( -name config.json -o -name state.json -o -name '*${box.id.slice(0, 20)}*' \\)`;
    const text = await engine.ok(["exec", box.id, "sh", "-c", script]);
    const seen = text.split("\n").filter((line) => /(config|state)\.json$/.test(line));
    expect(seen).toEqual([]);
    const owned = processesOf(engine.sandbox).filter(({ command }) => command.includes(box.id));
    expect(owned).toHaveLength(1);
    expect(readdirSync(join(engine.sandbox.runtimeDir, "proa/containers"))).toEqual([box.id]);
  });

  test("names with `..` or slashes are none", async () => {
    for (const name of [
      "..",
      ".",
      "../x",
      "a/../../b",
      "-rf",
      "a b",
      "a\nb",
      "\u001b[2J",
      "a:b",
      "a,b",
      "%2e%2e",
    ]) {
      expectRefused(await engine.proa(["create", `--name=${name}`, place.tiny, "true"]));
      if (!name.startsWith(".")) expectRefused(await run(place, ["-v", `${name}:/v`], ["true"])); // those are paths
      expect((await engine.proa(["volume", "create", "--", name])).exitCode).not.toBe(0);
      expect((await engine.proa(["network", "create", "--", name])).exitCode).not.toBe(0);
    }
    expect(readFileSync("/etc/passwd", "utf8")).toContain("root:");
  });

  test("nothing is left of all these", () => removeAll(place));
});
