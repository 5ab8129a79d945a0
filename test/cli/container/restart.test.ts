/** Restart policies, --timeout, update --restart: containers that live more than once. */
import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing, proaPath, processesOf, pssKib, useTiny, waitUntil } from "../../harness";
import { attached, detach, inspect, isAlive, printed, removeAll, SLEEP, supervisorOf } from "./_shell";

describe.skipIf(missing !== null)("restart policies", () => {
  const place = useTiny();
  const { engine } = place;
  afterEach(() => removeAll(place));

  type Live = { status: string; pid: number; startedMs: number; restartCount: number; exitCode?: number };
  const live = (id: string): Live =>
    JSON.parse(readFileSync(join(engine.sandbox.runtimeDir, "proa/containers", id, "state.json"), "utf8"));
  const count = (name: string) => inspect(place, name, "{{.RestartCount}}").then(Number);
  const state = (name: string) => inspect(place, name, "{{.State.Status}} {{.State.ExitCode}}");
  const run = (command: string[], options: string[]) =>
    engine.proa(["run", ...options, place.tiny, ...command]);
  const restarted = (id: string, times = 1) =>
    waitUntil(
      () => {
        const now = live(id);
        return now.status === "running" && now.restartCount >= times ? now : null;
      },
      { what: `${times} restarts` },
    );
  const killFirst = (id: string) => process.kill(live(id).pid, "SIGKILL");
  const actions = (name: string): string[] =>
    readFileSync(join(engine.sandbox.dataHome, "proa/events.jsonl"), "utf8")
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line))
      .filter(({ Actor }) => Actor.Attributes.name === name)
      .map(({ Action }) => Action);

  test("on-failure:N starts it N times more, and its last end counts", async () => {
    const id = await detach(place, "job", ["sh", "-c", "echo one; exit 3"], ["--restart", "on-failure:2"]);
    await waitUntil(async () => (await state("job")) === "exited 3");
    expect(await engine.ok(["logs", "job"])).toBe("one\none\none");
    expect(await count("job")).toBe(2);
    expect(await inspect(place, "job", "{{json .HostConfig.RestartPolicy}}")).toBe(
      '{"Name":"on-failure","MaximumRetryCount":2}',
    );
    expect(actions("job")).toEqual(["create", "start", "die", "start", "die", "start", "die"]);
    expect(existsSync(join(engine.sandbox.runtimeDir, "proa/containers", id, "state.json"))).toBe(false);
  });

  test("on-failure is content with success", async () => {
    await detach(place, "job", ["sh", "-c", "exit 0"], ["--restart", "on-failure"]);
    expect(await engine.ok(["wait", "job"])).toBe("0");
    await waitUntil(async () => (await state("job")) === "exited 0");
    expect(await count("job")).toBe(0);
  });

  for (const policy of ["always", "unless-stopped"]) {
    test(`${policy} starts it again, whatever its end, in the same files and with the same log`, async () => {
      const script = "echo run >> /runs; wc -l < /runs; test $(wc -l < /runs) -ge 3 && exec sleep 1000";
      const id = await detach(place, "web", ["sh", "-c", script], ["--restart", policy]);
      await restarted(id, 2);
      await printed(place, "web", "3");
      expect(await engine.ok(["logs", "web"])).toBe("1\n2\n3");
      expect(await state("web")).toBe("running 0");
      expect(await count("web")).toBe(2);
    });
  }

  test("a killed first process comes back; between the lives ps and inspect say restarting", async () => {
    const id = await detach(place, "web", ["sh", "-c", "exit 7"], ["--restart", "always"]);
    // by now the pauses are long enough to look at one
    await waitUntil(() => live(id).restartCount >= 4 && live(id).status === "restarting");
    expect(await engine.ok(["ps", "--format", "{{.State}} {{.Status}}"])).toMatch(
      /^restarting Restarting \(7\) .* ago$/,
    );
    expect(await engine.ok(["ps", "-q", "--no-trunc", "--filter", "status=restarting"])).toBe(id);
    const told = JSON.parse(await inspect(place, "web", "{{json .State}}"));
    expect(told).toMatchObject({
      Status: "restarting",
      Running: true,
      Restarting: true,
      Pid: 0,
      ExitCode: 7,
    });
    const attach = await engine.proa(["attach", "web"]);
    expect(attach).toMatchObject({ stdout: "", exitCode: 1 });
    expect(attach.stderr).toContain("the container is restarting");
    expect(Date.parse(told.FinishedAt)).toBeGreaterThan(Date.parse(told.StartedAt) - 1);
  });

  test("each pause is twice the one before", async () => {
    await detach(place, "web", ["sh", "-c", "exit 1"], ["--restart", "on-failure:4"]);
    await waitUntil(async () => (await state("web")) === "exited 1");
    const lines = readFileSync(join(engine.sandbox.dataHome, "proa/events.jsonl"), "utf8")
      .split("\n")
      .filter((line) => line.includes('"name":"web"'))
      .map((line) => JSON.parse(line));
    const pauses: number[] = [];
    for (let i = 0; i + 1 < lines.length; i++) {
      if (lines[i].Action === "die") pauses.push((lines[i + 1].timeNano - lines[i].timeNano) / 1e6);
    }
    const least = pauses.slice(-4);
    expect(least.length).toBe(4);
    for (const [i, pause] of least.entries()) expect(pause).toBeGreaterThanOrEqual(100 * 2 ** i - 1);
  });

  test("a foreground run ends with its own life, and wait with each", async () => {
    const result = await run(["sh", "-c", "echo out; exit 6"], ["--name", "job", "--restart", "always"]);
    expect(result).toMatchObject({ stdout: "out\n", exitCode: 6 });
    expect(await engine.ok(["wait", "job"])).toBe("6");
    expect(await count("job")).toBeGreaterThanOrEqual(1);
  });

  test("stop, kill and rm -f end it for good, also between two lives", async () => {
    const ids = await Promise.all(
      ["stopped", "killed", "removed"].map((name) =>
        detach(place, name, ["sh", "-c", "exit 2"], ["--restart", "always"]),
      ),
    );
    for (const id of ids)
      await waitUntil(() => live(id).restartCount >= 3 && live(id).status === "restarting");
    expect(await engine.ok(["stop", "stopped"])).toBe("stopped");
    expect(await engine.ok(["kill", "killed"])).toBe("killed");
    expect(await engine.ok(["rm", "-f", "removed"])).toBe("removed");
    expect(await engine.ok(["ps", "-q"])).toBe("");
    for (const name of ["stopped", "killed"]) expect(await state(name)).toBe("exited 2");
  });

  test("stop of one that runs is no failure of it, and start begins to count anew", async () => {
    const id = await detach(place, "web", SLEEP, ["--restart", "always"]);
    killFirst(id);
    await restarted(id);
    await engine.ok(["stop", "-t", "0", "web"]);
    expect(await state("web")).toBe("exited 137");
    expect(await count("web")).toBe(1);
    await engine.ok(["start", "web"]);
    expect(await count("web")).toBe(0);
    killFirst(id);
    await restarted(id);
  });

  test("a signal that does not mean an end leaves the policy alone", async () => {
    const script = "trap 'exit 9' HUP; echo ready; while :; do sleep 0.02; done";
    const id = await detach(place, "web", ["sh", "-c", script], ["--restart", "always"]);
    await printed(place, "web", "ready");
    await engine.ok(["kill", "-s", "HUP", "web"]);
    await restarted(id);
    await engine.ok(["kill", "-s", "TERM", "web"]); // nobody listens for it: it is heard, and the policy is gone
    await engine.ok(["kill", "-s", "HUP", "web"]);
    await waitUntil(async () => (await state("web")) === "exited 9");
  });

  test("restart of one with a policy starts it once, with its policy", async () => {
    const id = await detach(place, "web", SLEEP, ["--restart", "unless-stopped"]);
    await engine.ok(["restart", "-t", "0", "web"]);
    expect(await state("web")).toBe("running 0");
    killFirst(id);
    await restarted(id);
  });

  test("restart of a --rm container is another life of the same one, and its end still removes it", async () => {
    const script = "echo run >> /runs; echo $(wc -l < /runs); exec sleep 1000";
    const id = await detach(place, "web", ["sh", "-c", script], ["--rm", "--init"]);
    await printed(place, "web", "1");
    expect(await engine.ok(["restart", "web"])).toBe("web");
    await printed(place, "web", "2");
    expect(live(id)).toMatchObject({ status: "running", restartCount: 0 });
    expect(await engine.ok(["restart", "-t", "0", "web"])).toBe("web");
    await printed(place, "web", "3");
    await engine.ok(["kill", "web"]);
    await waitUntil(async () => (await engine.ok(["ps", "-aq"])) === "");
    await engine.assertNothingLeft();
  });

  test("descriptors that were handed to the first life are not mistaken for others in the next", async () => {
    const given = join(engine.sandbox.home, "given");
    writeFileSync(given, "given");
    const script = "for fd in /proc/self/fd/*; do readlink $fd; done; echo end; exit 1";
    const command = `exec "$@" 3< ${given} 4< ${given} 5< ${given} 6< ${given} 7< ${given} 8< ${given}`;
    const words = ["run", "-d", "--name", "job", "--preserve-fds=6", "--restart=on-failure:1", place.tiny];
    const child = Bun.spawnSync(["sh", "-c", command, "sh", proaPath, ...words, "sh", "-c", script], {
      env: engine.sandbox.env,
    });
    expect(child.stderr.toString()).toBe("");
    await waitUntil(async () => (await state("job")) === "exited 1");
    const [first = "", second = ""] = (await engine.ok(["logs", "job"])).split("end\n");
    expect(first.split("\n").filter((line) => line === given)).toHaveLength(6);
    const others = second
      .split("\n")
      .filter((line) => !/^(pipe:.*|\/dev\/null|\/proc\/\d+\/fd|end|)$/.test(line));
    expect(others).toEqual([]);
  });

  test("what listens to one life is not there in the next, and who asks for the pid gets the new one", async () => {
    const id = await detach(place, "web", SLEEP, ["--restart", "always"]);
    const client = engine.start(["attach", "web"]);
    await attached(place);
    const before = live(id).pid;
    killFirst(id);
    expect(await client.exited).toBe(137);
    const now = await restarted(id);
    expect(isAlive(before)).toBe(false);
    expect(Number(await inspect(place, "web", "{{.State.Pid}}"))).toBe(now.pid);
    expect(await engine.ok(["exec", "web", "cat", "/proc/1/comm"])).toBe("sleep");
  });

  test("published ports and addresses stay from life to life", async () => {
    const options = ["--restart", "always", "-p", "127.0.0.1::8080"];
    const id = await detach(place, "web", SLEEP, options);
    const port = await engine.ok(["port", "web"]);
    const address = await engine.ok(["exec", "web", "ip", "-o", "-4", "addr", "show", "eth0"]);
    killFirst(id);
    await restarted(id);
    expect(await engine.ok(["port", "web"])).toBe(port);
    expect(await engine.ok(["exec", "web", "ip", "-o", "-4", "addr", "show", "eth0"])).toBe(address);
  });

  test("network connect between two lives counts for the next", async () => {
    await engine.ok(["network", "create", "back"]);
    const script = "ip -o -4 addr show eth1 && exec sleep 1000; exit 1";
    const id = await detach(place, "web", ["sh", "-c", script], ["--restart", "always"]);
    await waitUntil(() => live(id).restartCount >= 3 && live(id).status === "restarting");
    await engine.ok(["network", "connect", "back", "web"]);
    await printed(place, "web", "eth1");
    await engine.ok(["rm", "-f", "web"]);
    await engine.ok(["network", "rm", "back"]);
  });

  test("a supervisor that is killed starts nothing, and nothing is invented", async () => {
    const id = await detach(place, "web", SLEEP, ["--restart", "always"]);
    killFirst(id);
    const { pid } = await restarted(id);
    process.kill(supervisorOf(place, id), "SIGKILL");
    await waitUntil(() => !isAlive(pid));
    expect(await engine.ok(["ps", "-a", "--format", "{{.Status}}"])).toStartWith("Exited (unknown) ");
    await engine.ok(["rm", "web"]);
    await engine.assertNothingLeft();
  });

  test("a supervisor that is killed between two lives leaves an unknown end, too", async () => {
    const id = await detach(place, "web", ["sh", "-c", "exit 1"], ["--restart", "always"]);
    await waitUntil(() => live(id).restartCount >= 3 && live(id).status === "restarting");
    process.kill(supervisorOf(place, id), "SIGKILL");
    await waitUntil(async () => (await engine.ok(["ps", "-q"])) === "");
    expect(await engine.ok(["ps", "-a", "--format", "{{.Status}}"])).toStartWith("Exited (unknown) ");
    await engine.ok(["start", "web"]);
    await waitUntil(() => live(id).restartCount >= 1);
  });

  test("TERM to the supervisor ends the container and is followed by no other life; the next boot has one", async () => {
    const running = await detach(place, "running", SLEEP, ["--restart", "unless-stopped", "--init"]);
    const waiting = await detach(place, "waiting", ["sh", "-c", "exit 1"], ["--restart", "always"]);
    await waitUntil(() => live(waiting).restartCount >= 3 && live(waiting).status === "restarting");
    for (const id of [running, waiting]) process.kill(supervisorOf(place, id), "SIGTERM");
    await waitUntil(async () => (await engine.ok(["ps", "-q"])) === "");
    expect(await state("running")).toBe("exited 143");
    expect(await state("waiting")).toBe("exited 1");
    expect((await engine.ok(["system", "boot"])).split("\n").sort()).toEqual(["running", "waiting"]);
    expect(await state("running")).toBe("running 0");
  });

  test("a restart that fails is tried again", async () => {
    const source = join(engine.sandbox.home, "source");
    writeFileSync(source, "");
    const id = await detach(
      place,
      "web",
      ["sh", "-c", "echo ready; sleep 0.3; exit 1"],
      ["--restart", "always", "-v", `${source}:/source`],
    );
    await printed(place, "web", "ready");
    rmSync(source);
    await waitUntil(() => live(id).exitCode === 125, { what: "a start that failed" });
    writeFileSync(source, "");
    const failed = live(id).restartCount;
    await restarted(id, failed + 1);
  });

  test("a container that has become removable cannot have a policy, nor the other way round", async () => {
    const both = await run(["true"], ["--rm", "--restart", "always"]);
    expect(both.exitCode).toBe(125);
    expect(both.stderr).toContain("--restart, --rm");
    await detach(place, "web", SLEEP, ["--rm"]);
    const updated = await engine.proa(["update", "--restart", "always", "web"]);
    expect(updated).toMatchObject({ exitCode: 1, stdout: "" });
    expect(updated.stderr).toContain("it removes itself");
  });

  for (const wrong of ["sometimes", "always:3", "on-failure:x", "on-failure:-1", ":3", "no:1"]) {
    test(`--restart ${wrong} is refused`, async () => {
      const result = await run(["true"], ["--restart", wrong]);
      expect(result.stderr).toStartWith(`Error: restart policy: ${wrong}: `);
      expect(result.exitCode).toBe(125);
    });
  }

  test("an idle supervisor of a container with a policy stays below 300 KiB, after some lives too", async () => {
    const id = await detach(place, "web", SLEEP, ["--restart", "always"]);
    killFirst(id);
    await restarted(id);
    await waitUntil(() => pssKib(supervisorOf(place, id)) < 300, { what: "little memory" });
  });

  describe("update", () => {
    test("--restart gives a running container a policy, and takes it away", async () => {
      const id = await detach(place, "web");
      expect(await engine.ok(["update", "--restart", "always", "web"])).toBe("web");
      killFirst(id);
      await restarted(id);
      expect(await inspect(place, "web", "{{.HostConfig.RestartPolicy.Name}}")).toBe("always");
      expect(await engine.ok(["container", "update", "--restart=no", "web"])).toBe("web");
      killFirst(id);
      await waitUntil(async () => (await state("web")) === "exited 137");
    });

    test("--restart no ends one that waits for its next life", async () => {
      const id = await detach(place, "web", ["sh", "-c", "exit 1"], ["--restart", "always"]);
      await waitUntil(() => live(id).restartCount >= 3 && live(id).status === "restarting");
      await engine.ok(["update", "--restart", "no", "web"]);
      await waitUntil(async () => (await state("web")) === "exited 1");
    });

    test("of one that does not run counts from its next start on", async () => {
      const id = await engine.ok(["create", "--name", "web", place.tiny, ...SLEEP]);
      await engine.ok(["update", "--restart", "on-failure:3", "web"]);
      await engine.ok(["start", "web"]);
      killFirst(id);
      await restarted(id);
    });

    test("what cannot be is refused, and nothing is changed", async () => {
      await engine.ok(["create", "--name", "web", place.tiny, ...SLEEP]);
      const wrong = await engine.proa(["update", "--cpus", "many", "--restart", "always", "web"]);
      expect(wrong.stderr).toStartWith("Error: cpus: many: expected a number such as 1.5");
      const little = await engine.proa(["update", "-m", "5m", "--restart", "always", "web"]);
      expect(little.stderr).toStartWith("Error: memory: 5242880: Minimum memory limit allowed is 6MB");
      expect(await inspect(place, "web", "{{.HostConfig.RestartPolicy.Name}}")).toBe("no");
    });

    test("of several does those that are there, and prints each", async () => {
      await detach(place, "web");
      const result = await engine.proa(["update", "--restart", "always", "web", "nothing"]);
      expect(result).toMatchObject({ stdout: "web\n", exitCode: 1 });
      expect(result.stderr).toStartWith("Error: update: nothing: no such container");
      expect((await engine.proa(["update", "web"])).exitCode).toBe(125);
      expect((await engine.proa(["update", "--restart", "maybe", "web"])).exitCode).not.toBe(0);
    });
  });

  describe("--timeout", () => {
    test("asks it to end when its time is over: 255", async () => {
      const script = "trap 'echo asked; exit 0' TERM; while :; do sleep 0.02; done";
      const result = await run(["sh", "-c", script], ["--timeout", "1", "--name", "job"]);
      expect(result).toMatchObject({ stdout: "asked\n", exitCode: 255 });
      expect(await state("job")).toBe("exited 255");
      expect(await inspect(place, "job", "{{.Config.Timeout}}")).toBe("1");
    });

    test("kills what does not listen, and is of no account for what ends before", async () => {
      expect((await run(SLEEP, ["--timeout", "1"])).exitCode).toBe(255);
      expect((await run(["sh", "-c", "exit 4"], ["--timeout", "100"])).exitCode).toBe(4);
      expect((await run(["true"], ["--timeout", "-1"])).exitCode).toBe(125);
    });

    test("is each life's", async () => {
      const id = await detach(place, "web", SLEEP, ["--timeout", "1", "--restart", "always", "--init"]);
      await restarted(id, 2);
    });
  });

  test("nothing is left of all this", async () => {
    await engine.assertNothingLeft();
    expect(processesOf(engine.sandbox)).toEqual([]);
  });
});
