import { afterAll, expect, test } from "bun:test";
import { closeSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { hostMappings, type Mappings } from "../../src/helper";
import { waitUntil } from "../harness";
import { factsOf, launch, makePlace, outputOf, removePlaces, requestFd, runBundle } from "./_bundle";
import { helperPath } from "./_container";

afterAll(removePlaces);

const { mappings } = hostMappings();

/** A supervisor started ahead, and our end of its socket. */
function startAhead(maps: Mappings = mappings) {
  const fd = requestFd({ mappings: maps, orderFd: 4 });
  const child = Bun.spawn([helperPath, "ahead", "3"], { stdio: ["ignore", "ignore", "ignore", fd, "pipe"] });
  closeSync(fd);
  return { child, aheadFd: child.stdio[4] as unknown as number };
}

/** Processes whose parent is `pid`. */
function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return text === "" ? [] : text.split(" ").map(Number);
}

test("run goes on with what was made ahead: the container's process is the one that waited", async () => {
  const { child, aheadFd } = startAhead();
  await waitUntil(() => childrenOf(child.pid).length === 1);
  const [waiting] = childrenOf(child.pid);
  const place = makePlace();
  const run = launch(["cat"], { place, aheadFd });
  const stateFile = join(place.runDir, "state.json");
  await waitUntil(() => existsSync(stateFile));
  expect(JSON.parse(readFileSync(stateFile, "utf8")).pid).toBe(waiting);
  await run.child.stdin.end();
  expect(await run.child.exited).toBe(0);
  expect(await child.exited).toBe(0);
});

test("run makes a supervisor of its own when the one ahead has been killed", async () => {
  const { child, aheadFd } = startAhead();
  child.kill("SIGKILL");
  await child.exited;
  expect(await outputOf(["id", "-u"], { aheadFd })).toBe("0");
});

test("a supervisor ahead ends, with what it made, when nobody gives it an order", async () => {
  const { child, aheadFd } = startAhead();
  await waitUntil(() => childrenOf(child.pid).length === 1);
  const [waiting] = childrenOf(child.pid);
  closeSync(aheadFd);
  expect(await child.exited).toBe(0);
  expect(readdirSync("/proc")).not.toContain(String(waiting));
});

test("what was made ahead with other maps is thrown away", async () => {
  const own = (id: number): Mappings["uid"] => [{ containerID: 0, hostID: id, size: 1 }];
  const { aheadFd } = startAhead({ uid: own(process.getuid?.() ?? 0), gid: own(process.getgid?.() ?? 0) });
  expect(
    await outputOf(["sh", "-c", "echo $(cat /proc/self/uid_map | busybox wc -l)"], { aheadFd }),
  ).not.toBe("1");
});

test("what failed ahead fails again where it can be told", async () => {
  const broken: Mappings = { uid: [{ containerID: 0, hostID: 4_000_000_000, size: 1 }], gid: mappings.gid };
  const { aheadFd } = startAhead(broken);
  const outcome = await runBundle(["true"], {
    aheadFd,
    config: (config) => {
      config.linux.uidMappings = broken.uid;
    },
  });
  expect(factsOf(outcome).step).toBe("write id map");
});
