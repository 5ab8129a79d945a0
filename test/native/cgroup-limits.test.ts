/** `linux.resources` as files: native/cgroup_limits.c on directories of plain files, through limits_probe.c. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeDirectory, removeDirectories } from "./_container";
import { useProbe } from "./_probe";

const ask = useProbe("limits_probe.c", ["cgroup_limits.c", "err.c", "util.c"], ["-ljansson"]);
afterAll(removeDirectories);

type Answer = {
  code: number;
  error: { step: string; object: string; errno: string; detail: string } | null;
  missing: [string, string][];
  enabled: string[];
};

const CONTROLLERS = "cpuset cpu io memory pids";
const FRESH: Record<string, string> = {
  "cgroup.controllers": CONTROLLERS,
  "memory.max": "max",
  "memory.low": "0",
  "memory.high": "max",
  "memory.swap.max": "max",
  "cpu.max": "max 100000",
  "cpu.max.burst": "0",
  "cpu.weight": "100",
  "cpu.idle": "0",
  "cpuset.cpus": "",
  "cpuset.mems": "",
  "io.max": "",
  "io.weight": "default 100",
  "pids.max": "max",
};

/** A directory with these files. */
function group(files: Record<string, string> = FRESH): string {
  const path = makeDirectory();
  for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), `${content}\n`);
  return path;
}

/** Writing to a plain file leaves what was longer behind; the kernel's files have no such end. */
const now = (path: string, file: string): string =>
  readFileSync(join(path, file), "utf8").split("\n")[0] ?? "";

function write(path: string, resources: object, more: object = {}): Answer {
  return ask(JSON.stringify({ path, resources, ...more })) as Answer;
}

describe("version 2", () => {
  test.each([
    ["a limit", { memory: { limit: 67108864 } }, { "memory.max": "67108864", "memory.swap.max": "max" }],
    ["no limit", { memory: { limit: -1 } }, { "memory.max": "max", "memory.swap.max": "max" }],
    [
      "memory and swap, of which swap is what is left",
      { memory: { limit: 1000000, swap: 3000000 } },
      { "memory.max": "1000000", "memory.swap.max": "2000000" },
    ],
    [
      "no swap at all",
      { memory: { limit: 1000000, swap: 1000000 } },
      { "memory.max": "1000000", "memory.swap.max": "0" },
    ],
    [
      "swap without limit",
      { memory: { limit: 1000000, swap: -1 } },
      { "memory.max": "1000000", "memory.swap.max": "max" },
    ],
    ["a reservation", { memory: { reservation: 5000 } }, { "memory.low": "5000", "memory.max": "max" }],
    ["the fewest shares", { cpu: { shares: 2 } }, { "cpu.weight": "1" }],
    ["docker's default of shares", { cpu: { shares: 1024 } }, { "cpu.weight": "39" }],
    ["the most shares", { cpu: { shares: 262144 } }, { "cpu.weight": "10000" }],
    ["a quota", { cpu: { quota: 20000 } }, { "cpu.max": "20000 100000" }],
    ["a quota of a period", { cpu: { quota: 5000, period: 50000 } }, { "cpu.max": "5000 50000" }],
    ["no quota", { cpu: { quota: -1, period: 50000 } }, { "cpu.max": "max 50000" }],
    [
      "idle, which has no weight",
      { cpu: { idle: 1, shares: 512 } },
      { "cpu.idle": "1", "cpu.weight": "100" },
    ],
    ["processors", { cpu: { cpus: "0-1", mems: "0" } }, { "cpuset.cpus": "0-1", "cpuset.mems": "0" }],
    ["processes", { pids: { limit: 33 } }, { "pids.max": "33" }],
    ["any number of processes", { pids: { limit: -1 } }, { "pids.max": "max" }],
    ["the least weight of a disk", { blockIO: { weight: 10 } }, { "io.weight": "default 1" }],
    ["the most weight of a disk", { blockIO: { weight: 1000 } }, { "io.weight": "default 10000" }],
    [
      "a device's rate",
      { blockIO: { throttleWriteBpsDevice: [{ major: 8, minor: 16, rate: 1048576 }] } },
      { "io.max": "8:16 wbps=1048576" },
    ],
    [
      "a device's rate taken back",
      { blockIO: { throttleReadIOPSDevice: [{ major: 8, minor: 16, rate: 0 }] } },
      { "io.max": "8:16 riops=max" },
    ],
    ["files of its own", { unified: { "memory.high": "12345" } }, { "memory.high": "12345" }],
  ] as [string, object, Record<string, string>][])("%s", (_what, resources, expected) => {
    const path = group();

    expect(write(path, resources)).toEqual({ code: 0, error: null, missing: [], enabled: [] });
    // Longer texts of before show behind shorter ones in a plain file, so only the beginning counts.
    for (const [file, value] of Object.entries(expected))
      expect(now(path, file).startsWith(value)).toBe(true);
  });

  test("nothing is written where nothing is limited", () => {
    const path = group();

    expect(write(path, {}).code).toBe(0);
    for (const [file, value] of Object.entries(FRESH)) expect(now(path, file)).toBe(value);
  });

  test("the file of the bfq scheduler gets docker's own weights, of devices too", () => {
    const path = group({ ...FRESH, "io.bfq.weight": "default 100" });

    expect(write(path, { blockIO: { weightDevice: [{ major: 8, minor: 0, weight: 300 }] } }).code).toBe(0);
    expect(now(path, "io.bfq.weight").startsWith("8:0 300")).toBe(true);
    expect(now(path, "io.weight")).toBe("default 100");
  });

  test("a controller that is not there is named, after it was asked for", () => {
    const path = group({ "cgroup.controllers": "cpu pids", "pids.max": "max" });
    const answer = write(path, { memory: { limit: 1000000 }, pids: { limit: 5 }, cpu: { cpus: "0" } });

    expect(answer).toMatchObject({ code: 0, enabled: ["memory", "cpuset"] });
    expect(answer.missing).toEqual([
      ["memory.max", '1000000: the controller "memory" is not available'],
      ["cpuset.cpus", '0: the controller "cpuset" is not available'],
    ]);
    expect(now(path, "pids.max").startsWith("5")).toBe(true);
  });

  test("a file that this kernel has not is told apart from a controller", () => {
    const path = group({ "cgroup.controllers": "io memory", "io.max": "" });

    expect(write(path, { blockIO: { weight: 500 } }).missing).toEqual([
      ["io.weight", "default 4950: the kernel has no such limit"],
    ]);
  });

  test("without a group every limit is missing", () => {
    expect(ask(JSON.stringify({ resources: { pids: { limit: 5 } } }))).toMatchObject({
      code: 0,
      missing: [["pids.max", "5: there is no control group"]],
    });
  });

  test("what is missing is an error where nobody does without", () => {
    const answer = write(group({ "cgroup.controllers": "" }), { pids: { limit: 5 } }, { strict: true });

    expect(answer.code).toBeLessThan(0);
    expect(answer.error).toMatchObject({ step: "limit", object: "pids.max" });
  });

  test.each([
    ["less than memory", { memory: { limit: 2000000, swap: 1000000 } }],
    ["alone", { memory: { swap: 1000000 } }],
  ])("swap %s is refused", (_what, resources) => {
    expect(write(group(), resources).error).toMatchObject({
      ...{ step: "limit", object: "memory.swap.max", errno: "EINVAL" },
    });
  });

  test("an update of swap alone counts with the memory limit that is in force", () => {
    const path = group({ ...FRESH, "memory.max": "1000000", "memory.stat": "anon 0" });

    expect(write(path, { memory: { swap: 1500000 } }, { runs: true }).code).toBe(0);
    expect(now(path, "memory.swap.max")).toBe("500000");
  });

  test("an update of the quota alone keeps the period", () => {
    const path = group({ ...FRESH, "cpu.max": "20000 50000" });

    expect(write(path, { cpu: { quota: 30000 } }, { runs: true }).code).toBe(0);
    expect(now(path, "cpu.max")).toBe("30000 50000");
  });

  test("less memory than the processes hold for good is refused, and not written", () => {
    const path = group({ ...FRESH, "memory.stat": "anon 50000000\nfile 900000000", "memory.swap.max": "0" });

    expect(write(path, { memory: { limit: 40000000 } }, { runs: true }).error).toEqual({
      step: "limit",
      object: "memory.max",
      errno: "EBUSY",
      detail: "40000000: the container uses 50000000 bytes that cannot be given up",
    });
    expect(now(path, "memory.max")).toBe("max");
    expect(write(path, { memory: { limit: 60000000 } }, { runs: true }).code).toBe(0);
  });

  test.each(["../memory.max", "memory", "cgroup.procs", "cgroup.kill"])("%s is no limit", (file) => {
    expect(write(group(), {}, { files: { [file]: "1" } }).error).toMatchObject({
      step: "limit",
      object: file,
    });
  });

  test("each line of a value is written on its own", () => {
    const path = group();

    expect(write(path, {}, { files: { "io.max": "8:0 rbps=1\n8:16 rbps=22" } }).code).toBe(0);
    expect(now(path, "io.max")).toBe("8:16 rbps=22");
  });
});

describe("version 1", () => {
  function groups(): { root: string; paths: Record<string, string> } {
    const root = makeDirectory();
    const files: Record<string, string[]> = {
      memory: [
        "memory.limit_in_bytes",
        "memory.memsw.limit_in_bytes",
        "memory.soft_limit_in_bytes",
        "memory.swappiness",
        "memory.oom_control",
      ],
      cpu: ["cpu.shares", "cpu.cfs_quota_us", "cpu.cfs_period_us"],
      pids: ["pids.max"],
      blkio: ["blkio.weight", "blkio.throttle.read_bps_device"],
    };
    const paths: Record<string, string> = {};
    for (const [controller, names] of Object.entries(files)) {
      paths[controller] = join(root, controller);
      mkdirSync(join(root, controller));
      for (const name of names) writeFileSync(join(root, controller, name), "");
    }
    return { root, paths };
  }

  test("values are the spec's own", () => {
    const { root, paths } = groups();
    const resources = {
      memory: { limit: 1000, swap: 3000, reservation: 500, swappiness: 0, disableOOMKiller: true },
      cpu: { shares: 512, quota: 20000, period: 100000 },
      pids: { limit: -1 },
      blockIO: { weight: 300, throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 99 }] },
    };

    expect(ask(JSON.stringify({ paths, resources }))).toEqual({
      code: 0,
      error: null,
      missing: [],
      enabled: [],
    });
    const values = {
      "memory/memory.limit_in_bytes": "1000",
      "memory/memory.memsw.limit_in_bytes": "3000",
      "memory/memory.soft_limit_in_bytes": "500",
      "memory/memory.swappiness": "0",
      "memory/memory.oom_control": "1",
      "cpu/cpu.shares": "512",
      "cpu/cpu.cfs_quota_us": "20000",
      "cpu/cpu.cfs_period_us": "100000",
      "pids/pids.max": "max",
      "blkio/blkio.weight": "300",
      "blkio/blkio.throttle.read_bps_device": "8:0 99",
    };
    for (const [file, value] of Object.entries(values)) expect(now(root, file)).toBe(value);
  });

  test("a controller without a directory is named", () => {
    const { paths } = groups();
    delete paths["pids"];

    expect(ask(JSON.stringify({ paths, resources: { pids: { limit: 5 } } }))).toMatchObject({
      missing: [["pids.max", '5: the controller "pids" is not available']],
    });
  });
});
