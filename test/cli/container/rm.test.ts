/** `proa rm`, and podman's ways of choosing containers for it and for `start`. */
import { afterEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing, useTiny } from "../../harness";
import { detach, inspect, removeAll, SLEEP } from "./_shell";

describe.skipIf(missing !== null)("rm", () => {
  const place = useTiny();
  const { engine } = place;
  afterEach(() => removeAll(place));

  const create = (name: string, ...options: string[]) =>
    engine.ok(["create", "--name", name, ...options, place.tiny, "true"]);
  const names = async () =>
    (await engine.ok(["ps", "-a", "--format", "{{.Names}}"])).split("\n").filter(Boolean).sort();

  test("removes several, prints what was typed, and goes on behind one that is not there", async () => {
    const id = await create("first");
    await create("second");
    const result = await engine.proa(["rm", id.slice(0, 8), "nosuch", "second"]);
    expect(result.stdout).toBe(`${id.slice(0, 8)}\nsecond\n`);
    expect(result.stderr).toStartWith("Error: rm: nosuch: no such container\n");
    expect(result.exitCode).toBe(1);
    expect(await names()).toEqual([]);
  });

  test("one that runs stays without -f; with it, it goes", async () => {
    await detach(place, "runs");
    const kept = await engine.proa(["rm", "runs"]);
    expect(kept.stderr).toStartWith("Error: remove container: runs: it is running\n");
    expect([kept.stdout, kept.exitCode]).toEqual(["", 1]);
    expect(await engine.ok(["rm", "-f", "runs"])).toBe("runs");
  });

  test("-f and --ignore let one that is not there pass", async () => {
    for (const option of ["-f", "-i", "--ignore"]) {
      const result = await engine.proa(["rm", option, "nosuch"]);
      expect([option, result.stdout, result.stderr, result.exitCode]).toEqual([option, "", "", 0]);
    }
  });

  test("-f --time asks first: the program can end by itself", async () => {
    const script = "trap 'echo bye > /out/bye; exit' TERM; echo ready; while :; do sleep 0.05; done";
    const out = join(engine.sandbox.home, "out");
    await detach(place, "polite", ["sh", "-c", script], ["-v", `${out}:/out`]);
    await engine.ok(["exec", "polite", "sh", "-c", "while ! grep -q . /proc/1/status; do :; done"]);
    while (!(await engine.ok(["logs", "polite"])).includes("ready")) await Bun.sleep(20);
    await engine.ok(["rm", "-f", "--time", "10", "polite"]);
    expect(await Bun.file(join(out, "bye")).text()).toBe("bye\n");
    const alone = await engine.proa(["rm", "--time", "1", "polite"]);
    expect(alone.stderr).toStartWith("Error: --time needs --force\n");
    expect(alone.exitCode).toBe(125);
  });

  test("-v takes anonymous volumes along, and leaves named ones", async () => {
    await create("with", "-v", "/anonymous", "-v", "kept:/named");
    await create("without", "-v", "/anonymous");
    await engine.ok(["rm", "without"]);
    expect((await engine.ok(["volume", "ls", "-q"])).split("\n")).toHaveLength(3);
    await engine.ok(["rm", "-v", "with"]);
    const left = (await engine.ok(["volume", "ls", "-q"])).split("\n");
    expect(left).toHaveLength(2);
    expect(left).toContain("kept");
    await engine.ok(["volume", "rm", ...left]);
  });

  test("--all, --filter, --latest and --cidfile choose", async () => {
    const file = join(engine.sandbox.home, "cid");
    writeFileSync(file, await create("aa", "-l", "x=1"));
    await create("bb", "-l", "x=2");
    await create("cc");
    await engine.ok(["rm", "--cidfile", file]);
    expect(await names()).toEqual(["bb", "cc"]);
    await engine.ok(["rm", "--filter", "label=x=2"]);
    expect(await names()).toEqual(["cc"]);
    await create("dd");
    await engine.ok(["rm", "--latest"]);
    expect(await names()).toEqual(["cc"]);
    await create("ee");
    expect((await engine.ok(["rm", "-a"])).split("\n")).toHaveLength(2);
    expect(await names()).toEqual([]);
    const both = await engine.proa(["rm", "--latest", "cc"]);
    expect(both.exitCode).toBe(125);
    expect((await engine.proa(["rm"])).stderr).toContain('"proa rm" requires at least 1 argument');
  });

  test("one that another requires stays, also by force, until both go", async () => {
    await create("base");
    await create("user", "--requires", "base");
    await create("other");
    const refused = await engine.proa(["rm", "-f", "base", "other"]);
    expect(refused).toMatchObject({ stdout: "other\n", exitCode: 1 });
    expect(refused.stderr).toStartWith(
      "Error: remove container: base: it has dependent containers which must be removed before it: user\nhint: ",
    );
    expect(await names()).toEqual(["base", "user"]);
    await engine.ok(["rm", "base", "user"]);
    expect(await names()).toEqual([]);
  });

  test("--depend takes those that need it along", async () => {
    await create("base");
    await create("middle", "--requires", "base");
    await create("top", "--requires", "middle");
    await create("other");
    await engine.ok(["rm", "--depend", "base"]);
    expect(await names()).toEqual(["other"]);
  });

  test("--link removes a link and no container", async () => {
    await detach(place, "server");
    await detach(place, "client", SLEEP, ["--link", "server:db"]);
    expect(await inspect(place, "client", "{{json .HostConfig.Links}}")).toBe('["/server:/client/db"]');
    expect(await engine.ok(["rm", "--link", "/client/db"])).toBe("/client/db");
    expect(await inspect(place, "client", "{{json .HostConfig.Links}}")).toBe("[]");
    const again = await engine.proa(["rm", "-l", "client/db"]);
    expect(again.stderr).toStartWith("Error: remove link: client/db: no such link\n");
    expect(again.exitCode).toBe(1);
    expect(await names()).toEqual(["client", "server"]);
  });
});

describe.skipIf(missing !== null)("start", () => {
  const place = useTiny();
  const { engine } = place;
  afterEach(() => removeAll(place));

  test("--all, --filter and --latest start what does not run", async () => {
    for (const name of ["aa", "bb", "cc"])
      await engine.ok(["create", "--name", name, "-l", `n=${name}`, place.tiny, ...SLEEP]);
    const running = async () => (await engine.ok(["ps", "--format", "{{.Names}}"])).split("\n").sort().join();
    await engine.ok(["start", "--latest"]);
    expect(await running()).toBe("cc");
    await engine.ok(["start", "--filter", "label=n=bb"]);
    expect(await running()).toBe("bb,cc");
    expect((await engine.ok(["start", "--all"])).split("\n")).toHaveLength(1);
    expect(await running()).toBe("aa,bb,cc");
  });

  test("several are started whatever fails; one that runs is no failure", async () => {
    await engine.ok(["create", "--name", "good", place.tiny, ...SLEEP]);
    await engine.ok(["create", "--name", "bad", place.tiny, "nosuch"]);
    const result = await engine.proa(["start", "bad", "nothing", "good"]);
    expect(result.stdout).toBe("good\n");
    expect(result.stderr).toContain("nosuch");
    expect(result.stderr).toContain("nothing: no such container");
    expect(result.exitCode).toBe(1);
    expect(await engine.ok(["start", "good"])).toBe("good");
  });

  test("-a passes the exit status on, takes one only, and joins one that runs", async () => {
    await engine.ok(["create", "--name", "job", place.tiny, "sh", "-c", "echo out; exit 7"]);
    const job = await engine.proa(["start", "-a", "job"]);
    expect([job.stdout, job.exitCode]).toEqual(["out\n", 7]);
    const two = await engine.proa(["start", "-a", "job", "job"]);
    expect(two.stderr).toContain("you cannot start and attach multiple containers at once");
    expect(two.exitCode).toBe(1);
    await engine.ok(["create", "--name", "cat", "-i", place.tiny, "cat"]);
    await engine.ok(["start", "cat"]);
    expect((await engine.proa(["start", "-ai", "cat"], { stdin: "hello\n" })).stdout).toBe("hello\n");
  });

  test("--requires starts what a container needs, and refuses what is not there", async () => {
    await engine.ok(["create", "--name", "base", place.tiny, ...SLEEP]);
    await engine.ok(["create", "--name", "middle", "--requires", "base", place.tiny, ...SLEEP]);
    expect(await engine.ok(["run", "--rm", "--requires", "middle,base", place.tiny, "echo", "ok"])).toBe(
      "ok",
    );
    expect((await engine.ok(["ps", "--format", "{{.Names}}"])).split("\n").sort()).toEqual([
      "base",
      "middle",
    ]);
    const wrong = await engine.proa(["create", "--requires", "nosuch", place.tiny]);
    expect(wrong.stderr).toStartWith("Error: require container: nosuch: no such container\n");
    expect(wrong.exitCode).toBe(125);
  });
});
