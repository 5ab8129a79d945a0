/** What a container may do, and what it sees of the host. */
import { describe, expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing, useTiny } from "../../harness";
import { removeAll, run, shell } from "./_shell";

const DEFAULT = 0xa80425fbn; // docker's fourteen
const CAP_SYS_ADMIN = 1n << 21n;
const CAP_NET_RAW = 1n << 13n;
const CAP_NET_ADMIN = 1n << 12n;
const CAP_CHOWN = 1n;

const hex = (value: bigint): string => value.toString(16).padStart(16, "0");

/** The number of a system call here. */
const syscalls: Record<string, { keyctl: number; addKey: number } | undefined> = {
  x64: { keyctl: 250, addKey: 248 },
  arm64: { keyctl: 219, addKey: 217 },
};
const numbers = syscalls[process.arch];
const noPerl = !existsSync("/usr/bin/perl") || numbers === undefined;

describe.skipIf(missing !== null)("a container", () => {
  const place = useTiny();
  const { engine } = place;

  const status = (options: string[], pattern: string): Promise<string> =>
    shell(place, options, `grep -E '^(${pattern}):' /proc/self/status | tr '\\t\\n' ' ' | tr -s ' '`);

  test.each([
    [[], DEFAULT],
    [["--cap-add", "SYS_ADMIN"], DEFAULT | CAP_SYS_ADMIN],
    [["--cap-add", "cap_net_admin", "--cap-drop", "net_raw"], (DEFAULT | CAP_NET_ADMIN) & ~CAP_NET_RAW],
    [["--cap-drop", "ALL"], 0n],
    [["--cap-drop=all", "--cap-add=CAP_CHOWN"], CAP_CHOWN],
    [["--cap-add", "ALL", "--cap-drop", "SYS_ADMIN"], null],
  ])("with %p has exactly these capabilities, and none to inherit", async (options, expected) => {
    const text = await status(options, "CapInh|CapEff|CapPrm|CapBnd|CapAmb");
    const values = Object.fromEntries(
      [...text.matchAll(/Cap(\w+): ([0-9a-f]+)/g)].map(([, name, value]) => [name, value]),
    );
    expect(values["Inh"]).toBe(hex(0n));
    expect(values["Amb"]).toBe(hex(0n));
    expect(values["Eff"]).toBe(values["Bnd"]);
    expect(values["Prm"]).toBe(values["Bnd"]);
    const effective = BigInt(`0x${values["Eff"]}`);
    if (expected !== null) expect(hex(effective)).toBe(hex(expected));
    else expect([effective & CAP_SYS_ADMIN, effective & CAP_NET_ADMIN]).toEqual([0n, CAP_NET_ADMIN]);
  });

  test("as another user than root has no capability, and the bounding set all the same", async () => {
    expect(await status(["-u", "app"], "CapPrm|CapEff|CapBnd|CapAmb")).toBe(
      `CapPrm: ${hex(0n)} CapEff: ${hex(0n)} CapBnd: ${hex(DEFAULT)} CapAmb: ${hex(0n)}`,
    );
  });

  test("has no_new_privs only where that is asked for", async () => {
    expect(await status([], "NoNewPrivs")).toBe("NoNewPrivs: 0");
    expect(await status(["--security-opt", "no-new-privileges"], "NoNewPrivs")).toBe("NoNewPrivs: 1");
    expect(await status(["--security-opt", "no-new-privileges:true"], "NoNewPrivs")).toBe("NoNewPrivs: 1");
    expect(await status(["--security-opt=no-new-privileges=false"], "NoNewPrivs")).toBe("NoNewPrivs: 0");
  });

  /** Whether two system calls of keyrings are refused, in a container of the host's own perl. */
  const keyrings = (...options: string[]): Promise<string> => {
    const script = `for my $n (${numbers?.keyctl}, ${numbers?.addKey}) {
      my $r = syscall($n, 0, -3, 0, 0, 0); print $r < 0 && $! == 1 ? "refused " : "allowed "; }`;
    return engine.ok(["run", "--rm", ...options, "--rootfs", "/", "perl", "-e", script]);
  };

  test.skipIf(noPerl)(
    "may not use the kernel's keyrings, unless its filter is taken away (perl)",
    async () => {
      expect(await keyrings()).toBe("refused refused ");
      expect(await keyrings("--security-opt", "seccomp=unconfined")).toBe("allowed allowed ");
      expect(await status(["--security-opt", "seccomp=unconfined"], "Seccomp")).toBe("Seccomp: 0");
    },
  );

  test("has the filter of the file that it is given", async () => {
    const path = join(engine.sandbox.home, "profile.json");
    const rule = { names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 95 };
    writeFileSync(path, JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule] }));
    const script = "mkdir /x 2>&1; touch /y && echo made";
    expect(await shell(place, ["--security-opt", `seccomp=${path}`], script)).toBe(
      "mkdir: can't create directory '/x': Operation not supported\nmade",
    );
  });

  test.each([
    ["nothing.json", null, "no such file or directory"],
    ["broken.json", "{", "broken.json"],
    ["wrong.json", '{"defaultAction":"NO_SUCH_ACTION"}', "NO_SUCH_ACTION"],
  ])("is not started with a filter from %s", async (name, content, message) => {
    const path = join(engine.sandbox.home, name);
    if (content !== null) writeFileSync(path, content);
    const result = await run(place, ["--security-opt", `seccomp=${path}`], ["true"]);
    expect(result.stderr).toStartWith("Error: ");
    expect(result.stderr).toContain(message);
    expect(result.exitCode).toBe(125);
    await engine.assertNothingLeft();
  });

  test("is not started with a filter that does not end, and one from a pipe is read", async () => {
    const endless = await run(place, ["--security-opt", "seccomp=/dev/zero"], ["true"]);
    expect(endless.stderr).toStartWith("Error: seccomp profile: /dev/zero: it is longer than");
    expect(endless.exitCode).toBe(125);
    const stdin = JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW" });
    expect(await shell(place, ["--security-opt", "seccomp=/dev/stdin"], "echo fine", { stdin })).toBe("fine");
  });

  test("cannot make a user namespace, mount, or trace what is not its own, by the filter", async () => {
    expect(
      await shell(
        place,
        [],
        "unshare -U true 2>/dev/null || echo no; mount -t tmpfs x /tmp 2>/dev/null || echo no",
      ),
    ).toBe("no\nno");
  });

  test("has masked and write-protected files of /proc and /sys, each", async () => {
    const script = [
      "for f in kcore keys timer_list interrupts latency_stats sched_debug; do cat /proc/$f 2>/dev/null; done | wc -c",
      "ls -A /proc/acpi /proc/scsi /proc/asound /sys/firmware /sys/devices/virtual/powercap 2>/dev/null | grep -v -e : -e '^$' | wc -l",
      "for f in /proc/sys/kernel/shmmax /proc/sys/net/ipv4/ip_forward /proc/sysrq-trigger /sys/kernel/x; do ( : >$f ) 2>/dev/null && echo writable $f; done",
      'awk \'$2 == "/proc/sys" || $2 == "/sys" || $2 == "/sys/fs/cgroup" {print $2, substr($4, 1, 2)}\' /proc/mounts | sort',
    ].join("\n");
    expect(await shell(place, [], script)).toBe("0\n0\n/proc/sys ro\n/sys ro\n/sys/fs/cgroup ro");
  });

  test("has a /dev of its own with the devices of the runtime specification and no other", async () => {
    const script =
      "cd /dev; ls -d * | tr '\\n' ' '; ls -l | grep ^b; stat -c %a shm mqueue pts/ptmx | tr '\\n' ' '";
    const names = "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero";
    const text = await shell(place, [], script);
    expect(text.replace(/\bcore /, "")).toBe(`${names.replace("core ", "")} 1777 1777 666`);
  });

  test("sees no process but its own, and is the first of them", async () => {
    expect(await shell(place, [], "ls -d /proc/[0-9]* | wc -l; readlink /proc/1/exe; echo $$")).toMatch(
      /^[1-3]\n\/bin\/busybox\n1$/,
    );
  });

  test("has its ids mapped to subordinate ones, root to the user", async () => {
    const uid = process.getuid?.();
    const map = await shell(place, [], "cat /proc/self/uid_map");
    const first = map.split("\n")[0]?.trim().split(/\s+/);
    expect(first).toEqual(["0", String(uid), "1"]);
    expect(map.split("\n").length).toBeGreaterThan(1);
  });

  test("--network none has the loopback, up, with both addresses, and no resolver", async () => {
    const script =
      "ip -o link | wc -l; ip -o addr show lo | awk '{print $4}'; ip route | wc -l; wc -c </etc/resolv.conf";
    expect(await shell(place, ["--network", "none"], script)).toBe("1\n127.0.0.1/8\n::1/128\n0\n0");
    expect(
      await shell(place, [], "for a in 127.0.0.1 ::1; do ping -c 1 $a | grep -c '^64 bytes'; done"),
    ).toBe("1\n1");
  });

  test("--network host is the host's, with its name and its resolvers", async () => {
    const [host, hostname] = ["/etc/resolv.conf", "/proc/sys/kernel/hostname"].map((path) => Bun.file(path));
    const text = await shell(place, ["--network", "host"], "hostname; cat /etc/resolv.conf");
    const resolvers = (await host?.exists()) ? ((await host?.text()) ?? "") : "";
    expect(text).toBe(`${(await hostname?.text())?.trim()}\n${resolvers}`.trim());
    const interfaces = await shell(place, ["--net=host"], "ls /sys/class/net | sort");
    const ours = [...new Bun.Glob("*").scanSync({ cwd: "/sys/class/net", onlyFiles: false })]
      .sort()
      .join("\n");
    expect(interfaces).toBe(ours);
  });

  test("--sysctl sets what belongs to its namespaces", async () => {
    const options = ["--sysctl", "kernel.shmmax=12345", "--sysctl", "net.ipv4.ip_forward=1"];
    expect(await shell(place, options, "cat /proc/sys/kernel/shmmax /proc/sys/net/ipv4/ip_forward")).toBe(
      "12345\n1",
    );
  });

  test("--ulimit sets soft and hard limits, and the others are as the user has them", async () => {
    const options = ["--ulimit", "nofile=100:200", "--ulimit", "core=0"];
    const limits = await run(place, options, ["cat", "/proc/self/limits"]);
    const text = limits.stdout.replaceAll(/ +/g, " ");
    expect(text).toContain("Max open files 100 200 files");
    expect(text).toContain("Max core file size 0 0 bytes");
    const unlimited = await run(
      place,
      ["--ulimit", "core=unlimited", "--ulimit", "fsize=1:-1"],
      ["cat", "/proc/self/limits"],
    );
    expect(unlimited.stdout.replaceAll(/ +/g, " ")).toContain("Max core file size unlimited unlimited bytes");
    expect(unlimited.stdout.replaceAll(/ +/g, " ")).toContain("Max file size 1 unlimited bytes");
  });

  test("--oom-score-adj is the process's", async () => {
    expect(await shell(place, ["--oom-score-adj", "777"], "cat /proc/self/oom_score_adj")).toBe("777");
  });

  test("has no way to the host's files: `..`, /proc/1/root and the old root lead nowhere", async () => {
    const script =
      "ls /../../.. | tr '\\n' ' '; ls /proc/1/root | tr '\\n' ' '; grep -c ' / / ' /proc/self/mountinfo; cat /proc/self/mountinfo | wc -l";
    const text = await shell(place, [], script);
    const tree = "bin dev etc home proc root run sys tmp var";
    expect(text).toStartWith(`${tree} ${tree} `);
    const mounts = await shell(place, [], "awk '{print $5}' /proc/self/mountinfo | sort -u");
    expect(mounts).not.toContain("oldroot");
  });

  test("cannot write to the executable that started it", async () => {
    const script = "( : >/proc/1/exe ) 2>/dev/null || echo refused; readlink /proc/1/exe";
    expect(await shell(place, [], script)).toBe("refused\n/bin/busybox");
  });

  test("nothing is left of all these", () => removeAll(place));
});
