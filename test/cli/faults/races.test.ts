/** Many at once, and one against the other. */
import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { expectNothingLeft, missing, useTiny, waitUntil } from "../../harness";
import { detach, inspect, run, SLEEP } from "../container/_shell";

const ROUNDS = 20;

/** What a command that lost a race says, if it says anything. */
const LOST = /^(Error: [^\n]+(\nhint: [^\n]+)?\n?)*$/;

describe.skipIf(missing !== null)("many at once", () => {
  const place = useTiny();
  const { engine } = place;

  test("two hundred containers started at once all run, are seen, and go at once", async () => {
    const COUNT = 200;
    const started = await Promise.all(
      Array.from({ length: COUNT }, (_, i) =>
        engine.proa(["run", "-d", "--name", `many${i}`, place.tiny, ...SLEEP], { timeoutMs: 110_000 }),
      ),
    );
    expect(started.map(({ stderr }) => stderr).join("")).toBe("");
    expect(started.filter(({ exitCode }) => exitCode === 0)).toHaveLength(COUNT);
    expect((await engine.ok(["ps", "-q"])).split("\n")).toHaveLength(COUNT);
    const addresses = await engine.ok([
      "inspect",
      "--format",
      "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
      ...Array.from({ length: COUNT }, (_, i) => `many${i}`),
    ]);
    expect(new Set(addresses.split("\n")).size).toBe(COUNT);
    await expectNothingLeft(engine);
  }, 180_000);

  test("fifty execs at once into one container all run, and leave no process in it", async () => {
    const id = await detach(place, "crowded");
    const pid = Number(await inspect(place, id, "{{.State.Pid}}"));
    const said = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        engine.proa(["exec", "crowded", "sh", "-c", `echo ${i}; exit ${i}`], { timeoutMs: 58_000 }),
      ),
    );
    expect(said.map(({ stderr }) => stderr).join("")).toBe("");
    expect(said.map(({ stdout, exitCode }) => `${stdout.trim()} ${exitCode}`)).toEqual(
      said.map((_, i) => `${i} ${i}`),
    );
    const inside = readdirSync(`/proc/${pid}/root/proc`).filter((name) => /^\d+$/.test(name));
    expect(inside).toEqual(["1"]);
    await expectNothingLeft(engine);
  });

  test("rm -f against start: the container is gone, or runs and is removed", async () => {
    for (let i = 0; i < ROUNDS; i++) {
      const name = `removed${i}`;
      await engine.ok(["create", "--name", name, "--network", "none", place.tiny, ...SLEEP]);
      const [started, removed] = await Promise.all([
        engine.proa(["start", name]),
        (async () => {
          await Bun.sleep(i); // the two meet at another place each time
          return engine.proa(["rm", "-f", name]);
        })(),
      ]);
      expect(started.stderr).toMatch(LOST);
      expect(removed).toMatchObject({ stdout: `${name}\n`, stderr: "", exitCode: 0 });
      expect((await engine.proa(["inspect", name])).exitCode).toBe(1);
    }
    await expectNothingLeft(engine);
  }, 120_000);

  test("stop against an end of its own: both are true, and the status is one that was", async () => {
    for (let i = 0; i < ROUNDS; i++) {
      const name = `ending${i}`;
      await detach(place, name, ["sh", "-c", `sleep 0.0${i % 10}; exit 5`], ["--network", "none"]);
      const stopped = await engine.proa(["stop", "-t", "1", name]);
      expect(stopped).toMatchObject({ stdout: `${name}\n`, stderr: "", exitCode: 0 });
      expect(["5", "137", "143"]).toContain(await inspect(place, name, "{{.State.ExitCode}}"));
      expect(await engine.ok(["wait", name])).toBe(await inspect(place, name, "{{.State.ExitCode}}"));
    }
    await expectNothingLeft(engine);
  }, 120_000);

  test("two starts: one life, and neither is told a lie", async () => {
    for (let i = 0; i < ROUNDS; i++) {
      const name = `twice${i}`;
      const script = "echo begun >>/lives; exec sleep 1000";
      await engine.ok(["create", "--name", name, "--network", "none", place.tiny, "sh", "-c", script]);
      const both = await Promise.all([engine.proa(["start", name]), engine.proa(["start", name])]);
      for (const { stderr } of both) expect(stderr).toMatch(LOST);
      expect(both.some(({ exitCode }) => exitCode === 0)).toBe(true);
      expect(await inspect(place, name, "{{.State.Status}}")).toBe("running");
      const lives = "until [ -e /lives ]; do sleep 0.01; done; wc -l </lives";
      expect(await engine.ok(["exec", name, "sh", "-c", lives])).toBe("1");
      await engine.ok(["rm", "-f", name]);
    }
    await expectNothingLeft(engine);
  }, 120_000);

  test("start, stop, restart, kill, exec and rm against each other end in a state that every command understands", async () => {
    const names = ["a0", "a1", "a2"];
    for (const name of names)
      await engine.ok(["create", "--name", name, "--network", "none", place.tiny, ...SLEEP]);
    const verbs = [["start"], ["stop", "-t", "0"], ["restart", "-t", "0"], ["kill"], ["start"], ["rename"]];
    const all = await Promise.all(
      Array.from({ length: 48 }, (_, i) => {
        const name = names[i % names.length] ?? "";
        const [verb = "", ...options] = verbs[(i * 7) % verbs.length] ?? [];
        const words = verb === "rename" ? [verb, name, name] : [verb, ...options, name];
        return engine.proa(words, { timeoutMs: 50_000 });
      }),
    );
    for (const { stderr } of all) expect(stderr).toMatch(LOST);
    for (const name of names) {
      const state = await inspect(place, name, "{{.State.Status}}");
      expect(["running", "exited", "created"]).toContain(state);
      if (state !== "running") await engine.ok(["start", name]);
      expect(await engine.ok(["exec", name, "echo", "fine"])).toBe("fine");
    }
    await expectNothingLeft(engine);
  }, 120_000);

  test("of thirty --rm runs with one name, one at a time has it, and none is left", async () => {
    const all = await Promise.all(
      Array.from({ length: 30 }, () =>
        run(place, ["--name", "only", "--network", "none"], ["true"], { timeoutMs: 50_000 }),
      ),
    );
    for (const { stderr, exitCode } of all) {
      if (exitCode === 0) expect(stderr).toBe("");
      else expect([exitCode, stderr]).toEqual([125, expect.stringContaining("the name is used by")]);
    }
    expect(all.some(({ exitCode }) => exitCode === 0)).toBe(true);
    await waitUntil(async () => (await engine.ok(["ps", "-aq"])) === "");
    await expectNothingLeft(engine);
  });
});
