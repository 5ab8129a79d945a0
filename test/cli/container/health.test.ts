/** Health checks: `--health-*`, the image's HEALTHCHECK, `proa healthcheck run`. */
import { beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { missing, useTiny, waitUntil } from "../../harness";
import { makeImage, pushImage } from "../../harness/image";
import { tinyLayer } from "../../harness/images";
import { detach, inspect, isAlive, removeAll, SLEEP, supervisorOf } from "./_shell";

type Entry = { Start: string; End: string; ExitCode: number; Output: string };
type Health = { Status: string; FailingStreak: number; Log: Entry[] };

/** Checks that follow each other without a pause worth waiting for. */
const OFTEN = ["--health-interval", "20ms"];
/** Only `healthcheck run` makes one. */
const ASKED = ["--health-interval", "disable"];
const NS = 1e9;

describe.skipIf(missing !== null)("health checks", () => {
  const place = useTiny();
  const { engine } = place;

  const healthOf = async (name: string): Promise<Health> =>
    JSON.parse(await inspect(place, name, "{{json .State.Health}}"));
  const reaches = (name: string, test: (health: Health) => boolean): Promise<Health> =>
    waitUntil(
      async () => {
        const health = await healthOf(name);
        return test(health) ? health : undefined;
      },
      { what: `state of ${name}` },
    );
  const becomes = (name: string, status: string) => reaches(name, (health) => health.Status === status);
  const check = (name: string) => engine.proa(["healthcheck", "run", name]);
  test("healthcheck run --ignore-result tells what was found, with status 0", async () => {
    await detach(place, "ill", SLEEP, ["--health-cmd", "false", "--health-interval", "1h"]);
    expect(await check("ill")).toMatchObject({ stdout: "unhealthy\n", exitCode: 1 });
    const ignored = ["healthcheck", "run", "--ignore-result", "ill"];
    expect(await engine.proa(ignored)).toMatchObject({ stdout: "unhealthy\n", exitCode: 0 });
    expect((await engine.proa(["healthcheck", "run", "--ignore-result", "nosuch"])).exitCode).toBe(125);
  });

  const psStatus = (name: string) =>
    engine.ok(["ps", "-a", "--filter", `name=^${name}$`, "--format", "{{.Status}}"]);

  let healthy = ""; // an image with a check of its own
  beforeAll(async () => {
    if (missing !== null) return;
    const Healthcheck = {
      Test: ["CMD", "test", "-e", "/ready"],
      Interval: 7 * NS,
      Timeout: 6 * NS,
      Retries: 5,
    };
    const config = { Cmd: ["sleep", "1000"], Env: ["PATH=/bin"], Healthcheck, Shell: ["/bin/sh", "-ec"] };
    healthy = `${place.registry.host}/healthy:latest`;
    await pushImage(healthy, await makeImage({ layers: [await tinyLayer()], config }));
    await engine.ok(["pull", "-q", healthy]);
  });

  test.each([
    [
      ["--health-cmd", "x", "--no-healthcheck"],
      "options: --no-healthcheck, --health-cmd: conflicting options",
    ],
    [["--health-interval", "-1s"], "--health-interval: -1s: it cannot be negative"],
    [["--health-timeout", "5"], '--health-timeout: "5": expected a duration such as 1m30s'],
    [["--health-cmd", "x", "--health-timeout", "1us"], "health check: Timeout: it cannot be less than 1ms"],
    [["--health-on-failure", "kill"], "health check: on failure kill: there is no check that could fail"],
    [["--health-startup-cmd", "x"], "health check: startup: it needs a check that follows it"],
    [
      ["--health-startup-retries", "3"],
      "--health-startup-retries: startup check: it needs --health-startup-cmd",
    ],
    [
      ["--health-log-destination", "near"],
      "--health-log-destination: near: expected local, events_logger or",
    ],
    [["--health-log-destination", "/no/such"], "--health-log-destination: /no/such: it is no directory"],
  ])("%p is refused", async (options, words) => {
    const refused = await engine.proa(["create", ...options, place.tiny]);
    expect(refused.stderr).toStartWith(`Error: ${words}`);
    expect(refused.exitCode).toBe(125);
  });

  test("a container without one has no health, and says so when it is asked", async () => {
    await detach(place, "none");
    expect(JSON.parse(await inspect(place, "none", "{{json .State}}"))).not.toHaveProperty("Health");
    expect(await psStatus("none")).not.toContain("(");
    const refused = await check("none");
    expect(refused.stderr).toStartWith("Error: healthcheck: none: the container has no health check\n");
    expect(refused.exitCode).toBe(125);
    expect(await engine.ok(["ps", "--filter", "health=none", "--format", "{{.Names}}"])).toBe("none");
  });

  test("is starting, healthy, unhealthy and healthy again, with an event for each change", async () => {
    const options = ["--health-cmd", "cat /ready", "--health-retries", "2", ...ASKED];
    await detach(place, "turns", SLEEP, options);
    expect(await psStatus("turns")).toEndWith("(health: starting)");
    expect(await check("turns")).toMatchObject({ stdout: "unhealthy\n", exitCode: 1 });
    expect(await healthOf("turns")).toMatchObject({ Status: "starting", FailingStreak: 1 });
    expect((await check("turns")).exitCode).toBe(1);
    expect(await healthOf("turns")).toMatchObject({ Status: "unhealthy", FailingStreak: 2 });
    expect(await psStatus("turns")).toEndWith("(unhealthy)");
    await engine.ok(["exec", "turns", "sh", "-c", "echo well >/ready"]);
    expect(await check("turns")).toMatchObject({ stdout: "", stderr: "", exitCode: 0 });
    const health = await healthOf("turns");
    expect(health).toMatchObject({ Status: "healthy", FailingStreak: 0 });
    expect(health.Log.map(({ ExitCode }) => ExitCode)).toEqual([1, 1, 0]);
    expect(health.Log[2]?.Output).toBe("well\n");
    for (const { Start, End } of health.Log) {
      expect(Start).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
      expect(Start < End).toBe(true);
    }
    expect(await psStatus("turns")).toEndWith("(healthy)");
    expect(await engine.ok(["ps", "--filter", "health=healthy", "--format", "{{.Names}}"])).toBe("turns");
    await engine.ok(["exec", "turns", "rm", "/ready"]);
    expect((await engine.proa(["container", "healthcheck", "turns"])).exitCode).toBe(1);
    const told = readFileSync(join(engine.sandbox.dataHome, "proa/events.jsonl"), "utf8").match(
      /health_status: \w+/g,
    );
    expect(told).toEqual(["health_status: unhealthy", "health_status: healthy"]);
  });

  test("runs again and again; the last five are kept", async () => {
    await detach(place, "often", SLEEP, [
      "--health-cmd",
      "n=$(($(cat /n 2>/dev/null || echo 0) + 1)); echo $n >/n; echo $n",
      ...OFTEN,
    ]);
    const { Log } = await reaches("often", ({ Log: log }) => Number(log.at(-1)?.Output) > 7);
    expect(Log).toHaveLength(5);
    const outputs = Log.map(({ Output }) => Number(Output));
    expect(outputs).toEqual(outputs.map((_, i) => (outputs[0] ?? 0) + i));
  });

  test("a check that takes too long is killed with all that it has forked", async () => {
    const script = "sleep 1077 & (sleep 1078 &); (setsid setsid sleep 1076 &); echo begun; sleep 1079";
    await detach(
      place,
      "slow",
      ["sh", "-c", "while :; do sleep 0.01; wait; done"],
      [...["--init", "--health-cmd", script, "--health-timeout", "2s", "--health-retries", "1"], ...ASKED],
    );
    expect((await check("slow")).exitCode).toBe(1);
    const { Status, Log } = await healthOf("slow");
    expect(Status).toBe("unhealthy");
    expect(Log[0]).toMatchObject({ ExitCode: -1, Output: "Health check exceeded timeout (2s): begun\n" });
    expect(await engine.ok(["exec", "slow", "ps", "-o", "args"])).not.toContain("sleep 107");
  });

  test("what it leaves behind in the background does not hold it up", async () => {
    await detach(place, "background", SLEEP, ["--health-cmd", "sleep 1000 & echo done", ...ASKED]);
    expect((await check("background")).exitCode).toBe(0);
    expect((await healthOf("background")).Log[0]?.Output).toBe("done\n");
  });

  test("output is cut at 4096 bytes, and what is no text is marked", async () => {
    const script = "printf 'a\\377b\\0c'; yes | head -c 1000000 >&2";
    await detach(place, "output", SLEEP, ["--health-cmd", script, ...ASKED]);
    expect((await check("output")).exitCode).toBe(0);
    const output = (await healthOf("output")).Log[0]?.Output ?? "";
    expect(output).toStartWith("a\ufffdb\0c");
    expect(output).toEndWith("y...");
    expect(output).toHaveLength(4096 + 3);
  });

  test("is run as the container's user, in its directory, with its environment and capabilities", async () => {
    const script =
      "id -u; pwd; echo $A; grep CapEff /proc/self/status; grep CapEff /proc/1/status; readlink /proc/self/ns/net";
    const options = [
      "-u",
      "app",
      "-w",
      "/tmp",
      "-e",
      "A=b",
      "--cap-add",
      "SYS_TIME",
      "--health-cmd",
      script,
      ...ASKED,
    ];
    await detach(place, "user", SLEEP, options);
    await check("user");
    const lines = (await healthOf("user")).Log[0]?.Output.split("\n") ?? [];
    expect(lines.slice(0, 3)).toEqual(["1000", "/tmp", "b"]);
    expect(lines[3]).toBe(lines[4] ?? "");
    expect(lines[5]).toBe(await engine.ok(["exec", "user", "readlink", "/proc/self/ns/net"]));
  });

  test("failures of the start period do not count, and its interval is shorter", async () => {
    const period = [
      "--health-start-period",
      "1h",
      "--health-start-interval",
      "20ms",
      "--health-interval",
      "1h",
    ];
    await detach(place, "period", SLEEP, [
      "--health-cmd",
      "test -e /ready",
      "--health-retries",
      "1",
      ...period,
    ]);
    const health = await reaches("period", ({ Log }) => Log.length === 5);
    expect(health).toMatchObject({ Status: "starting", FailingStreak: 0 });
    await engine.ok(["exec", "period", "touch", "/ready"]);
    await becomes("period", "healthy");
  });

  test("the image's check is taken over, field by field where the user says nothing else", async () => {
    const config = async (options: string[]) => {
      const id = await engine.ok(["create", ...options, healthy]);
      const { Healthcheck } = JSON.parse(await inspect(place, id, "{{json .Config}}"));
      await engine.ok(["rm", id]);
      return Healthcheck;
    };
    const image = { Test: ["CMD", "test", "-e", "/ready"], Interval: 7 * NS, Timeout: 6 * NS, Retries: 5 };
    expect(await config([])).toEqual(image);
    expect(await config(["--health-interval", "1m30s"])).toEqual({ ...image, Interval: 90 * NS });
    expect(await config(["--health-cmd", "exit 1"])).toEqual({ ...image, Test: ["CMD-SHELL", "exit 1"] });
    expect(await config(["--health-cmd", '["a", "b c"]', "--health-retries", "2"])).toEqual({
      ...image,
      Test: ["CMD", "a", "b c"],
      Retries: 2,
    });
    const test = async (text: string) => (await config(["--health-cmd", text])).Test;
    expect(await test("CMD a  b")).toEqual(["CMD", "a", "b"]);
    expect(await test('["a b"]')).toEqual(["CMD-SHELL", "a b"]);
    expect(await test("[ -e /x ]")).toEqual(["CMD-SHELL", "[ -e /x ]"]);
    expect(await config(["--no-healthcheck"])).toEqual({ Test: ["NONE"] });
    expect(await config(["--health-cmd", "none"])).toEqual({ Test: ["NONE"] });
  });

  test("the image's check is made, by the image's shell where it is for one", async () => {
    await engine.ok(["run", "-d", "--name", "image", healthy]);
    expect((await check("image")).exitCode).toBe(1);
    await engine.ok(["exec", "image", "touch", "/ready"]);
    expect((await check("image")).exitCode).toBe(0);
    await engine.ok(["run", "-d", "--name", "shell", "--health-cmd", "false; true", healthy]);
    expect((await check("shell")).exitCode).toBe(1); // -e
    await engine.ok(["run", "-d", "--name", "off", "--no-healthcheck", healthy]);
    expect((await check("off")).exitCode).toBe(125);
    expect(await psStatus("off")).not.toContain("(");
  });

  test("a program that is not there is a failure with words", async () => {
    await detach(place, "absent", SLEEP, ["--health-cmd", '["CMD", "nothere"]', ...ASKED]);
    expect((await check("absent")).exitCode).toBe(1);
    expect((await healthOf("absent")).Log[0]).toMatchObject({
      ExitCode: -1,
      Output: "execute: nothere: No such file or directory",
    });
  });

  const ENDS = ["sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.02; done"];
  const FAILS = ["--health-cmd", "exit 1", "--health-retries", "2", ...OFTEN];

  test.each([
    ["kill", "exited 137"],
    ["stop", "exited 5"],
  ])("--health-on-failure %s ends it", async (action, state) => {
    await detach(place, action, ENDS, [...FAILS, "--health-on-failure", action, "--restart", "no"]);
    await engine.ok(["wait", action]);
    expect(await inspect(place, action, "{{.State.Status}} {{.State.ExitCode}}")).toBe(state);
    expect(await healthOf(action)).toMatchObject({ Status: "unhealthy", FailingStreak: 2 });
  });

  test("--health-on-failure stop is an end that a policy respects, kill is not", async () => {
    const options = [...FAILS, "--restart", "always"];
    await detach(place, "policy-stop", ENDS, [...options, "--health-on-failure", "stop"]);
    await waitUntil(async () => (await inspect(place, "policy-stop", "{{.State.Status}}")) === "exited");
    expect(await inspect(place, "policy-stop", "{{.RestartCount}}")).toBe("0");
    await detach(place, "policy-kill", ENDS, [...options, "--health-on-failure", "kill"]);
    await waitUntil(async () => Number(await inspect(place, "policy-kill", "{{.RestartCount}}")) > 0);
    await engine.ok(["rm", "-f", "policy-kill"]);
  });

  test("--health-on-failure restart starts it again, from the beginning, until it is well or removed", async () => {
    const script = "test -e /tmp/again || { touch /tmp/again; exit 1; }";
    const options = [
      "--health-cmd",
      script,
      "--health-retries",
      "1",
      "--health-on-failure",
      "restart",
      ...OFTEN,
    ];
    await detach(place, "again", ENDS, options);
    await waitUntil(async () => (await inspect(place, "again", "{{.RestartCount}}")) === "1");
    await becomes("again", "healthy");
    await detach(place, "ever", ENDS, [...FAILS, "--health-on-failure", "restart"]);
    await waitUntil(async () => Number(await inspect(place, "ever", "{{.RestartCount}}")) > 0);
    await engine.ok(["rm", "-f", "ever"]);
  });

  test("a startup check comes first, and too many failures of it start the container again", async () => {
    const startup = ["--health-startup-cmd", "test -e /up", "--health-startup-interval", "20ms"];
    const regular = ["--health-cmd", "test -e /up && echo regular", ...OFTEN, "--health-retries", "1"];
    await detach(place, "startup", SLEEP, [...regular, ...startup, "--health-startup-success", "2"]);
    const before = await reaches("startup", ({ Log }) => Log.length === 5);
    expect(await check("startup")).toMatchObject({ stdout: "starting\n", exitCode: 1 });
    expect(before.Status).toBe("starting");
    expect(before.Log.some(({ Output }) => Output !== "")).toBe(false);
    await engine.ok(["exec", "startup", "touch", "/up"]);
    const { Log } = await becomes("startup", "healthy");
    expect(Log.at(-1)?.Output).toBe("regular\n");
    await detach(place, "startup-fails", ENDS, [...regular, ...startup, "--health-startup-retries", "3"]);
    await waitUntil(async () => Number(await inspect(place, "startup-fails", "{{.RestartCount}}")) > 0);
    await engine.ok(["rm", "-f", "startup-fails"]);
  });

  test("a paused container is not checked, and goes on being so afterwards", async () => {
    await detach(place, "paused", SLEEP, [
      "--health-cmd",
      "sleep 0.1; echo x >>/count; sleep 1000",
      "--health-timeout",
      "1h",
      ...OFTEN,
    ]);
    await waitUntil(
      async () => (await engine.proa(["exec", "paused", "test", "-e", "/count"])).exitCode === 0,
    );
    await engine.ok(["pause", "paused"]);
    const refused = await check("paused");
    expect(refused.stderr).toContain("it is paused");
    expect(refused.exitCode).toBe(125);
    await engine.ok(["unpause", "paused"]);
    await waitUntil(
      async () => (await engine.ok(["exec", "paused", "cat", "/count"])).split("\n").length >= 2,
    );
    expect((await healthOf("paused")).Log).toEqual([]); // what was cancelled counts for nothing
  });

  test("its end during a check is no failure, and what was found stays to be seen", async () => {
    const id = await detach(place, "ends", SLEEP, [
      "--health-cmd",
      "test -e /hang || exit 0; touch /hangs; sleep 1000",
      ...OFTEN,
    ]);
    await becomes("ends", "healthy");
    await engine.ok(["exec", "ends", "touch", "/hang"]);
    await waitUntil(async () => (await engine.proa(["exec", "ends", "test", "-e", "/hangs"])).exitCode === 0);
    await engine.ok(["kill", "ends"]);
    const { Status, FailingStreak, Log } = await healthOf("ends");
    expect([Status, FailingStreak]).toEqual(["healthy", 0]);
    expect(Log.every(({ ExitCode }) => ExitCode === 0)).toBe(true);
    rmSync(join(engine.sandbox.runtimeDir, "proa/containers", id, "health.json")); // as after a reboot
    expect(await healthOf("ends")).toEqual({ Status: "healthy", FailingStreak: 0, Log: [] });
    for (const [name, words] of [
      ["ends", "the container is not running"],
      ["nobody", "no such container"],
    ] as const) {
      const refused = await check(name);
      expect(refused.stderr).toStartWith(`Error: healthcheck: ${name}: ${words}\n`);
      expect(refused.exitCode).toBe(125); // 1 is a check that has failed
    }
    await engine.ok(["start", "ends"]);
    expect((await healthOf("ends")).Status).toMatch(/starting|healthy/);
  });

  test("kill -9 of the supervisor during a check leaves no process", async () => {
    const id = await detach(place, "killed", SLEEP, ["--health-cmd", "touch /hangs; sleep 1000", ...OFTEN]);
    await waitUntil(
      async () => (await engine.proa(["exec", "killed", "test", "-e", "/hangs"])).exitCode === 0,
    );
    const pid = Number(await inspect(place, "killed", "{{.State.Pid}}"));
    process.kill(supervisorOf(place, id), "SIGKILL");
    await waitUntil(() => !isAlive(pid));
    await engine.ok(["rm", "-f", "killed"]);
  });

  test("--health-max-log-count, --health-max-log-size and --health-log-destination", async () => {
    const directory = join(engine.sandbox.home, "health-logs");
    mkdirSync(directory);
    const id = await detach(place, "logs", SLEEP, [
      ...["--health-cmd", "echo 0123456789", "--health-max-log-count", "2", "--health-max-log-size", "4"],
      ...["--health-log-destination", directory, ...ASKED],
    ]);
    for (let i = 0; i < 3; i++) await check("logs");
    const health = await healthOf("logs");
    expect(health.Log.map(({ Output }) => Output)).toEqual(["0123...", "0123..."]);
    expect(JSON.parse(readFileSync(join(directory, `${id}-healthcheck.log`), "utf8"))).toEqual(health);
    await detach(place, "all", SLEEP, [
      ...[
        "--health-cmd",
        "echo told",
        "--health-max-log-count",
        "0",
        "--health-log-destination",
        "events_logger",
        ...ASKED,
      ],
    ]);
    for (let i = 0; i < 7; i++) await check("all");
    expect((await healthOf("all")).Log).toHaveLength(7);
    const told = readFileSync(join(engine.sandbox.dataHome, "proa/events.jsonl"), "utf8").match(
      /"health_log":"told\\n"/g,
    );
    expect(told).toHaveLength(7);
  });

  test("nothing is left of all these", () => removeAll(place));
});
