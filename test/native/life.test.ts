/** Several lives of one container, at the seam: the lock, the files, the frames. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { waitUntil } from "../harness/wait";
import {
  Container,
  ended,
  frame,
  frames,
  helperMissing,
  rawClient,
  removeDirectories,
  start,
  text,
} from "./_container";

setDefaultTimeout(30_000);
afterAll(removeDirectories);

const UPDATE = 44;
const [EXIT, REFUSED, DONE, STARTED] = [33, 38, 43, 32];

const ALWAYS = { restart: { policy: "always", maximum: 0 } } as const;

/** Ask by one frame; what came back, when the answer was there or the connection has ended. */
async function ask(container: Container, type: number, payload = ""): Promise<number[]> {
  const client = await rawClient(container);
  client.socket.write(frame(type, payload));
  const types = () => frames(client.bytes()).map((each) => each.type);
  await Promise.race([
    client.closed,
    waitUntil(() => types().some((each) => each === DONE || each === REFUSED)),
  ]);
  client.socket.destroy();
  return types();
}

const take = (container: Container) => ask(container, UPDATE, '{"restart":null}');
const lives = (container: Container, count: number) =>
  waitUntil(() => container.isStarted && container.state.restartCount >= count && container.state.pid > 0);
const resting = (container: Container) => waitUntil(() => container.state.status === "restarting");

describe.skipIf(helperMissing !== undefined)("several lives", () => {
  test("each has a process of its own, the lock is held through all of them, exit.json comes last", async () => {
    const container = await start(["sh", "-c", "echo a life; sleep 0.05; exit 3"], {
      life: { restart: { policy: "on-failure", maximum: 2 } },
    });
    const pids = new Set<number>();
    while (!existsSync(container.exitFile)) {
      const held = container.isLocked;
      if (!existsSync(container.exitFile)) expect(held).toBe(true);
      try {
        pids.add(container.state.pid);
      } catch {
        break; // it has just gone
      }
      await Bun.sleep(2);
    }
    await ended(container);
    pids.delete(0);
    expect(pids.size).toBe(3);
    expect(container.log.map(({ log }) => log)).toEqual(["a life\n", "a life\n", "a life\n"]);
    expect(container.exit).toMatchObject({
      exitCode: 3,
      signal: 0,
      restartCount: 2,
      error: null,
      oomKilled: false,
    });
    expect(container.exit.startedMs).toBeGreaterThan(0);
    expect(readdirSync(container.runDir)).toEqual([]);
  });

  test("between two of them the state has no pid, and how the last one ended", async () => {
    const container = await start(["sh", "-c", "exit 4"], { life: ALWAYS });
    await waitUntil(() => container.state.restartCount >= 4 && container.state.status === "restarting");
    expect(container.state).toMatchObject({ status: "restarting", pid: 0, exitCode: 4 });
    expect(container.state.finishedMs).toBeGreaterThanOrEqual(container.state.startedMs);
    expect(await take(container)).toContain(DONE);
    await ended(container);
    expect(container.exit.exitCode).toBe(4);
  });

  test("state.json never names a process that is not the supervisor's child", async () => {
    const container = await start(["sleep", "0.05"], { life: ALWAYS });
    const supervisors = new Set<string>();
    while (container.state.restartCount < 4) {
      const { pid, startedMs } = container.state;
      if (pid === 0) continue;
      let status: string;
      try {
        status = readFileSync(`/proc/${pid}/status`, "utf8");
      } catch (error) {
        // reaped: then the file must be another by now
        expect({ ...container.state, error }).not.toMatchObject({ pid, startedMs });
        continue;
      }
      if (container.state.pid === pid && container.state.startedMs === startedMs)
        supervisors.add(/^PPid:\s*(\d+)/m.exec(status)?.[1] ?? "");
    }
    expect(supervisors.size).toBe(1);
    await take(container);
    await ended(container);
  });

  test("a client gets EXIT at the end of its life, one that comes between two the next life's STARTED", async () => {
    const container = await start(["sh", "-c", "sleep 0.4; exit 5"], { life: ALWAYS });
    const first = await rawClient(container);
    await first.closed;
    expect(frames(first.bytes()).map(({ type }) => type)).toEqual([STARTED, EXIT]);
    await resting(container);
    const second = await rawClient(container);
    await second.closed;
    const got = frames(second.bytes());
    expect(got.map(({ type }) => type)).toEqual([STARTED, EXIT]);
    expect(got[1]?.payload.readUInt32BE(0)).toBe(5);
    await waitUntil(async () => (await take(container)).includes(DONE) || !container.isLocked);
    await ended(container);
  });

  test("a client that reads nothing holds up no further life, and gets all of its own in the end", async () => {
    const script = "head -c 200000 /dev/zero; sleep 0.1; exit 1";
    const container = new Container(["sh", "-c", script], { life: ALWAYS, log: null });
    const child = container.run(["ignore", "pipe", "pipe"]);
    await lives(container, 3);
    expect((await new Response(child.stdout).bytes()).length).toBe(200_000);
    expect(await child.exited).toBe(1);
    await waitUntil(async () => (await take(container)).includes(DONE) || !container.isLocked);
    await ended(container);
  });

  test("stdin of the first life is not the next one's", async () => {
    const container = new Container(["sh", "-c", "cat; sleep 0.1; exit 1"], { life: ALWAYS });
    const child = container.run();
    child.stdin.write("typed\n");
    await child.stdin.end();
    expect(await text(child.stdout)).toBe("typed\n");
    await waitUntil(() => container.state.restartCount === 1 && container.state.pid > 0);
    expect(container.log.map(({ log }) => log)).toEqual(["typed\n"]);
    await take(container);
    container.kill();
    await ended(container);
  });

  test("a terminal is a new one for each life", async () => {
    const script = "test -t 0 && test -t 1 && echo tty; stty size; sleep 0.05; exit 1";
    const container = new Container(["sh", "-c", script], {
      terminal: true,
      attach: null,
      life: { restart: { policy: "on-failure", maximum: 1 } },
    });
    await container.run(["ignore", "pipe", "pipe"]).exited;
    await ended(container);
    expect(container.log.filter(({ log }) => log.startsWith("tty"))).toHaveLength(2);
  });

  test("UPDATE in pieces is understood; what is no policy is refused, what is too long ends the client", async () => {
    const container = await start(["sleep", "100"]);
    for (const wrong of [
      "",
      "{",
      "[]",
      "{}",
      '{"restart":1}',
      '{"restart":{"policy":"often","maximum":0}}',
      '{"more":1}',
    ])
      expect(await ask(container, UPDATE, wrong)).toEqual([STARTED, REFUSED]);
    expect(await ask(container, UPDATE, " ".repeat(5000))).toEqual([STARTED]);
    const slow = await rawClient(container);
    for (const byte of frame(UPDATE, '{"restart":{"policy":"always","maximum":0}}')) {
      slow.socket.write(new Uint8Array([byte]));
      await Bun.sleep(1);
    }
    await waitUntil(() => frames(slow.bytes()).some(({ type }) => type === DONE));
    slow.socket.destroy();
    container.kill();
    await waitUntil(() => container.state.restartCount === 1 && container.state.pid > 0);
    expect(await take(container)).toContain(DONE);
    container.kill();
    await ended(container);
    expect(container.exit).toMatchObject({ exitCode: 137, restartCount: 1 });
  });

  test("SIGTERM to a supervisor that waits for the next life ends it, with the last end on record", async () => {
    const container = await start(["sh", "-c", "sleep 0.2; exit 6"], { life: ALWAYS });
    const { supervisor } = container;
    await waitUntil(() => container.state.restartCount >= 3 && container.state.status === "restarting");
    process.kill(supervisor, "SIGTERM");
    await ended(container);
    expect(container.exit.exitCode).toBe(6);
  });

  test("a life that a limit ends is 255; its signal comes first, KILL after the grace", async () => {
    const limit = { afterMs: 100, graceMs: 100, signal: 15 };
    // On a busy machine it takes its time until it would hear a signal.
    const polite = await start(["sh", "-c", "trap 'echo asked; exit 0' TERM; while :; do sleep 0.02; done"], {
      life: { timeLimit: { ...limit, afterMs: 2000, graceMs: 20_000 } },
    });
    const deaf = await start(["sleep", "100"], { life: { timeLimit: limit } });
    await Promise.all([ended(polite), ended(deaf)]);
    expect(polite.log.map(({ log }) => log)).toEqual(["asked\n"]);
    expect(polite.exit).toMatchObject({ exitCode: 255, signal: 0 });
    expect(deaf.exit).toMatchObject({ exitCode: 255, signal: 9 });
  });
});
