/** kill -9 of the supervisor, of the foreground, and of both, at every stage of a container's life. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expectNothingLeft, missing as missingTiny, proaPath, useTiny, waitUntil } from "../../harness";
import { detach, inspect, isAlive, printed, supervisorOf } from "../container/_shell";

const missing = missingTiny ?? (Bun.which("gcc") === null ? "gcc is not installed" : null);

const POINTS = 20;
/** What inspect says of an end that nobody saw. */
const UNKNOWN = "exited -1";

const STATUS = 7; // of the container's program: any other that is told was invented
const TOLD = new RegExp(`^(${UNKNOWN}|exited ${STATUS}|created 0|created 125)$`);

setDefaultTimeout(400_000); // twenty containers in a test, on a machine that may be busy; a hang is one command's timeout

describe.skipIf(missing !== null)(`kill -9${missing ? ` (${missing})` : ""}`, () => {
  const place = useTiny();
  const { engine } = place;
  let directory = "";
  let killer = "";
  beforeAll(() => {
    directory = mkdtempSync(join(process.env["PROA_TEST_TMP"] ?? tmpdir(), "killer-"));
    killer = join(directory, "killer");
    const source = join(import.meta.dir, "killer.c");
    const made = Bun.spawnSync(["gcc", "-O1", "-o", killer, source], { stderr: "inherit" });
    if (made.exitCode !== 0) throw new Error(`compile ${source}: exit ${made.exitCode}`);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  /** Run proa, its supervisor traced; null where it has not ended after a while. */
  async function traced(whom: string, at: number, args: string[]) {
    const child = Bun.spawn([killer, whom, `${at}`, proaPath, ...args], {
      env: engine.sandbox.env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), 25_000);
    const [stdout, stderr, exitCode] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    clearTimeout(timer);
    return { stdout, stderr, exitCode, calls: Number(/^calls (\d+)$/m.exec(stderr)?.[1]) };
  }

  const program = ["sh", "-c", `echo said; exit ${STATUS}`];

  test.each([
    ["the supervisor", "s", "a container", [] as string[]],
    ["the supervisor", "s", "a container without networks", ["--network", "none"]],
    ["the supervisor", "s", "a --rm container", ["--rm", "--network", "none"]],
    ["the foreground", "f", "a container", []],
    ["the foreground", "f", "a --rm container", ["--rm", "--network", "none"]],
    ["both", "b", "a container", []],
    ["both", "b", "a --rm container", ["--rm", "--network", "none"]],
  ])(
    `of %s (%s) at ${POINTS} points between the fork and the exit record of %s`,
    async (_who, whom, _what, options) => {
      const name = `victim-${crypto.randomUUID().slice(0, 8)}`;
      const args = ["run", "--name", name, ...options, place.tiny, ...program];
      const whole = await traced(whom, 0, args);
      expect(whole).toMatchObject({ stdout: "said\n", exitCode: STATUS });
      if (!options.includes("--rm")) await engine.ok(["rm", name]);
      expect(whole.calls).toBeGreaterThan(2 * POINTS);

      const seen = new Set<string>();
      for (let point = 0; point < POINTS; point++) {
        const at = 1 + Math.floor((point * (whole.calls - 1)) / POINTS);
        const killed = await traced(whom, at, args);
        // the one who waits is not told a success, and not a status that nobody saw
        const told = whom === "s" ? [STATUS, 125] : [STATUS, 137];
        expect([at, told.includes(killed.exitCode)]).toEqual([at, true]);
        if (whom === "f") await engine.proa(["wait", name]);
        // what the killed one had just forked has its lock until it is killed, too, or executes something: until then it is no lie that the container lives
        let listed = "";
        await waitUntil(
          async () => {
            listed = await engine.ok(["ps", "-a", "--filter", `name=^${name}$`, "--format", "{{.State}}"]);
            return listed !== "running";
          },
          { what: `the end of what was killed at ${at}` },
        );
        if (listed !== "") {
          const state = await inspect(place, name, "{{.State.Status}} {{.State.ExitCode}}");
          seen.add(state);
          expect({ at, state }).toEqual({ at, state: expect.stringMatching(TOLD) });
          if (state === UNKNOWN) {
            expect(await engine.ok(["ps", "-a", "--format", "{{.Status}}"])).toStartWith("Exited (unknown)");
            expect((await engine.proa(["wait", name])).exitCode).toBeGreaterThan(0);
          }
          // it can be started again as if nothing had been, and then its end is known
          const again = await engine.proa(["start", "-a", name]);
          expect([at, again.stdout, again.exitCode]).toEqual([at, "said\n", STATUS]);
          await engine.ok(["rm", name]);
        }
        await engine.assertNothingLeft();
      }
      if (whom !== "f" && !options.includes("--rm")) expect([...seen]).toContain(UNKNOWN); // else nothing was tried
      await expectNothingLeft(engine);
    },
  );

  test("of a supervisor whose container runs: it ends, nothing is invented, and the log is kept", async () => {
    const id = await detach(place, "running", ["sh", "-c", "echo before; sleep 1000"]);
    await printed(place, "running", "before");
    const pid = Number(await inspect(place, id, "{{.State.Pid}}"));
    process.kill(supervisorOf(place, id), "SIGKILL");
    await waitUntil(() => !isAlive(pid), { what: "the container's end" });
    expect(await engine.ok(["ps", "-a", "--format", "{{.State}} {{.Status}}"])).toMatch(
      /^exited Exited \(unknown\)/,
    );
    expect(await inspect(place, id, "{{.State.Running}} {{.State.Pid}} {{.State.ExitCode}}")).toBe(
      "false 0 -1",
    );
    expect(await engine.ok(["logs", id])).toBe("before");
    for (const verb of ["exec", "attach", "top", "kill"]) {
      const result = await engine.proa([verb, id, ...(verb === "exec" ? ["true"] : [])]);
      expect(result.stderr).toStartWith("Error: ");
      expect(result.exitCode).toBeGreaterThan(0);
    }
    expect((await engine.proa(["stop", id])).exitCode).toBe(0);
    await engine.ok(["start", id]);
    await engine.ok(["rm", "-f", id]);
    await expectNothingLeft(engine);
  });

  test("of foreground and supervisor at once, while exec, logs -f, attach and wait look on: all of them end", async () => {
    const child = engine.start(["run", "--name", "watched", place.tiny, "sh", "-c", "echo up; sleep 1000"]);
    await waitUntil(async () => (await engine.proa(["logs", "watched"])).stdout === "up\n");
    const id = await inspect(place, "watched", "{{.Id}}");
    const watchers = [
      engine.start(["exec", "watched", "sleep", "1000"]),
      engine.start(["logs", "-f", "watched"]),
      engine.start(["attach", "--no-stdin", "watched"]),
      engine.start(["wait", "watched"]),
    ];
    await waitUntil(async () => (await engine.ok(["top", "watched"])).split("sleep 1000").length > 2);
    process.kill(supervisorOf(place, id), "SIGKILL");
    child.kill("SIGKILL");
    const statuses = await Promise.all(watchers.map((each) => each.exited));
    expect(statuses.map((status) => status !== 0)).toEqual([true, false, true, true]); // logs has shown all that there is
    expect(await inspect(place, "watched", "{{.State.Status}} {{.State.ExitCode}}")).toBe(UNKNOWN);
    await expectNothingLeft(engine);
  });

  test("of one that is being restarted: it is not started any more, and is cleared", async () => {
    const id = await detach(place, "again", ["sh", "-c", "exit 3"], ["--restart", "always"]);
    await waitUntil(async () => Number(await inspect(place, id, "{{.RestartCount}}")) > 1);
    process.kill(supervisorOf(place, id), "SIGKILL");
    await waitUntil(async () => (await inspect(place, id, "{{.State.Status}}")) === "exited");
    await expectNothingLeft(engine);
  });
});
