/** `proa stats`: what containers use. */
import { beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing, useTiny, waitUntil } from "../../harness";
import { detach, removeAll, SLEEP } from "./_shell";

describe.skipIf(missing !== null)("stats", () => {
  const place = useTiny();
  const { engine } = place;
  const once = (...args: string[]) => engine.ok(["stats", "--no-stream", ...args]);
  const bytes = (text: string): number => {
    const [, number = "0", unit = "B"] = /^([\d.]+)(B|kB|MB)$/.exec(text) ?? [];
    return Number(number) * ({ B: 1, kB: 1e3, MB: 1e6 }[unit] ?? 0);
  };

  beforeAll(async () => {
    if (missing !== null) return;
    await detach(place, "idle");
    await detach(place, "busy", ["sh", "-c", "while :; do :; done"]);
    await detach(place, "alone", ["sh", "-c", "sleep 1000 & sleep 1000 & wait"], ["--network", "none"]);
    await engine.ok(["create", "--name", "made", place.tiny, "true"]);
  });

  test("refuses a container that is not there, and a format that is none", async () => {
    const { stdout, stderr, exitCode } = await engine.proa(["stats", "--no-stream", "nope"]);
    expect(stderr).toStartWith("Error: show statistics of container: nope: no such container\n");
    expect([stdout, exitCode]).toEqual(["", 1]);
    expect((await engine.proa(["stats", "--no-stream", "--format", "{{.Nope}}"])).stderr).toContain("Nope");
  });

  test("is a table of those that run; -a of all", async () => {
    const [header = "", ...rows] = (await once()).split("\n");
    expect(header.split(/ {2,}/)).toEqual([
      "CONTAINER ID",
      "NAME",
      "CPU %",
      "MEM USAGE / LIMIT",
      "MEM %",
      "NET I/O",
      "BLOCK I/O",
      "PIDS",
    ]);
    expect(rows.map((row) => row.split(/ {2,}/)[1]).sort()).toEqual(["alone", "busy", "idle"]);
    const all = await once("-a", "--format", "{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.NetIO}} {{.PIDs}}");
    expect(all.split("\n")).toContain("made -- -- / -- -- / -- --");
  });

  test("tells who works, how many processes there are, and who has no network", async () => {
    const lines = (await once("--format", "{{.Name}} {{.CPUPerc}} {{.PIDs}} {{.NetIO}}")).split("\n");
    const of = (name: string): string => lines.find((line) => line.startsWith(`${name} `)) ?? "";
    expect(Number.parseFloat(of("busy").split(" ")[1] ?? "0")).toBeGreaterThan(5);
    expect(Number.parseFloat(of("idle").split(" ")[1] ?? "100")).toBeLessThan(5);
    expect(of("alone")).toEndWith(" 3 -- / --");
    expect(of("idle")).toMatch(/ 1 \S+B \/ \S+B$/);
  });

  test("counts the bytes of the network", async () => {
    const received = async () => bytes((await once("--format", "{{.NetIO}}", "idle")).split(" / ")[0] ?? "");
    const before = await received();
    const address = await engine.ok(["inspect", "-f", "{{.NetworkSettings.IPAddress}}", "idle"]);
    await engine.ok(["run", "--rm", place.tiny, "ping", "-c", "3", "-i", "0.1", "-s", "1200", address]);
    expect((await received()) - before).toBeGreaterThan(3000);
  });

  test("goes on until nobody wants it any more", async () => {
    const child = engine.start(["stats", "--format", "{{.Name}}", "idle"]);
    let text = "";
    const reading = (async () => {
      for await (const chunk of child.stdout) text += new TextDecoder().decode(chunk);
    })();
    await waitUntil(() => text.split("idle").length > 2, { what: "a second line" });
    child.kill("SIGINT");
    await child.exited;
    await reading;
    expect(text).not.toContain("\x1b");
  });

  test("an exec's process counts", async () => {
    const child = engine.start(["exec", "idle", ...SLEEP]);
    const count = () => once("--format", "{{.PIDs}}", "idle");
    await waitUntil(async () => (await count()) === "2", { what: "a second process" });
    child.kill("SIGKILL");
    await child.exited;
  });

  test("of one that is named twice the figures are the same twice", async () => {
    const twice = await once("--format", "{{.Name}} {{.PIDs}}", "alone", "busy", "alone");
    expect(twice.split("\n")).toEqual(["alone 3", "busy 1", "alone 3"]);
  });

  test("a container that was started with another XDG_RUNTIME_DIR is counted, among all and by its name", async () => {
    const env = { XDG_RUNTIME_DIR: join(engine.sandbox.directory, "other") };
    mkdirSync(env.XDG_RUNTIME_DIR, { mode: 0o700 });
    await engine.ok(["run", "-d", "--name", "away", "--network", "none", place.tiny, ...SLEEP], { env });
    expect((await once("--format", "{{.Name}} {{.PIDs}}")).split("\n")).toContain("away 1");
    expect(await once("--format", "{{.PIDs}}", "away")).toBe("1");
    await engine.ok(["rm", "-f", "away"]);
  });

  test("what has not started uses nothing, whatever lies in its run directory", async () => {
    const id = await engine.ok(["inspect", "-f", "{{.Id}}", "made"]);
    const left = join(engine.sandbox.runtimeDir, "proa/containers", id);
    const cgroup = join(engine.sandbox.directory, "group");
    mkdirSync(left, { recursive: true });
    mkdirSync(cgroup);
    writeFileSync(join(cgroup, "cpu.stat"), "usage_usec 5\n");
    writeFileSync(join(cgroup, "cgroup.procs"), `${process.pid}\n`);
    writeFileSync(join(left, "state.json"), JSON.stringify({ pid: process.pid, startedMs: 7, cgroup }));
    const all = await once("-a", "--format", "{{.Name}} {{.CPUPerc}} {{.PIDs}}");
    expect(all.split("\n")).toContain("made -- --");
    rmSync(left, { recursive: true });
  });

  test("nothing is left when the containers are removed", () => removeAll(place));
});
