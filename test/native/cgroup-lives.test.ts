/** What a control group hands on from one life to the next, and what its manager may do wrong: native/cgroup*.c and native/bus.c, through probes. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { makeDirectory, removeDirectories } from "./_container";
import { useProbe } from "./_probe";

const SHARED = ["err.c", "util.c", "path.c"];
const askCgroup = useProbe(
  "cgroup_probe.c",
  [...SHARED, "cgroup_hasten.c", "cgroup_v1.c", "cgroup_limits.c", "request.c", "bus.c"],
  ["-ljansson"],
);
const askBus = useProbe("bus_probe.c", [...SHARED, "cgroup_group.c", "live.c"], ["-ljansson"]);
afterAll(removeDirectories);

type Life = {
  code: number;
  path?: string;
  depth?: string;
  error: string;
  warnings: string;
  oomKilled: boolean;
  paths?: Record<string, string>;
};

const ask = (scenario: string, directory = ""): { seen: unknown; told: string[] } =>
  askCgroup("", [scenario, directory]) as { seen: unknown; told: string[] };

/** The lives of a container in a directory that is empty again afterwards. */
function lives(scenario: string): { seen: Life[]; told: string[] } {
  const directory = makeDirectory();
  for (const controller of ["memory", "cpuset"]) mkdirSync(join(directory, controller));
  const { seen, told } = ask(scenario, directory);
  for (const name of readdirSync(directory)) {
    expect(["memory", "cpuset"]).toContain(name);
    expect(readdirSync(join(directory, name))).toEqual([]);
  }
  return { seen: seen as Life[], told };
}

describe("a further life", () => {
  test("has a group of its own, no deeper than it can be removed", () => {
    const { seen, told } = lives("plain");

    expect(seen.map(({ path, depth }) => [path, depth])).toEqual(Array(3).fill(["container", "32"]));
    expect(ask("depth", makeDirectory()).seen).toBe(0);
    // The group's counter stood at 3 when the life began.
    expect(seen.map(({ oomKilled }) => oomKilled)).toEqual([false, false, false]);
    expect(told).toEqual([]);
  });

  test("does not have that of a life before which could not be removed", () => {
    const { seen } = lives("stuck");

    expect(seen.map(({ path }) => path)).toEqual(["container", "container-2", "container-2"]);
  });

  test("that loses its group fails where the user has set limits, else goes on and the journal says so", () => {
    const { seen, told } = lives("lost");

    expect(seen[0]).toMatchObject({ code: 0, path: "container" });
    expect(seen[1]?.code).toBeLessThan(0);
    expect(seen[1]?.error).toBe("make control group");
    expect(seen[2]).toMatchObject({ code: 0 });
    expect(seen[2]?.path).toBeUndefined();
    expect(told).toEqual(["cgroup_lost"]);
  });

  test("that never had one goes on without, each time", () => {
    const { seen, told } = ask("none", "/nowhere/at/all");

    expect((seen as Life[]).map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(told).toEqual([]);
  });
});

test("a controller of version 1 that fails is a warning, the others stay, and nothing is left", () => {
  const { seen } = lives("v1");

  expect(Object.keys(seen[0]?.paths ?? {})).toEqual(["memory"]);
  expect(seen[0]).toMatchObject({ code: 0 });
  expect(JSON.parse(seen[0]?.warnings ?? "")).toMatchObject([
    { step: "make control group", errno: "EISDIR" },
  ]);
});

test("names of scopes do not grow", () => {
  const names = ask("name").seen as string[];

  expect(new Set(names).size).toBe(40);
  for (const name of names) expect(name).toMatch(/^proa-0123-\d+(-\d+)?\.scope$/);
});

test("a path that is no text is no group in the state", () => {
  expect(ask("state").seen).toBe('"cgroup":""');
});

test("who no longer stands in the list when it is opened is not killed", async () => {
  const sleeper = Bun.spawn(["sleep", "1000"]);
  const list = join(makeDirectory(), "cgroup.procs");
  // Its first reader finds the process, the next one does not.
  const script = 'mkfifo "$1" && (echo "$2" > "$1"; sleep 0.2; : > "$1") > /dev/null 2>&1 &';
  Bun.spawnSync(["sh", "-c", script, "sh", list, String(sleeper.pid)]);
  while (Bun.spawnSync(["test", "-p", list]).exitCode !== 0) await Bun.sleep(5);

  expect(ask("kill", list).seen).toBe(false);
  expect(sleeper.killed || sleeper.exitCode !== null || sleeper.signalCode !== null).toBe(false);
  sleeper.kill("SIGKILL");
  await sleeper.exited;
  expect(sleeper.signalCode).toBe("SIGKILL");
});

test("who stands in the list is killed", async () => {
  const sleeper = Bun.spawn(["sleep", "1000"]);
  const list = join(makeDirectory(), "cgroup.procs");
  await Bun.write(list, `${sleeper.pid}\n`);

  expect(ask("kill", list).seen).toBe(true);
  await sleeper.exited;
  expect(sleeper.signalCode).toBe("SIGKILL");
});

describe("a bus", () => {
  const open = (scenario: string): unknown => askBus("", [scenario, join(makeDirectory(), "bus")]);

  test("that has its hands full is waited for", () => {
    expect(open("full")).toBe(0);
  });

  test("that never stops talking is given up", () => {
    expect(open("flood")).toBe(-110); // ETIMEDOUT
  });

  test.each([
    ["/x/proa-1.scope/container", "/x/proa-1.scope/container", "proa-1.scope", "/container"],
    ["/libpod-2.scope/u/proa-1.scope/container-2", "/a", "proa-1.scope", "/container-2/a"],
    ["/x/proa-1.scope/container", "/inner.scope/a", "proa-1.scope", "/container/inner.scope/a"],
    ["/x/delegated/container", "/a", "", ""],
  ])("is told the scope of %s", (place, more, unit, below) => {
    const path = more.startsWith(place) ? more : place + more;

    expect(askBus("", ["unit", place, path])).toEqual([unit, below]);
  });
});
