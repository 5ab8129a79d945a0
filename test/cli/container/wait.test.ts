/** wait: ends, and the other conditions that a container can be in. */
import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { missing, useTiny, waitUntil } from "../../harness";
import { connected, detach, printed, removeAll, SLEEP } from "./_shell";

describe.skipIf(missing !== null)("wait", () => {
  const place = useTiny();
  const { engine } = place;
  afterEach(() => removeAll(place));

  const exits = (code: number, seconds = 0) => ["sh", "-c", `sleep ${seconds}; exit ${code}`];
  /** Until it is told to. */
  const gated = (code: number) => ["sh", "-c", `while ! test -e /go; do sleep 0.02; done; exit ${code}`];
  const open = (name: string) => engine.proa(["exec", name, "touch", "/go"]); // ended with the container, maybe

  test("prints the status of each in the order of the names, whichever ends first", async () => {
    await detach(place, "slow", gated(3));
    await detach(place, "quick", gated(4), ["--rm"]);
    const waiting = engine.start(["wait", "slow", "quick"]);
    await connected([waiting.pid]);
    await open("quick");
    await waitUntil(async () => (await engine.ok(["ps", "-aq"])).split("\n").length === 1);
    await open("slow");
    expect(await waiting.stdout.text()).toBe("3\n4\n");
    expect(await waiting.exited).toBe(0);
  });

  test("of one that was never started is over at once, as docker has it", async () => {
    await engine.ok(["create", "--name", "web", place.tiny, "true"]);
    expect(await engine.ok(["wait", "web"])).toBe("0");
  });

  for (const condition of ["not-running", "stopped", "exited"]) {
    test(`--condition ${condition} is the end`, async () => {
      await detach(place, "job", exits(5));
      expect(await engine.ok(["wait", "--condition", condition, "job"])).toBe("5");
    });
  }

  test("--condition next-exit is not content with an end that was before", async () => {
    await detach(place, "job", ["sh", "-c", "test -e /first && exec sleep 1000; touch /first; exit 5"]);
    await engine.ok(["wait", "job"]);
    const waiting = engine.start(["wait", "--condition", "next-exit", "-i", "20ms", "job"]);
    await engine.ok(["start", "job"]);
    await connected([waiting.pid]);
    await engine.ok(["kill", "job"]);
    expect(await waiting.stdout.text()).toBe("137\n");
  });

  test("--condition removed waits for the removal, and prints the last status", async () => {
    await detach(place, "job", exits(5));
    await engine.ok(["wait", "job"]);
    const waiting = engine.start([
      "--log-level=trace",
      "wait",
      "--condition=removed",
      "--interval",
      "10",
      "job",
    ]);
    for await (const told of waiting.stderr) {
      if (new TextDecoder().decode(told).includes("SELECT")) break; // it has seen the container
    }
    const early = await Promise.race([waiting.exited, engine.ok(["ps", "-aq"])]);
    expect(typeof early).toBe("string");
    await engine.ok(["rm", "job"]);
    expect(await waiting.stdout.text()).toBe("5\n");
    expect(await waiting.exited).toBe(0);
  });

  test("--condition removed of a --rm container is its end", async () => {
    await detach(place, "job", gated(6), ["--rm"]);
    const waiting = engine.start(["wait", "--condition", "removed", "job"]);
    await connected([waiting.pid]);
    await open("job");
    expect(await waiting.stdout.text()).toBe("6\n");
  });

  test("--condition running waits for the start, created is there at once: -1", async () => {
    await engine.ok(["create", "--name", "web", place.tiny, ...SLEEP]);
    expect(await engine.ok(["wait", "--condition", "created", "web"])).toBe("-1");
    const waiting = engine.start(["wait", "--condition", "running", "-i", "10ms", "web"]);
    await engine.ok(["start", "web"]);
    expect(await waiting.stdout.text()).toBe("-1\n");
    expect(await waiting.exited).toBe(0);
  });

  test("of several conditions the first counts", async () => {
    await detach(place, "web");
    expect(await engine.ok(["wait", "--condition", "removed", "--condition", "running", "web"])).toBe("-1");
    expect(await engine.ok(["wait", "--condition", "paused,running", "web"])).toBe("-1");
  });

  test("healthy of one without checks, or of one that has ended, is an error and no endless wait", async () => {
    await detach(place, "web");
    await detach(place, "job", exits(0));
    await engine.ok(["wait", "job"]);
    for (const [name, why] of [
      ["web", "it has no health checks"],
      ["job", "it has ended"],
    ] as const) {
      const result = await engine.proa(["wait", "--condition", "healthy", name]);
      expect(result.stderr).toContain(why);
      expect(result.exitCode).toBe(1);
    }
  });

  test("--exit-first-match returns with the first of them", async () => {
    await detach(place, "long");
    await detach(place, "short", gated(7));
    const waiting = engine.start(["wait", "--exit-first-match", "long", "short"]);
    await connected([waiting.pid]);
    await open("short");
    expect(await waiting.stdout.text()).toBe("7\n");
    expect(await waiting.exited).toBe(0);
  });

  test("--ignore prints -1 for what is not there, else that is an error and the others are waited for", async () => {
    await detach(place, "job", exits(2));
    expect(await engine.ok(["wait", "--ignore", "nothing", "job"])).toBe("-1\n2");
    const result = await engine.proa(["wait", "nothing", "job"]);
    expect(result).toMatchObject({ stdout: "2\n", exitCode: 1 });
    expect(result.stderr).toStartWith("Error: wait: nothing: no such container");
  });

  test("--latest is the newest container", async () => {
    await detach(place, "old", exits(2));
    await detach(place, "new", exits(3));
    expect(await engine.ok(["wait", "--latest"])).toBe("3");
    expect((await engine.proa(["wait", "-l", "old"])).exitCode).toBe(125);
    expect((await engine.proa(["wait"])).exitCode).toBe(125);
  });

  test("a wrong condition or interval is refused", async () => {
    expect((await engine.proa(["wait", "--condition", "tired", "x"])).stderr).toContain(
      "wait condition: tired",
    );
    expect((await engine.proa(["wait", "-i", "soon", "x"])).stderr).toContain("interval: soon");
  });

  test("returns at the end of each life of one with a policy", async () => {
    const id = await detach(
      place,
      "web",
      ["sh", "-c", "echo ready; sleep 1000; exit 1"],
      ["--restart", "always"],
    );
    await printed(place, "web", "ready");
    const waiting = engine.start(["wait", "web"]);
    await connected([waiting.pid]);
    const path = join(engine.sandbox.runtimeDir, "proa/containers", id, "state.json");
    process.kill(JSON.parse(readFileSync(path, "utf8")).pid, "SIGKILL");
    expect(await waiting.stdout.text()).toBe("137\n");
    await waitUntil(() => JSON.parse(readFileSync(path, "utf8")).restartCount === 1);
  });
});
