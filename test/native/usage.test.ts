/** The verbs `usage` and `processes`: figures of control groups, from files as the kernel writes them, and of processes that live. */
import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { closeSync, copyFileSync, mkdirSync, openSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { MembersRecord, UsageRecord, UsageReply } from "../../src/helper/protocol";
import { flock, LOCK_EX } from "../../src/helper/syscalls";
import { waitUntil } from "../harness/wait";
import { helperMissing, makeDirectory, removeDirectories } from "./_container";
import { call } from "./_layer";

setDefaultTimeout(30_000);
const held: { fds: number[]; groups: number[] } = { fds: [], groups: [] };
afterEach(() => {
  for (const fd of held.fds.splice(0)) closeSync(fd);
  for (const pid of held.groups.splice(0)) process.kill(-pid, "SIGKILL");
});
afterAll(removeDirectories);

function tree(files: Record<string, string>): string {
  const directory = makeDirectory();
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  return directory;
}

/** A run directory, `state` in its file. */
function runDir(state: object, name = "c1"): string {
  return join(tree({ [`${name}/state.json`]: JSON.stringify({ pid: 1, startedMs: 7, ...state }) }), name);
}

const ask = async <Of>(verb: string, runDirs: string[] | string) => {
  const { ok } = await call<UsageReply<Of>>(verb, { runDirs });
  return ok?.containers ?? {};
};
const usageOf = async (state: object): Promise<UsageRecord | undefined> =>
  (await ask<UsageRecord>("usage", [runDir(state)]))["c1"];

/** A process with children, whose output begins when all of them are there. */
async function begin(args: string[]): Promise<number> {
  const child = Bun.spawn(args, { detached: true, stdio: ["ignore", "pipe", "inherit"] });
  held.groups.push(child.pid);
  await child.stdout.getReader().read();
  return child.pid;
}

const OWN_MOUNTS = ["unshare", "--user", "--map-root-user", "--mount"];

/** The same, whose run directory is held as a supervisor does. */
async function lives(
  script: string,
  before: string[] = [],
  name = "c1",
): Promise<{ pid: number; runDir: string }> {
  const pid = await begin([...before, "sh", "-c", script]);
  const directory = runDir({ pid, cgroup: "" }, name);
  const fd = openSync(directory, "r");
  flock(fd, LOCK_EX);
  held.fds.push(fd);
  return { pid, runDir: directory };
}

const FILES = {
  "cpu.stat": "usage_usec 3000000\nuser_usec 2000000\nsystem_usec 1000000\nnr_periods 0\n",
  "memory.current": "5000\n",
  "memory.stat": "anon 1000\ninactive_file 1500\nactive_file 7\n",
  "memory.max": "67108864\n",
  "pids.current": "3\n",
  "io.stat":
    "8:0 rbytes=4096 wbytes=10 rios=1 wios=1 dbytes=99 dios=0\n8:16 rbytes=1 wbytes=2 rios=1 wios=1 dbytes=0 dios=0\n",
};

/** `cgroup.procs` of each group on the way down. */
function everyGroup(path: string): Record<string, string> {
  const names = path.split("/").slice(0, -1);
  return Object.fromEntries(
    names.map((_, at) => [`${names.slice(0, at + 1).join("/")}/cgroup.procs`, "1\n"]),
  );
}

describe.skipIf(helperMissing !== undefined)(`usage of groups of version 2 (${helperMissing ?? ""})`, () => {
  test("counts memory without inactive cache, and all disks", async () => {
    expect(await usageOf({ cgroup: tree(FILES) })).toEqual({
      startedMs: 7,
      isOfGroup: true,
      cpuMicroseconds: 3_000_000,
      systemMicroseconds: 1_000_000,
      memoryBytes: 3500,
      memoryLimitBytes: 64 << 20,
      processes: 3,
      disk: { readBytes: 4097, writtenBytes: 12 },
    });
  });

  test("does not take away more cache than there is, and knows no limit", async () => {
    const cgroup = tree({ ...FILES, "memory.current": "1000\n", "memory.max": "max\n" });
    expect(await usageOf({ cgroup })).toMatchObject({ memoryBytes: 1000, memoryLimitBytes: 0 });
  });

  test("an empty io.stat is nothing read", async () => {
    const cgroup = tree({ ...FILES, "io.stat": "" });
    expect((await usageOf({ cgroup }))?.disk).toEqual({ readBytes: 0, writtenBytes: 0 });
  });

  test("what its controllers do not count is added up from the processes in it and below it", async () => {
    const pid = String(process.pid);
    const cgroup = tree({
      "cpu.stat": FILES["cpu.stat"],
      "cgroup.procs": `${pid}\n999999999\n`,
      "app/cgroup.procs": "",
      "app/web/cgroup.procs": `${process.ppid}\n`,
      ".hidden/cgroup.procs": `${process.ppid}\n`,
    });
    symlinkSync(tree({ "cgroup.procs": `${pid}\n` }), join(cgroup, "link")); // leads out of the group
    const usage = await usageOf({ cgroup });
    expect(usage).toMatchObject({ cpuMicroseconds: 3_000_000, isOfGroup: true, processes: 4 });
    expect(usage?.memoryBytes).toBeGreaterThan(1 << 20);
    expect(usage?.disk.readBytes).toBeGreaterThanOrEqual(0);
    const counted = tree({ ...FILES, "cgroup.procs": `${pid}\n` });
    rmSync(join(counted, "memory.current"));
    const half = await usageOf({ cgroup: counted });
    expect(half).toMatchObject({ processes: 3, disk: { readBytes: 4097, writtenBytes: 12 } });
    expect(half?.memoryBytes).toBeGreaterThan(1 << 20);
    expect(
      await usageOf({ cgroup: tree({ "cpu.stat": FILES["cpu.stat"], "cgroup.procs": "" }) }),
    ).toMatchObject({
      processes: 0,
      memoryBytes: 0,
    });
  });

  test("a container that has ended, waits for its next start, or is none is not told", async () => {
    expect(await usageOf({ pid: 0, cgroup: tree(FILES) })).toBeUndefined();
    expect(await usageOf({ cgroup: "/no/such", pid: process.pid })).toBeUndefined(); // nobody holds its lock
    expect(await usageOf({ pid: process.pid })).toBeUndefined();
    expect(await ask("usage", [join(tree({ "c1/state.json": "{" }), "c1")])).toEqual({});
    expect(await ask("usage", ["/no/such/c1"])).toEqual({});
    expect(await ask("usage", "/no/such")).toEqual({});
  });

  test("is that of all in a directory, or of those that are named", async () => {
    const cgroup = tree(FILES);
    const text = JSON.stringify({ pid: 1, startedMs: 7, cgroup });
    const all = tree({ "a/state.json": text, "b/state.json": text, "c/lock": "", file: "" });
    expect(Object.keys(await ask("usage", all)).sort()).toEqual(["a", "b"]);
    expect(Object.keys(await ask("usage", [join(all, "b"), join(all, "c")]))).toEqual(["b"]);
    expect((await call("usage", { runDirs: ["c1"] })).error).toMatchObject({
      step: "read request",
      object: "c1",
    });
  });
});

describe.skipIf(helperMissing !== undefined)(`usage of groups of version 1 (${helperMissing ?? ""})`, () => {
  const files = {
    "cpuacct/cpuacct.usage": "3000000\n",
    "cpuacct/cpuacct.stat": "user 10\nsystem 5\n",
    "memory/memory.usage_in_bytes": "5000\n",
    "memory/memory.stat": "cache 1\ninactive_file 1\ntotal_inactive_file 1500\n",
    "memory/memory.limit_in_bytes": "9223372036854771712\n",
    "pids/pids.current": "2\n",
    "blkio/blkio.throttle.io_service_bytes":
      "8:0 Read 4096\n8:0 Write 1\n8:0 Total 4097\n8:16 Read 4\nTotal 4101\n",
  };
  const state = (...names: string[]) => {
    const root = tree(files);
    const cgroups = Object.fromEntries(names.map((name) => [name, join(root, name)]));
    return { cgroup: join(root, "memory"), cgroups };
  };

  test("is that of the same figures", async () => {
    expect(await usageOf(state("cpuacct", "memory", "pids", "blkio"))).toEqual({
      startedMs: 7,
      isOfGroup: true,
      cpuMicroseconds: 3000,
      systemMicroseconds: 50_000,
      memoryBytes: 3500,
      memoryLimitBytes: 0,
      processes: 2,
      disk: { readBytes: 4100, writtenBytes: 1 },
    });
  });

  test("processes are those of the hierarchy that counts the CPU's time, without which all is counted by processes", async () => {
    const { cgroups } = state("cpuacct", "memory");
    writeFileSync(join(cgroups["cpuacct"] ?? "", "cgroup.procs"), `${process.pid}\n${process.ppid}\n`);
    expect(await usageOf({ cgroup: "/no/such", cgroups })).toMatchObject({ processes: 2, memoryBytes: 3500 });
    expect(await usageOf(state("memory"))).toBeUndefined(); // nobody holds its lock
  });
});

describe.skipIf(helperMissing !== undefined)(`usage by processes (${helperMissing ?? ""})`, () => {
  const TREE = "sleep 1000 & (sleep 1000 & sleep 1000 & echo x; wait) & wait";

  test("is that of the first one and of all below it", async () => {
    const { pid, runDir: place } = await lives(TREE);
    const members = (await ask<MembersRecord>("processes", [place]))["c1"];
    expect(members?.first).toBe(pid);
    expect(members?.pids).toContain(pid);
    expect(members?.pids).toHaveLength(5);
    const usage = (await ask<UsageRecord>("usage", [place]))["c1"];
    expect(usage).toMatchObject({ startedMs: 7, isOfGroup: false, processes: 5, memoryLimitBytes: 0 });
    expect(usage?.memoryBytes).toBeGreaterThan(10_000);
  });

  test("counts the CPU's time, that of children that have ended too", async () => {
    const busy = "i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); done";
    const { runDir: place } = await lives(`(${busy}); echo x; sleep 1000`);
    await waitUntil(
      async () => ((await ask<UsageRecord>("usage", [place]))["c1"]?.cpuMicroseconds ?? 0) > 0,
      { what: "time of the CPU" },
    );
  });

  test("is that of all in its mount namespace, whoever has started them, and once however often it is named", async () => {
    const other = await lives("sleep 1000 & echo x; wait", OWN_MOUNTS, "c0");
    const { pid, runDir: place } = await lives(TREE, OWN_MOUNTS);
    await begin([
      "nsenter",
      "-t",
      String(pid),
      "-U",
      "-m",
      "--preserve-credentials",
      "sh",
      "-c",
      "echo x; sleep 1000",
    ]);
    for (const places of [
      [place],
      [place, place],
      [other.runDir, place, place],
      [place, other.runDir, place],
    ]) {
      const all = await ask<UsageRecord>("usage", places);
      expect(all["c1"]?.processes).toBe(7);
      expect(all["c0"]?.processes).toBe(places.includes(other.runDir) ? 2 : undefined);
    }
  });

  test("is not misled by what a process calls itself", async () => {
    const name = join(makeDirectory(), "a) R 1 (");
    copyFileSync("/bin/sleep", name);
    const { pid, runDir: place } = await lives(`"${name}" 1000 & echo x; wait`);
    const members = (await ask<MembersRecord>("processes", [place]))["c1"];
    expect(members?.pids).toHaveLength(2);
    expect(members?.pids).toContain(pid);
  });

  test("is asked for where the group's processes cannot all be told", async () => {
    const { pid, runDir: place } = await lives("sleep 1000 & echo x; wait");
    const deep = "d/".repeat(40);
    for (const files of [
      { "app/other": "" }, // closed to us
      { "cgroup.procs": `1\n0\n2\n` }, // 0: from outside of our pid namespace
      { [`${deep}cgroup.procs`]: "1\n", ...everyGroup(deep) },
    ]) {
      const cgroup = tree({ "cpu.stat": FILES["cpu.stat"], "cgroup.procs": "1\n", ...files });
      writeFileSync(join(place, "state.json"), JSON.stringify({ pid, startedMs: 7, cgroup }));
      expect((await ask<UsageRecord>("usage", [place]))["c1"]).toMatchObject({
        isOfGroup: true,
        processes: 2,
      });
    }
  });

  test("of a directory with several is that of each", async () => {
    const [one, two] = [await lives(TREE), await lives("sleep 1000 & echo x; wait")];
    symlinkSync(one.runDir, join(dirname(two.runDir), "c2"));
    const both = await ask<UsageRecord>("usage", dirname(two.runDir));
    expect([both["c1"]?.processes, both["c2"]?.processes]).toEqual([2, 5]);
  });
});
