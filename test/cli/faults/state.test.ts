/** A clock that is set back, and a machine that was switched off: what is written down is old, or from the future, and nobody who wrote it lives. */
import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expectNothingLeft, missing, processesOf, useTiny, waitUntil } from "../../harness";
import { detach, inspect, isAlive, supervisorOf } from "../container/_shell";

const YEAR_MS = 365 * 24 * 3600 * 1000;

/** What a time that was worked out wrongly looks like. */
const NONSENSE = /-\d+ (second|minute|hour|day|week|month|year)|NaN|Invalid|undefined|null/;

describe.skipIf(missing !== null)("the clock was set back by a year", () => {
  const place = useTiny();
  const { engine } = place;

  /** Move every time that is written down into the future: the same as a clock that goes back. */
  const age = (id: string): void => {
    const db = new Database(join(engine.sandbox.dataHome, "proa/state.db"));
    for (const { name } of db.query<{ name: string }, []>("PRAGMA table_info(container)").all()) {
      if (name.endsWith("_ms"))
        db.run(`UPDATE container SET ${name} = ${name} + ${YEAR_MS} WHERE ${name} > 0`);
    }
    db.close();
    const path = join(engine.sandbox.runtimeDir, "proa/containers", id, "state.json");
    if (!existsSync(path)) return;
    const state = JSON.parse(readFileSync(path, "utf8"));
    writeFileSync(path, JSON.stringify({ ...state, startedMs: state.startedMs + YEAR_MS }));
  };

  test("and a container that runs is shown, stopped, started and removed as any other", async () => {
    const id = await detach(place, "future", ["sh", "-c", "echo said; sleep 1000"]);
    age(id);
    const commands = [
      ["ps", "-a"],
      ["ps", "--format", "{{.RunningFor}} {{.Status}} {{.CreatedAt}}"],
      ["inspect", "--format", "{{.Created}} {{.State.StartedAt}}", id],
      ["top", id],
      ["stats", "--no-stream", id],
      ["logs", "--since", "10m", id],
      ["logs", "--until", "1h", id],
      ["port", id],
    ];
    for (const command of commands) {
      const result = await engine.proa(command);
      const told = result.stderr.replace(/^Warning: .* without a control group of their own: .*\n$/, ""); // of stats
      expect([command, told, result.exitCode]).toEqual([command, "", 0]);
      expect(result.stdout).not.toMatch(NONSENSE);
    }
    await engine.ok(["stop", "-t", "0", id]);
    expect(await inspect(place, id, "{{.State.ExitCode}}")).toBe("137");
    expect(await engine.ok(["wait", id])).toBe("137");
    expect(await engine.ok(["ps", "-a"])).not.toMatch(NONSENSE);
    await engine.ok(["start", id]);
    await engine.ok(["restart", "-t", "0", id]);
    expect(await engine.ok(["ps", "--format", "{{.Status}}"])).toMatch(/^Up (Less than a|\d+) seconds?$/);
    await expectNothingLeft(engine);
  });

  test("and one that has ended, or never began, is", async () => {
    for (const name of ["ended", "made"]) await engine.ok(["create", "--name", name, place.tiny, "true"]);
    await engine.ok(["start", "-a", "ended"]);
    age(await inspect(place, "ended", "{{.Id}}"));
    const text = await engine.ok(["ps", "-a"]);
    expect(text).toContain("Exited (0)");
    expect(text).not.toMatch(NONSENSE);
    await engine.ok(["start", "-a", "made"]);
    await expectNothingLeft(engine);
  });

  test("between a start and its end, in which case it did not last less than no time", async () => {
    const id = await detach(place, "lived", ["sh", "-c", "exit 4"]);
    await engine.ok(["wait", id]);
    age(id);
    await engine.ok(["start", "-a", id], { timeoutMs: 20_000 }).catch(() => undefined); // its status is 4
    expect(await inspect(place, id, "{{.State.ExitCode}}")).toBe("4");
    await expectNothingLeft(engine);
  });
});

describe.skipIf(missing !== null)("the machine was switched off and on", () => {
  const place = useTiny();
  const { engine } = place;

  /** Nothing that ran runs any more, and the runtime directory is empty. */
  async function reboot(): Promise<void> {
    for (const { pid } of processesOf(engine.sandbox)) process.kill(pid, "SIGKILL");
    await waitUntil(() => processesOf(engine.sandbox).filter(({ pid }) => isAlive(pid)).length === 0);
    for (const name of readdirSync(engine.sandbox.runtimeDir))
      rmSync(join(engine.sandbox.runtimeDir, name), { recursive: true, force: true });
  }

  test("every container has ended, with a status only where one was recorded, and starts again", async () => {
    await detach(place, "ran");
    await detach(place, "ended", ["sh", "-c", "exit 9"]);
    await engine.ok(["wait", "ended"]);
    await engine.ok(["create", "--name", "made", place.tiny, "true"]);
    await detach(place, "temporary", undefined, ["--rm"]);
    await detach(place, "published", undefined, ["-p", "127.0.0.1::80"]);
    await reboot();
    const rows = await engine.ok(["ps", "-a", "--format", "{{.Names}} {{.State}}"]);
    expect(rows.split("\n").sort()).toEqual([
      "ended exited",
      "made created",
      "published exited",
      "ran exited",
    ]);
    expect(await inspect(place, "ran", "{{.State.ExitCode}}")).toBe("-1");
    expect(await inspect(place, "ended", "{{.State.ExitCode}}")).toBe("9");
    for (const name of ["ran", "published"]) {
      await engine.ok(["start", name]);
      expect(await engine.ok(["exec", name, "echo", "fine"])).toBe("fine");
    }
    expect(await engine.ok(["port", "published"])).toMatch(/^80\/tcp -> 127\.0\.0\.1:\d+$/);
    await expectNothingLeft(engine);
  });

  test("what has a restart policy is started by `system boot`, once; what was stopped by its user is not, but with always", async () => {
    const policies = { always: "always", unless: "unless-stopped", failure: "on-failure", never: "no" };
    for (const [name, policy] of Object.entries(policies))
      await detach(place, name, undefined, ["--restart", policy]);
    for (const policy of ["always", "unless-stopped"]) {
      await detach(place, `stopped-${policy}`, undefined, ["--restart", policy]);
      await engine.ok(["stop", "-t", "0", `stopped-${policy}`]);
    }
    await reboot();
    expect(await engine.ok(["ps", "-q"])).toBe("");
    await engine.ok(["system", "boot"]);
    const running = async () => (await engine.ok(["ps", "--format", "{{.Names}}"])).split("\n").sort();
    const expected = await running();
    expect(expected).toContain("always");
    expect(expected).toContain("unless");
    expect(expected).not.toContain("never");
    expect(expected).not.toContain("stopped-unless-stopped");
    await engine.ok(["system", "boot"]);
    expect(await running()).toEqual(expected);
    const id = await inspect(place, "always", "{{.Id}}");
    expect(
      processesOf(engine.sandbox).filter(({ command }) => command === `proa-supervise ${id}`),
    ).toHaveLength(1);
    expect(isAlive(supervisorOf(place, id))).toBe(true);
    await expectNothingLeft(engine);
  });
});
