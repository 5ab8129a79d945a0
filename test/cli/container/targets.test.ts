/** Choosing containers for stop, kill and restart: names, or podman's options in place of them. */
import { afterEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing, useTiny } from "../../harness";
import { detach, inspect, removeAll, SLEEP } from "./_shell";

describe.skipIf(missing !== null)("the containers of stop, kill and restart", () => {
  const place = useTiny();
  const { engine } = place;
  afterEach(() => removeAll(place));

  const names = async () =>
    (await engine.ok(["ps", "--format", "{{.Names}}"])).split("\n").filter(Boolean).sort();
  const quick = ["-t", "0"];

  test("--all is what runs, told by its ids, and nothing is no failure", async () => {
    expect(await engine.proa(["stop", "--all"])).toMatchObject({ stdout: "", stderr: "", exitCode: 0 });
    const ids = [await detach(place, "one"), await detach(place, "two")];
    await engine.ok(["create", "--name", "made", place.tiny, ...SLEEP]);
    expect((await engine.ok(["stop", ...quick, "-a"])).split("\n").sort()).toEqual(ids.toSorted());
    expect(await engine.ok(["stop", ...quick, "--all"])).toBe("");
    await engine.ok(["start", "one", "two"]);
    expect((await engine.ok(["kill", "--all"])).split("\n").sort()).toEqual(ids.toSorted());
    expect(await names()).toEqual([]);
  });

  test("--latest is the one that was created last", async () => {
    await detach(place, "old");
    const id = await detach(place, "new");
    await engine.ok(["run", "--rm", place.tiny, "true"]); // and is gone again
    expect(await engine.ok(["stop", ...quick, "-l"])).toBe(id);
    expect(await names()).toEqual(["old"]);
    expect(await engine.ok(["restart", ...quick, "--latest"])).toBe(id);
    expect(await engine.ok(["kill", "-l"])).toBe(id);
    expect(await names()).toEqual(["old"]);
  });

  test("--filter is what matches and runs", async () => {
    await detach(place, "red", SLEEP, ["--label", "colour=red", "--restart", "always"]);
    await detach(place, "blue", SLEEP, ["--label", "colour=blue"]);
    await engine.ok(["stop", ...quick, "--filter", "label=colour=red"]);
    expect(await names()).toEqual(["blue"]);
    expect(await engine.ok(["start", "--all", "--filter", "restart-policy=always"])).toBe(
      await inspect(place, "red", "{{.Id}}"),
    );
    expect(await names()).toEqual(["blue", "red"]);
    await engine.ok(["stop", ...quick, "-f", "restart-policy=always"]);
    expect(await names()).toEqual(["blue"]);
    expect((await engine.proa(["stop", "--filter", "taste=sweet"])).exitCode).toBe(125);
  });

  test("--cidfile reads an id, as often as it is given, beside names", async () => {
    const files = [join(engine.sandbox.home, "first"), join(engine.sandbox.home, "second")];
    for (const file of files) await engine.ok(["run", "-d", "--cidfile", file, place.tiny, ...SLEEP]);
    await detach(place, "named");
    const cidfiles = files.flatMap((file) => ["--cidfile", file]);
    expect((await engine.ok(["stop", ...quick, ...cidfiles, "named"])).split("\n")).toHaveLength(3);
    expect(await names()).toEqual([]);
    writeFileSync(join(engine.sandbox.home, "empty"), "");
    for (const path of [join(engine.sandbox.home, "empty"), "/nowhere"]) {
      const result = await engine.proa(["stop", "--cidfile", path]);
      expect(result.stderr).toStartWith(`Error: read container id: ${path}: `);
      expect(result.exitCode).toBe(125);
      expect(await engine.proa(["stop", "--ignore", "--cidfile", path])).toMatchObject({
        stderr: "",
        exitCode: 0,
      });
    }
  });

  test("stop --ignore passes over what is not there; without it that is an error", async () => {
    await detach(place, "web");
    expect(await engine.proa(["stop", ...quick, "-i", "nothing", "web"])).toMatchObject({
      stdout: "web\n",
      stderr: "",
      exitCode: 0,
    });
    expect((await engine.proa(["stop", "nothing"])).exitCode).toBe(1);
  });

  test("restart --running leaves alone what does not run; --all starts it", async () => {
    await detach(place, "runs");
    await detach(place, "ended", ["true"]);
    await engine.ok(["wait", "ended"]);
    const started = await inspect(place, "runs", "{{.State.StartedAt}}");
    expect(await engine.ok(["restart", ...quick, "--running"])).toBe(await inspect(place, "runs", "{{.Id}}"));
    expect(await inspect(place, "runs", "{{.State.StartedAt}}")).not.toBe(started);
    expect((await engine.ok(["restart", ...quick, "--all"])).split("\n")).toHaveLength(2);
  });

  for (const verb of ["stop", "kill", "restart"]) {
    test(`${verb} wants one way of choosing`, async () => {
      const none = await engine.proa([verb]);
      expect(none.stderr).toStartWith(`Error: "proa ${verb}" requires at least 1 argument`);
      expect(none.exitCode).toBe(125);
      for (const words of [
        ["--all", "web"],
        ["--latest", "web"],
        ["--all", "--latest"],
        ["--latest", "--cidfile", "x"],
      ]) {
        const result = await engine.proa([verb, ...words]);
        expect(result.stderr).toContain("cannot be used together");
        expect(result.exitCode).toBe(125);
      }
    });
  }

  test("one that ends on its own terms first does not keep the others from being killed in time", async () => {
    const deaf = "trap '' TERM; while :; do sleep 0.05; done";
    await detach(place, "patient", ["sh", "-c", deaf], ["--stop-timeout", "4"]);
    await detach(place, "hasty", ["sh", "-c", deaf], ["--stop-timeout", "0"]);
    await engine.ok(["stop", "patient", "hasty"]);
    const finished = async (name: string) => Date.parse(await inspect(place, name, "{{.State.FinishedAt}}"));
    expect((await finished("patient")) - (await finished("hasty"))).toBeGreaterThan(3000);
  });
});
