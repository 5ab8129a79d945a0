/** Programs and users that behave badly: deaf to signals, many-headed, loud, gone. */
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expectNothingLeft, pssKib, waitUntil } from "../../harness";
import { detach, inspect, isAlive, printed, run, shell, supervisorOf } from "../container/_shell";
import { missing, useAttacker } from "../security/_attack";

const MiB = 1 << 20;

describe.skipIf(missing !== null)(`a program${missing ? ` (${missing})` : ""}`, () => {
  const place = useAttacker();
  const { engine } = place;

  const processesIn = (pid: number): string[] =>
    readdirSync(`/proc/${pid}/root/proc`).filter((name) => /^\d+$/.test(name));

  test("that ignores every signal it can is killed when its time is over, by stop, restart and rm", async () => {
    const script = "trap '' TERM INT HUP QUIT USR1 USR2; echo deaf; while :; do sleep 1000; done";
    await detach(place, "deaf", ["sh", "-c", script]);
    await printed(place, "deaf", "deaf");
    for (const signal of ["TERM", "INT", "HUP", "USR1"]) await engine.ok(["kill", "-s", signal, "deaf"]);
    expect(await inspect(place, "deaf", "{{.State.Status}}")).toBe("running");
    await engine.ok(["stop", "-t", "1", "deaf"]);
    expect(await inspect(place, "deaf", "{{.State.Status}} {{.State.ExitCode}}")).toBe("exited 137");
    await engine.ok(["start", "deaf"]);
    await engine.ok(["restart", "-t", "0", "deaf"]);
    expect(await inspect(place, "deaf", "{{.State.Status}}")).toBe("running");
    await engine.ok(["rm", "-f", "deaf"]);
    await expectNothingLeft(engine);
  });

  // bounded: where the limit were not kept to, this many processes would sleep, and no more
  test("that forks without end is held by --ulimit nproc, is seen, and goes with one rm -f", async () => {
    const bomb =
      "i=0; while [ $i -lt 1500 ]; do sleep 1000 & i=$((i+1)); done 2>/dev/null; echo exhausted; wait";
    await detach(
      place,
      "bomb",
      ["sh", "-c", `while :; do (${bomb}) & sleep 1; done`],
      ["--ulimit", "nproc=60:60"],
    );
    const pid = Number(await inspect(place, "bomb", "{{.State.Pid}}"));
    await waitUntil(() => processesIn(pid).length >= 59, { what: "as many processes as are allowed" });
    expect(processesIn(pid).length).toBeLessThanOrEqual(61);
    expect(await engine.ok(["ps", "-q"])).not.toBe("");
    expect((await engine.ok(["top", "bomb"])).split("\n").length).toBeGreaterThan(50);
    expect((await engine.proa(["exec", "bomb", "true"])).exitCode).toBeGreaterThanOrEqual(0); // it may find no room: it must end
    expect(await shell(place, [], "echo fine")).toBe("fine"); // nobody else is held by it
    await engine.ok(["rm", "-f", "bomb"]);
    await waitUntil(() => !isAlive(pid));
    await expectNothingLeft(engine);
  });

  test("that leaves zombies has them taken away by --init", async () => {
    const command = ["sh", "-c", "attack flood 3000; echo done; exec sleep 1000"];
    await detach(place, "zombies", command, ["--init"]);
    await printed(place, "zombies", "done");
    await waitUntil(async () => !(await engine.ok(["exec", "zombies", "ps", "-o", "stat"])).includes("Z"));
    expect((await engine.ok(["top", "zombies"])).split("\n").length).toBeLessThan(6);
    await expectNothingLeft(engine);
  });

  test("that leaves zombies to a first process that does not reap still ends, and takes them with it", async () => {
    await detach(place, "unreaped", ["attack", "flood", "2000"]);
    expect(await engine.ok(["wait", "unreaped"])).toBe("0");
    await expectNothingLeft(engine);
  });

  test("that writes a gigabyte to a foreground that is slow costs the supervisor no memory, and loses nothing", async () => {
    const script = "head -c 1073741824 /dev/zero | tr '\\0' x";
    const child = engine.start([
      "run",
      "--name",
      "loud",
      "--log-driver",
      "none",
      place.tiny,
      "sh",
      "-c",
      script,
    ]);
    await waitUntil(async () => (await engine.proa(["ps", "-q"])).stdout !== "");
    await Bun.sleep(300); // nobody reads meanwhile
    const pss = pssKib(supervisorOf(place, await inspect(place, "loud", "{{.Id}}")));
    let bytes = 0;
    for await (const chunk of child.stdout) bytes += chunk.length;
    expect(bytes).toBe(1024 * MiB);
    expect(await child.exited).toBe(0);
    expect(pss).toBeLessThan(2048);
    await expectNothingLeft(engine);
  }, 120_000);

  test("that reads a gigabyte from stdin gets every byte and its end", async () => {
    const counted = Bun.spawn(
      [
        "sh",
        "-c",
        'head -c 1073741824 /dev/zero | "$@"',
        "sh",
        process.env["PROA"] ?? "dist/proa",
        "run",
        "--rm",
        "-i",
        place.tiny,
        "sh",
        "-c",
        "wc -c; echo over",
      ],
      {
        env: engine.sandbox.env,
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    expect(await new Response(counted.stdout).text()).toBe("1073741824\nover\n");
    expect(await counted.exited).toBe(0);
    await expectNothingLeft(engine);
  }, 120_000);

  test("whose log nobody reads, or reads and stops, goes on", async () => {
    const script =
      "i=0; while [ $i -lt 200000 ]; do echo line $i of a log that grows; i=$((i+1)); done; echo all; exec sleep 1000";
    await detach(place, "logged", ["sh", "-c", script]);
    const readers = [engine.start(["logs", "-f", "logged"]), engine.start(["logs", "-f", "logged"])];
    const reader = readers[0]?.stdout.getReader();
    await reader?.read(); // a first part, then no more
    await waitUntil(async () => (await engine.ok(["logs", "--tail", "1", "logged"])) === "all", {
      timeoutMs: 50_000,
    });
    for (const verb of [
      ["ps"],
      ["exec", "logged", "true"],
      ["stop", "-t", "0", "logged"],
      ["rm", "-f", "logged"],
    ])
      expect((await engine.proa(verb)).exitCode).toBe(0);
    for (const each of readers) each.kill("SIGKILL");
    await Promise.all(readers.map((each) => each.exited));
    await expectNothingLeft(engine);
  }, 120_000);

  test("to which a client is attached that reads nothing can be stopped and removed all the same", async () => {
    await detach(place, "watched", [
      "sh",
      "-c",
      "trap 'exit 4' TERM; while :; do echo more and more and more; done",
    ]);
    const client = engine.start(["attach", "--no-stdin", "watched"]);
    await client.stdout.getReader().read();
    await engine.ok(["stop", "-t", "1", "watched"]);
    expect(["4", "137"]).toContain(await inspect(place, "watched", "{{.State.ExitCode}}"));
    await engine.ok(["rm", "watched"]);
    client.kill("SIGKILL");
    await client.exited;
    await expectNothingLeft(engine);
  });

  describe("whose terminal disappears", () => {
    const ended = (name: string) =>
      waitUntil(async () => (await engine.ok(["ps", "-q", "--filter", `name=${name}`])) === "", {
        what: "the container's end",
      });

    test.each([
      ["a shell", ["sh"]],
      ["one that only sleeps", ["sleep", "1000"]],
      ["one that reads", ["cat"]],
      ["one that writes", ["sh", "-c", "while :; do echo x; sleep 0.01; done"]],
      ["a shell with a job", ["sh", "-c", "sleep 1000 & wait"]],
    ])("ends, as it would outside: %s", async (_what, command) => {
      for (const options of [[], ["--rm"], ["--init"]]) {
        const name = `closed-${crypto.randomUUID().slice(0, 8)}`;
        const pty = engine.pty([
          "run",
          "-it",
          "--name",
          name,
          ...options,
          place.tiny,
          "sh",
          "-c",
          'echo up; exec "$@"',
          "sh",
          ...command,
        ]);
        await pty.waitFor("up");
        pty.hangUp();
        await ended(name);
        await pty.exited;
        if (!options.includes("--rm")) await engine.ok(["rm", name]);
      }
      await expectNothingLeft(engine);
    });

    test("goes on where it says so (nohup), and its output is in the log", async () => {
      const script = "trap '' HUP; echo up; while :; do sleep 0.1; echo on; done";
      const pty = engine.pty(["run", "-it", "--name", "nohup", place.tiny, "sh", "-c", script]);
      await pty.waitFor("up");
      pty.hangUp();
      await pty.exited;
      expect(await inspect(place, "nohup", "{{.State.Status}}")).toMatch(/^(running|exited)$/); // its output fails: that may end it
      await expectNothingLeft(engine);
    });

    test("while it was only attached, or run by exec: the container goes on", async () => {
      await detach(place, "lasting", ["sh"], ["-it"]);
      const attached = engine.pty(["attach", "lasting"]);
      attached.write("echo he''re\n");
      await attached.waitFor("here");
      attached.hangUp();
      await attached.exited;
      const further = engine.pty(["exec", "-it", "lasting", "sh", "-c", "echo in$((1+1)); exec sleep 2000"]);
      await further.waitFor("in2");
      further.hangUp();
      await further.exited;
      await waitUntil(async () => !(await engine.ok(["top", "lasting"])).includes("sleep 2000"), {
        what: "the end of what exec ran",
      });
      expect(await inspect(place, "lasting", "{{.State.Status}}")).toBe("running");
      await expectNothingLeft(engine);
    });
  });

  test("whose foreground is killed on a terminal goes on, and can be attached to again", async () => {
    const pty = engine.pty(["run", "-it", "--name", "headless", place.tiny, "sh"]);
    pty.write("echo he''re\n");
    await pty.waitFor("here");
    pty.kill("SIGKILL");
    await pty.exited;
    expect(await inspect(place, "headless", "{{.State.Status}}")).toBe("running");
    const again = engine.pty(["attach", "headless"]);
    again.write("echo a''gain\n");
    await again.waitFor("again");
    again.write("exit 3\n");
    expect(await again.exited).toBe(3);
    await expectNothingLeft(engine);
  });

  test("ends with its supervisor when the run directory is removed: nothing lives on unseen", async () => {
    const id = await detach(place, "lost");
    const pid = Number(await inspect(place, id, "{{.State.Pid}}"));
    const supervisor = supervisorOf(place, id);
    Bun.spawnSync(["rm", "-rf", join(engine.sandbox.runtimeDir, "proa")]);
    await waitUntil(() => !isAlive(pid) && !isAlive(supervisor), {
      what: "the end of container and supervisor",
    });
    expect(await engine.ok(["ps", "-a", "--format", "{{.State}}"])).toBe("exited");
    await engine.ok(["start", "lost"]);
    await engine.ok(["rm", "-f", "lost"]);
    expect((await run(place, [], ["echo", "fine"])).stdout).toBe("fine\n");
    expect(readFileSync("/proc/self/mounts", "utf8")).not.toContain(engine.sandbox.directory);
    await expectNothingLeft(engine);
  });

  test("that waits for its next life is not started any more when the run directory is removed", async () => {
    const id = await detach(place, "waiting", ["false"], ["--restart", "always"]);
    await waitUntil(async () => Number(await inspect(place, id, "{{.RestartCount}}")) > 2);
    const supervisor = supervisorOf(place, id);
    Bun.spawnSync(["rm", "-rf", join(engine.sandbox.runtimeDir, "proa")]);
    await waitUntil(() => !isAlive(supervisor), { what: "the end of its supervisor" });
    expect(await engine.ok(["ps", "-a", "--format", "{{.State}}"])).toBe("exited");
    await expectNothingLeft(engine);
  });
});
