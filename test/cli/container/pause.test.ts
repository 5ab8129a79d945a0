/** `proa pause` and `proa unpause`. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { missing, useTiny, waitUntil } from "../../harness";
import { detach, inspect, isAlive, printed, removeAll, SLEEP, supervisorOf } from "./_shell";

const SPIN = ["sh", "-c", "(while :; do :; done) & while :; do :; done"];

describe.skipIf(missing !== null)("pause", () => {
  const place = useTiny();
  const { engine } = place;
  const pidOf = async (name: string) => Number(await inspect(place, name, "{{.State.Pid}}"));

  /** Fields of /proc/PID/stat behind the name: the state, and the CPU's ticks in user mode. */
  const stat = (pid: number): { state: string; ticks: number } => {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0] ?? "", ticks: Number(fields[11]) };
  };
  const processesIn = async (name: string): Promise<number[]> =>
    (await engine.ok(["top", name, "-eo", "pid"])).split("\n").slice(1).map(Number);

  test("stops every process, which then use no CPU, and unpause lets them go on", async () => {
    await detach(place, "spin", SPIN);
    await engine.ok(["exec", "-d", "spin", "sh", "-c", "while :; do :; done"]);
    await waitUntil(async () => (await processesIn("spin")).length === 3);
    expect(await engine.ok(["pause", "spin"])).toBe("spin");
    const pids = await processesIn("spin");
    expect(pids.map((pid) => stat(pid).state)).toEqual(["T", "T", "T"]);
    const before = pids.map((pid) => stat(pid).ticks);
    await Bun.sleep(300); // of a processor that has nothing else to do with them
    expect(pids.map((pid) => stat(pid).ticks)).toEqual(before);
    expect(await engine.ok(["unpause", "spin"])).toBe("spin");
    await waitUntil(() => pids.every((pid, i) => stat(pid).ticks > (before[i] ?? 0)));
    await engine.ok(["rm", "-f", "spin"]);
  });

  test("is seen by ps, its filters and inspect", async () => {
    await detach(place, "seen");
    await engine.ok(["pause", "seen"]);
    expect(await engine.ok(["ps", "--format", "{{.State}} {{.Status}}"])).toMatch(
      /^paused Up .* \(Paused\)$/,
    );
    expect(await engine.ok(["ps", "-q", "--filter", "status=running"])).toBe("");
    expect(await engine.ok(["ps", "--filter", "status=paused", "--format", "{{.Names}}"])).toBe("seen");
    const state = "{{.State.Status}} {{.State.Running}} {{.State.Paused}}";
    expect(await inspect(place, "seen", state)).toBe("paused true true");
    await engine.ok(["unpause", "seen"]);
    expect(await inspect(place, "seen", state)).toBe("running true false");
  });

  test("what is so already, or does not run, is refused", async () => {
    await engine.ok(["create", "--name", "created", place.tiny]);
    for (const [args, words] of [
      [["unpause", "seen"], "unpause: seen: the container is not paused"],
      [["pause", "created"], "pause: created: the container is not running"],
      [["pause", "nothing"], "pause: nothing: no such container"],
      [["pause"], '"proa pause" requires at least 1 argument: no CONTAINER given'],
    ] as const) {
      const refused = await engine.proa([...args]);
      expect(refused.stderr).toStartWith(`Error: ${words}\n`);
      expect(refused.exitCode).toBe(args.length === 1 ? 125 : 1);
    }
    await engine.ok(["pause", "seen"]);
    const again = await engine.proa(["pause", "seen"]);
    expect(again.stderr).toStartWith("Error: pause: seen: the container is already paused\n");
    expect(again.exitCode).toBe(1);
  });

  test("exec and attach are refused meanwhile; logs, top and rename are not", async () => {
    for (const verb of [
      ["exec", "seen", "true"],
      ["attach", "seen"],
      ["start", "seen"],
    ]) {
      const refused = await engine.proa(verb);
      expect(refused.stderr).toContain("the container is paused");
      expect(refused.exitCode).not.toBe(0);
    }
    await engine.ok(["logs", "seen"]);
    expect(await engine.ok(["top", "seen"])).toContain("sleep 1000");
    await engine.ok(["rename", "seen", "other"]);
    await engine.ok(["rename", "other", "seen"]);
    await engine.ok(["unpause", "seen"]);
  });

  test("a signal that ends nothing is kept until it goes on", async () => {
    const script = "trap 'echo caught' USR1; echo ready; while :; do sleep 0.02; done";
    await detach(place, "kept", ["sh", "-c", script]);
    await printed(place, "kept", "ready");
    await engine.ok(["pause", "kept"]);
    await engine.ok(["kill", "-s", "USR1", "kept"]);
    expect(await engine.ok(["logs", "kept"])).toBe("ready");
    await engine.ok(["unpause", "kept"]);
    await printed(place, "kept", "caught");
  });

  test.each([
    ["stop", ["stop", "-t", "-1", "end"], "7"],
    ["kill", ["kill", "end"], "137"],
  ])("%s ends one that is paused", async (_verb, args, status) => {
    await detach(place, "end", ["sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.02; done"]);
    await printed(place, "end", "ready");
    await engine.ok(["pause", "end"]);
    await engine.ok(args);
    expect(await engine.ok(["wait", "end"])).toBe(status);
    expect(await inspect(place, "end", "{{.State.Status}} {{.State.Paused}}")).toBe("exited false");
    await engine.ok(["rm", "end"]);
  });

  test("SIGTERM to its supervisor ends one that is paused", async () => {
    const id = await detach(place, "told", [
      "sh",
      "-c",
      "trap 'exit 8' TERM; echo ready; while :; do sleep 0.02; done",
    ]);
    await printed(place, "told", "ready");
    await engine.ok(["pause", "told"]);
    process.kill(supervisorOf(place, id), "SIGTERM");
    expect(await engine.ok(["wait", "told"])).toBe("8");
  });

  test("rm refuses one that is paused, and removes it with -f", async () => {
    await detach(place, "gone");
    const pid = await pidOf("gone");
    await engine.ok(["pause", "gone"]);
    expect((await engine.proa(["rm", "gone"])).exitCode).toBe(1);
    await engine.ok(["rm", "-f", "gone"]);
    expect(isAlive(pid)).toBe(false);
  });

  test("--all, --latest and --filter choose", async () => {
    await engine.ok(["rm", "-f", "kept", "created", "seen"]);
    await detach(place, "first", SLEEP, ["--label", "kind=one"]);
    await detach(place, "second");
    const paused = async () =>
      (await engine.ok(["ps", "--filter", "status=paused", "--format", "{{.Names}}"]))
        .split("\n")
        .sort()
        .join(" ");
    await engine.ok(["pause", "--latest"]);
    expect(await paused()).toBe("second");
    await engine.ok(["pause", "--all"]);
    expect(await paused()).toBe("first second");
    await engine.ok(["unpause", "--filter", "label=kind=one"]);
    expect(await paused()).toBe("second");
    await engine.ok(["unpause", "--all"]);
    expect(await paused()).toBe("");
  });

  test("processes that kill every newcomer do not keep themselves from being stopped", async () => {
    const killer =
      "me=$$; cd /proc; while :; do for p in [0-9]*; do [ $p -gt $me ] && kill -9 $p; done 2>/dev/null; done";
    await detach(place, "hostile", ["sh", "-c", `sh -c '${killer}' & sh -c '${killer}' & wait`]);
    await engine.ok(["pause", "hostile"]);
    const pids = await processesIn("hostile");
    expect(pids.length).toBeGreaterThan(1);
    const states = pids.map((pid) => stat(pid).state).filter((state) => state !== "Z"); // those that were killed
    expect(new Set(states)).toEqual(new Set(["T"]));
    await engine.ok(["rm", "-f", "hostile"]);
  });

  test("a container in the host's pid namespace is stopped, and nobody else", async () => {
    await detach(place, "shared", SPIN, ["--pid", "host"]);
    const bystander = Bun.spawn(["sleep", "1000"]);
    await engine.ok(["exec", "-d", "shared", "sh", "-c", "while :; do :; done"]);
    await waitUntil(async () => (await processesIn("shared")).length >= 3);
    await engine.ok(["pause", "shared"]);
    const pids = await processesIn("shared");
    expect(new Set(pids.map((pid) => stat(pid).state))).toEqual(new Set(["T"]));
    expect(stat(bystander.pid).state).toBe("S");
    bystander.kill();
    await engine.ok(["unpause", "shared"]);
    await waitUntil(() => pids.every((pid) => stat(pid).state !== "T"));
  });

  test("nothing is left of all these", () => removeAll(place));
});
