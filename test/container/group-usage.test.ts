/** Figures of control groups, from files as the kernel writes them. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { groupProcesses, groupUsage, numberBehind, sumOf } from "../../src/container/group-usage";

const made: string[] = [];
afterAll(() => {
  for (const each of made) rmSync(each, { recursive: true, force: true });
});

function tree(files: Record<string, string>): string {
  const directory = mkdtempSync(join(tmpdir(), "p-"));
  made.push(directory);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  return directory;
}

describe("groupUsage() of version 2", () => {
  const FILES = {
    "cpu.stat": "usage_usec 3000000\nuser_usec 2000000\nsystem_usec 1000000\nnr_periods 0\n",
    "memory.current": "5000\n",
    "memory.stat": "anon 1000\ninactive_file 1500\nactive_file 7\n",
    "memory.max": "67108864\n",
    "pids.current": "3\n",
    "io.stat":
      "8:0 rbytes=4096 wbytes=10 rios=1 wios=1 dbytes=99 dios=0\n8:16 rbytes=1 wbytes=2 rios=1 wios=1 dbytes=0 dios=0\n",
  };

  test("counts memory without inactive cache, and all disks", () => {
    const { systemMicroseconds, ...usage } = groupUsage({ cgroup: tree(FILES) }) ?? {};
    expect(systemMicroseconds?.()).toBe(1_000_000);
    expect(usage).toEqual({
      cpuMicroseconds: 3_000_000,
      memoryBytes: 3500,
      memoryLimitBytes: 64 << 20,
      processes: 3,
      disk: { readBytes: 4097, writtenBytes: 12 },
    });
  });

  test("does not take away more cache than there is", () => {
    expect(groupUsage({ cgroup: tree({ ...FILES, "memory.current": "1000\n" }) })?.memoryBytes).toBe(1000);
  });

  test("knows what its controllers do not count", () => {
    expect(groupUsage({ cgroup: tree({ "cpu.stat": FILES["cpu.stat"] }) })).toMatchObject({
      cpuMicroseconds: 3_000_000,
      memoryBytes: undefined,
      memoryLimitBytes: 0,
      processes: undefined,
      disk: undefined,
    });
  });

  test("asks the slice once what groups in it count", () => {
    const slice = tree({
      "cgroup.subtree_control": "cpu\n",
      "a.scope/container/cpu.stat": FILES["cpu.stat"],
      "a.scope/container/memory.current": "5000\n", // as nobody can have it there
      "b.scope/container/cpu.stat": FILES["cpu.stat"],
    });
    const known = new Map<string, boolean>();
    expect(groupUsage({ cgroup: join(slice, "a.scope/container") }, known)).toMatchObject({
      cpuMicroseconds: 3_000_000,
      memoryBytes: undefined,
    });
    rmSync(join(slice, "cgroup.subtree_control"));
    expect(groupUsage({ cgroup: join(slice, "b.scope/container") }, known)?.processes).toBeUndefined();
    expect([...known]).toEqual([[slice, false]]);
    writeFileSync(join(slice, "cgroup.subtree_control"), "cpu memory\n");
    expect(groupUsage({ cgroup: join(slice, "a.scope/container") })?.memoryBytes).toBe(5000);
  });

  test("is null of a container that has ended, or has no group", () => {
    expect(groupUsage({ cgroup: "/no/such" })).toBeNull();
    expect(groupUsage({ cgroup: "" })).toBeNull();
    expect(groupUsage({})).toBeNull();
  });

  test("an empty io.stat is nothing read", () => {
    expect(groupUsage({ cgroup: tree({ ...FILES, "io.stat": "" }) })?.disk).toEqual({
      readBytes: 0,
      writtenBytes: 0,
    });
    expect(sumOf("8:0 rbytes=5 wbytes=6", "wbytes")).toBe(6);
    expect(numberBehind(`Rss: 1 kB\nPss:${"12345678901".padStart(22)} kB\n`, "\nPss: ")).toBe(12345678901);
    expect(numberBehind("Rss: 1 kB\n", "\nPss: ")).toBe(0);
  });
});

describe("groupProcesses()", () => {
  test("are those of the group and of all below it", () => {
    const cgroup = tree({
      "cgroup.procs": "10\n11\n",
      "app/cgroup.procs": "",
      "app/web/cgroup.procs": "12\n",
      "db/cgroup.procs": "13\n14\n",
    });
    expect(groupProcesses({ cgroup })?.sort()).toEqual([10, 11, 12, 13, 14]);
  });

  test("of version 1 are those of the hierarchy that counts the CPU's time", () => {
    const cpuacct = tree({ "cgroup.procs": "10\n" });
    expect(groupProcesses({ cgroup: "/no/such", cgroups: { memory: "/no/such", cpuacct } })).toEqual([10]);
  });

  test("are none of an empty group, and unknown of none", () => {
    expect(groupProcesses({ cgroup: tree({ "cgroup.procs": "" }) })).toEqual([]);
    expect(groupProcesses({ cgroup: "/no/such" })).toBeNull();
    expect(groupProcesses({ cgroup: "" })).toBeNull();
    expect(groupProcesses({})).toBeNull();
  });

  test("are unknown where a group below does not tell them", () => {
    const cgroup = tree({ "cgroup.procs": "10\n", "app/other": "" });
    expect(groupProcesses({ cgroup })).toBeNull();
  });

  test("follow no link out of the group", () => {
    const cgroup = tree({ "cgroup.procs": "10\n" });
    symlinkSync(tree({ "cgroup.procs": "99\n" }), join(cgroup, "link"));
    expect(groupProcesses({ cgroup })).toEqual([10]);
  });
});

describe("groupUsage() of version 1", () => {
  const root = tree({
    "cpuacct/cpuacct.usage": "3000000\n",
    "cpuacct/cpuacct.stat": "user 10\nsystem 5\n",
    "memory/memory.usage_in_bytes": "5000\n",
    "memory/memory.stat": "inactive_file 1\ntotal_inactive_file 1500\n",
    "memory/memory.limit_in_bytes": "9223372036854771712\n",
    "pids/pids.current": "2\n",
    "blkio/blkio.throttle.io_service_bytes":
      "8:0 Read 4096\n8:0 Write 1\n8:0 Total 4097\n8:16 Read 4\nTotal 4101\n",
  });
  const paths = (...names: string[]) => Object.fromEntries(names.map((name) => [name, join(root, name)]));

  test("is that of the same figures", () => {
    const { systemMicroseconds, ...usage } =
      groupUsage({ cgroup: join(root, "memory"), cgroups: paths("cpuacct", "memory", "pids", "blkio") }) ??
      {};
    expect(systemMicroseconds?.()).toBe(50_000);
    expect(usage).toEqual({
      cpuMicroseconds: 3000,
      memoryBytes: 3500,
      memoryLimitBytes: 0,
      processes: 2,
      disk: { readBytes: 4100, writtenBytes: 1 },
    });
  });

  test("is null without one that counts the CPU's time", () => {
    expect(groupUsage({ cgroups: paths("memory") })).toBeNull();
  });
});
