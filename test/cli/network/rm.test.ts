/** `proa network rm` and `prune`. */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { missing, useTiny } from "../../harness";
import { removeAll, SLEEP } from "../_network";

describe.skipIf(missing !== null)("removing networks", () => {
  const place = useTiny();
  const { engine } = place;
  const create = (...names: string[]) =>
    Promise.all(names.map((name) => engine.ok(["network", "create", name])));
  const custom = async () =>
    (await engine.ok(["network", "ls", "--filter", "type=custom", "--format", "{{.Name}}"]))
      .split("\n")
      .filter(Boolean);

  afterEach(async () => {
    if (missing !== null) return;
    await removeAll(place);
    await engine.ok(["network", "prune", "-f"]);
  });
  afterAll(() => engine.assertNothingLeft());

  test("names what is not there and removes the others; -f takes it for done", async () => {
    await create("one", "two");
    const { stdout, stderr, exitCode } = await engine.proa(["network", "rm", "one", "nope", "two"]);
    expect([stdout, exitCode]).toEqual(["one\ntwo\n", 1]);
    expect(stderr).toBe("Error: remove network: nope: no such network\nhint: list them: proa network ls\n");
    const forced = await engine.proa(["network", "rm", "-f", "nope"]);
    expect([forced.stdout, forced.stderr, forced.exitCode]).toEqual(["", "", 0]);
    expect((await engine.proa(["network", "rm"])).exitCode).toBe(125);
  });

  test.each(["proa", "bridge", "host", "none"])("refuses the predefined network %p", async (name) => {
    const { stderr, exitCode } = await engine.proa(["network", "rm", "-f", name]);
    expect(stderr).toContain("it is predefined and cannot be removed");
    expect(exitCode).toBe(1);
  });

  test("takes ids and their beginnings", async () => {
    const [id = ""] = await create("one");
    expect(await engine.ok(["network", "remove", id.slice(0, 12)])).toBe(id.slice(0, 12));
    expect(await custom()).toEqual([]);
  });

  test("refuses a network of containers and names them; -f lets go those that do not run", async () => {
    await create("back");
    await engine.ok(["run", "-d", "--name", "web", "--network", "back", place.tiny, ...SLEEP]);
    await engine.ok(["create", "--name", "made", "--network", "back", place.tiny, "true"]);
    const both = await engine.proa(["network", "rm", "back"]);
    expect(both.stderr).toStartWith(
      "Error: remove network: back: it is used by containers made, web\nhint: ",
    );
    expect(both.exitCode).toBe(1);
    const forced = await engine.proa(["network", "rm", "-f", "back"]);
    expect(forced.stderr).toStartWith("Error: remove network: back: it is used by container web\n");
    await engine.ok(["rm", "-f", "web"]);
    expect((await engine.proa(["network", "rm", "back"])).stderr).toContain(
      "it is used by container made\nhint: it does not run: with --force",
    );
    expect(await engine.ok(["network", "rm", "-f", "back"])).toBe("back");
    const started = await engine.proa(["start", "made"]);
    expect(started.stderr).toContain("back: no such network");
    expect(started.exitCode).not.toBe(0);
  });

  test("a container of --rm that has ended holds no network", async () => {
    await create("back");
    await engine.ok(["run", "--rm", "--network", "back", place.tiny, "true"]);
    expect(await engine.ok(["network", "rm", "back"])).toBe("back");
  });

  test("prune removes what no container is set up for, asks first, and prints docker's lines", async () => {
    await create("used", "old");
    await engine.ok(["create", "--name", "made", "--network", "used", place.tiny, "true"]);
    const declined = await engine.proa(["network", "prune"]);
    expect(declined.stderr).toContain(
      "WARNING! This will remove all networks that no container uses.\nAre you sure you want to continue? [y/N] ",
    );
    expect([declined.stdout, declined.exitCode]).toEqual(["", 1]);
    expect(await custom()).toEqual(["old", "used"]);
    const agreed = await engine.proa(["network", "prune"], { stdin: "y\n" });
    expect([agreed.stdout, agreed.exitCode]).toEqual(["Deleted Networks:\nold\n\n", 0]);
    expect(await custom()).toEqual(["used"]);
    expect(await engine.ok(["network", "prune", "--force"])).toBe("");
  });

  test("prune takes filters", async () => {
    await engine.ok(["network", "create", "--label", "keep=1", "kept"]);
    await create("old");
    expect((await engine.proa(["network", "prune", "-f", "--filter", "nope=1"])).stderr).toContain(
      'invalid filter "nope"',
    );
    await engine.ok(["network", "prune", "-f", "--filter", "until=1h"]);
    expect(await custom()).toEqual(["kept", "old"]);
    await engine.ok(["network", "prune", "-f", "--filter", "label!=keep"]);
    expect(await custom()).toEqual(["kept"]);
    await engine.ok(["network", "prune", "-f", "--filter", "label=keep=1"]);
    expect(await custom()).toEqual([]);
  });
});
