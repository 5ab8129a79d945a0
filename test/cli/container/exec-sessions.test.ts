/** `proa exec`: what is recorded of it, and the rarer options. */
import { beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing, proaPath, useTiny, waitUntil } from "../../harness";
import { detach, inspect, isAlive, removeAll, SLEEP } from "./_shell";

type Session = {
  ID: string;
  ContainerID: string;
  Running: boolean;
  ExitCode: number | null;
  Pid: number;
  OpenStdin: boolean;
  ProcessConfig: object;
};

describe.skipIf(missing !== null)("exec sessions", () => {
  const place = useTiny();
  const { engine } = place;
  let id = "";
  const directory = () => join(engine.sandbox.runtimeDir, "proa/containers", id, "exec");
  const sessions = (): Session[] =>
    existsSync(directory())
      ? readdirSync(directory())
          .filter((name) => name.endsWith(".json")) // not one that is being written
          .map((name) => JSON.parse(readFileSync(join(directory(), name), "utf8")))
      : [];
  const shown = async (): Promise<string[] | null> =>
    JSON.parse(await inspect(place, "web", "{{json .ExecIDs}}"));
  const events = (): { Action: string; Actor: { ID: string; Attributes: Record<string, string> } }[] =>
    readFileSync(join(engine.sandbox.dataHome, "proa/events.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
      .filter(({ Action }) => Action.startsWith("exec_"));

  beforeAll(async () => {
    if (missing === null)
      id = await detach(place, "web", SLEEP, ["--cap-drop", "CHOWN", "--security-opt", "no-new-privileges"]);
  });

  test("one that runs is listed by inspect, with who it is; ended, it is known by its status", async () => {
    expect(await shown()).toBeNull();
    await engine.ok([
      "exec",
      "-d",
      "-u",
      "app",
      "web",
      "sh",
      "-c",
      "while ! test -e /tmp/go; do sleep 0.02; done; exit 9",
    ]);
    const [session] = sessions();
    expect(session).toMatchObject({
      ContainerID: id,
      Running: true,
      ExitCode: null,
      OpenStdin: false,
      ProcessConfig: { entrypoint: "sh", privileged: false, tty: false, user: "app" },
    });
    expect(isAlive(session?.Pid ?? 0)).toBe(true);
    expect(await shown()).toEqual([session?.ID ?? ""]);
    await engine.ok(["exec", "web", "touch", "/tmp/go"]);
    await waitUntil(() => sessions().find(({ ID }) => ID === session?.ID)?.Running === false);
    expect(sessions().find(({ ID }) => ID === session?.ID)?.ExitCode).toBe(9);
    expect(await shown()).toBeNull();
  });

  test("tells of its creation, its start and its end", async () => {
    const before = events().length;
    expect((await engine.proa(["exec", "web", "sh", "-c", "exit 4"])).exitCode).toBe(4);
    const told = events().slice(before);
    expect(told.map(({ Action }) => Action)).toEqual([
      "exec_create: sh -c exit 4",
      "exec_start: sh -c exit 4",
      "exec_die",
    ]);
    for (const { Actor } of told) {
      expect(Actor.ID).toBe(id);
      expect(Actor.Attributes).toMatchObject({ name: "web", image: place.tiny });
      expect(Actor.Attributes["execID"]).toMatch(/^[0-9a-f]{64}$/);
    }
    expect(told[2]?.Actor.Attributes["exitCode"]).toBe("4");
  });

  test("--no-session records nothing", async () => {
    const before = sessions().length;
    await engine.ok(["exec", "--no-session", "web", "true"]);
    expect(sessions()).toHaveLength(before);
  });

  test("one whose process was killed behind our back is not shown as running", async () => {
    await engine.ok(["exec", "-d", "web", "sleep", "1234"]);
    const session = sessions().find(({ Running }) => Running);
    const relay = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${session?.Pid}/status`, "utf8"))?.[1]);
    process.kill(relay, "SIGKILL"); // who would have written its end
    process.kill(session?.Pid ?? 0, "SIGKILL");
    await waitUntil(async () => (await shown()) === null);
  });

  test("the detach keys leave a command with a terminal running, and its session too", async () => {
    const pty = engine.pty([
      "exec",
      "-it",
      "--detach-keys",
      "ctrl-a,d",
      "web",
      "sh",
      "-c",
      "echo rea''dy; exec sleep 4711",
    ]);
    await pty.waitFor("ready");
    const before = (await shown())?.[0] ?? "";
    expect(sessions().find(({ ID }) => ID === before)).toMatchObject({
      DetachKeys: "ctrl-a,d",
      ProcessConfig: { tty: true, entrypoint: "sh" },
    });
    pty.write("\x01d");
    expect(await pty.exited).toBe(0);
    expect(await shown()).toEqual([before]);
    await engine.ok(["exec", "web", "pidof", "sleep"]);
    process.kill(sessions().find(({ ID }) => ID === before)?.Pid ?? 0, "SIGKILL");
    await waitUntil(() => sessions().find(({ ID }) => ID === before)?.ExitCode === 137);
  });

  test("--privileged gives every capability, and takes no_new_privs away", async () => {
    const script = "grep -E '^(CapEff|NoNewPrivs)' /proc/self/status";
    expect(await engine.ok(["exec", "web", "sh", "-c", script])).toEndWith("NoNewPrivs:\t1");
    const status = await engine.ok(["exec", "--privileged", "web", "sh", "-c", script]);
    expect(status).toEndWith("NoNewPrivs:\t0");
    const last = Number(readFileSync("/proc/sys/kernel/cap_last_cap", "utf8"));
    const all = ((1n << BigInt(last + 1)) - 1n).toString(16);
    expect(status).toContain(`CapEff:\t${all.padStart(16, "0")}`);
  });

  test("--latest and --cidfile take the place of the name", async () => {
    const file = join(engine.sandbox.home, "cid");
    await engine.ok(["run", "-d", "--name", "newest", "--cidfile", file, place.tiny, ...SLEEP]);
    const short = (await inspect(place, "newest", "{{.Id}}")).slice(0, 12);
    expect(await engine.ok(["exec", "--latest", "hostname"])).toBe(short);
    expect(await engine.ok(["exec", "--cidfile", file, "sh", "-c", "hostname; exit 0"])).toBe(short);
    const refused = await engine.proa(["exec", "--latest"]);
    expect(refused.stderr).toStartWith('Error: "proa exec" requires at least 1 argument: no COMMAND given\n');
    expect(refused.exitCode).toBe(125);
    await engine.ok(["rm", "-f", "newest"]);
  });

  test("--preserve-fds passes open files on, and no other", async () => {
    const script = `exec 3<<<three 4<<<four 5<<<five; ${proaPath} exec --preserve-fds 2 web sh -c 'cat <&3; cat <&4; ls /proc/$$/fd; :'`;
    const { env, home } = engine.sandbox;
    const shell = Bun.spawnSync(["bash", "-c", script], { env: { ...env }, cwd: home });
    expect(shell.stderr.toString()).toBe("");
    expect(shell.stdout.toString()).toBe("three\nfour\n0\n1\n2\n3\n4\n");
    const refused = await engine.proa(["exec", "--preserve-fds", "1", "web", "true"]);
    expect(refused.stderr).toContain("preserve descriptor: 3: it is not open");
  });

  test("fifty at once into one container all run, and nothing of them runs on", async () => {
    const all = await Promise.all(
      Array.from({ length: 50 }, (_, i) => engine.proa(["exec", "web", "sh", "-c", `echo ${i}; exit ${i}`])),
    );
    expect(all.map(({ stdout, stderr, exitCode }) => [stdout, stderr, exitCode])).toEqual(
      Array.from({ length: 50 }, (_, i) => [`${i}\n`, "", i]),
    );
    expect(await shown()).toBeNull();
    expect(sessions().filter(({ Running, Pid }) => Running && isAlive(Pid))).toEqual([]);
  });

  test("the records of sessions that have ended do not pile up", async () => {
    const made = (first: string, session: object, ageSeconds: number): string => {
      const path = join(directory(), `${first.padEnd(64, "0")}.json`);
      writeFileSync(path, JSON.stringify(session));
      const time = Date.now() / 1000 - ageSeconds;
      utimesSync(path, time, time);
      return path;
    };
    const old = made("a1", { Running: false, Pid: 1 }, 600);
    const recent = made("a2", { Running: false, Pid: 1 }, 10);
    const running = made("a3", { Running: true, Pid: process.pid }, 600);
    const orphan = made("a4", { Running: true, Pid: 2 ** 30 }, 600);
    await engine.ok(["exec", "web", "true"]);
    await waitUntil(() => !existsSync(old) && !existsSync(orphan));
    expect([recent, running].map((path) => existsSync(path))).toEqual([true, true]);
    for (let i = 0; i < 300; i++) made(`b${i}b`, { Running: false, Pid: 1 }, 1);
    await engine.ok(["exec", "web", "true"]);
    await waitUntil(() => readdirSync(directory()).length <= 256);
    expect(existsSync(running)).toBe(true);
    rmSync(running);
  });

  test("a gigabyte goes in, to its last byte", async () => {
    const script = `head -c 1073741825 /dev/zero | ${proaPath} exec -i web wc -c`;
    const child = Bun.spawn(["bash", "-c", script], { env: { ...engine.sandbox.env }, stdout: "pipe" });
    expect(await new Response(child.stdout).text()).toBe("1073741825\n");
    expect(await child.exited).toBe(0);
  }, 120_000);

  test("the records go with the life of the container", async () => {
    await engine.ok(["exec", "-d", "web", "sleep", "1000"]);
    expect(sessions().length).toBeGreaterThan(0);
    await engine.ok(["kill", "web"]);
    expect(await shown()).toBeNull();
    await engine.ok(["start", "web"]);
    expect(sessions()).toEqual([]);
  });

  test("nothing is left of all these", () => removeAll(place));
});
