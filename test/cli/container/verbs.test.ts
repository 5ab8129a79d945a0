import { afterEach, describe, expect, test } from "bun:test";
import { missing, useTiny } from "../../harness";
import { detach, inspect, printed, removeAll, SLEEP } from "./_shell";

describe.skipIf(missing !== null)("restart", () => {
  const place = useTiny();
  const { engine } = place;
  afterEach(() => removeAll(place));

  test("of a container that is not there is an error, the others restart all the same", async () => {
    await detach(place, "web");
    const before = await inspect(place, "web", "{{.State.Pid}}");
    const result = await engine.proa(["restart", "-t", "0", "nobody", "web"]);
    expect(result.stderr).toContain("Error: restart: nobody: no such container");
    expect(result.stdout).toBe("web\n");
    expect(result.exitCode).toBe(1);
    expect(await inspect(place, "web", "{{.State.Running}}")).toBe("true");
    expect(await inspect(place, "web", "{{.State.Pid}}")).not.toBe(before);
  });

  test("keeps what was written, and asks by the stop signal first", async () => {
    const script =
      "trap 'echo asked; exit' TERM; cat /kept; echo kept >/kept; echo ready; while :; do sleep 0.02; done";
    await detach(place, "web", ["sh", "-c", script]);
    await printed(place, "web", "ready");
    expect(await engine.ok(["restart", "web"])).toBe("web");
    await printed(place, "web", "kept");
    expect(await engine.ok(["logs", "web"])).toContain("asked");
  });

  test("starts one that has ended", async () => {
    await detach(place, "job", ["true"]);
    await engine.ok(["wait", "job"]);
    expect(await engine.ok(["restart", "job"])).toBe("job");
    expect(await engine.ok(["wait", "job"])).toBe("0");
  });
});

describe.skipIf(missing !== null)("rename", () => {
  const place = useTiny();
  const { engine } = place;
  afterEach(() => removeAll(place));

  test("refuses a name that is taken or cannot be one, and changes nothing", async () => {
    await engine.ok(["create", "--name", "web", place.tiny]);
    await engine.ok(["create", "--name", "db", place.tiny]);
    const taken = await engine.proa(["rename", "web", "db"]);
    expect(taken.stderr).toContain("Error: rename container: db: the name is used by container ");
    expect(taken.exitCode).toBe(125);
    expect((await engine.proa(["rename", "web", "a b"])).stderr).toContain("container name");
    expect((await engine.proa(["rename", "nobody", "some"])).stderr).toContain("no such container");
    expect((await engine.ok(["ps", "-a", "--format", "{{.Names}}"])).split("\n").toSorted()).toEqual([
      "db",
      "web",
    ]);
  });

  test("frees the old name, also of one that runs", async () => {
    await detach(place, "web");
    await engine.ok(["rename", "web", "old-web"]);
    await detach(place, "web");
    expect((await engine.ok(["ps", "--format", "{{.Names}}"])).split("\n").toSorted()).toEqual([
      "old-web",
      "web",
    ]);
    expect(await engine.ok(["exec", "old-web", "echo", "hello"])).toBe("hello");
  });
});

describe.skipIf(missing !== null)("top", () => {
  const place = useTiny();
  const { engine } = place;
  afterEach(() => removeAll(place));

  test("says what is wrong: not running, options that ps does not have, no column PID", async () => {
    await engine.ok(["create", "--name", "web", place.tiny, ...SLEEP]);
    expect((await engine.proa(["top", "web"])).stderr).toContain("the container is not running");
    await engine.ok(["start", "web"]);
    const unknown = await engine.proa(["top", "web", "--no-such"]);
    expect(unknown.stderr).toContain("Error: list processes: ps --no-such: ");
    expect(unknown.exitCode).toBe(125);
    expect((await engine.proa(["top", "web", "-o", "rss"])).stderr).toContain("no column PID");
  });

  test("lists the container's processes and no other, those of exec too", async () => {
    await detach(place, "web", ["sh", "-c", "sleep 4321 & exec sleep 1234"]);
    await detach(place, "other", ["sleep", "9999"]);
    await engine.ok(["exec", "-d", "web", "sleep", "5678"]);
    const listed = await engine.ok(["top", "web"]);
    expect(listed.split("\n")[0]).toMatch(/^UID +PID +PPID +C +STIME +TTY +TIME +CMD$/);
    expect([...listed.matchAll(/sleep (\d+)/g)].map(([, seconds]) => seconds).toSorted()).toEqual([
      "1234",
      "4321",
      "5678",
    ]);
    const chosen = await engine.ok(["top", "web", "-o", "pid,args"]);
    expect(chosen).toMatch(/^PID +COMMAND\n/);
    expect(chosen).toContain("sleep 1234");
  });
});
