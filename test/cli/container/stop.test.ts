/** Ends and starts: stop, kill, start, wait, rm, and supervisors that were killed. */
import { afterEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { missing, proaPath, processesOf, useTiny, waitUntil } from "../../harness";
import { connected, detach, inspect, isAlive, printed, removeAll, run, SLEEP, supervisorOf } from "./_shell";

/** How many processes of this machine have this command line. */
function processesCalled(command: string): number {
  return readdirSync("/proc").filter((name) => {
    try {
      return (
        /^\d+$/.test(name) &&
        readFileSync(`/proc/${name}/cmdline`, "utf8") === `${command.replaceAll(" ", "\0")}\0`
      );
    } catch {
      return false; // it has just ended
    }
  }).length;
}

/** Whether a process of ours has this file open. */
function isOpenSomewhere(path: string): boolean {
  return readdirSync("/proc").some((pid) => {
    try {
      const fds = join("/proc", pid, "fd");
      return readdirSync(fds).some((fd) => readlinkSync(join(fds, fd)) === path);
    } catch {
      return false; // no process, another user's, or ended meanwhile
    }
  });
}

describe.skipIf(missing !== null)("the end of a container", () => {
  const place = useTiny();
  const { engine } = place;
  afterEach(() => removeAll(place));

  const status = (name: string) => inspect(place, name, "{{.State.Status}} {{.State.ExitCode}}");
  /** Ends with CODE on SIGNAL, and says when it can. */
  const polite = (signal: string, code: number) => [
    "sh",
    "-c",
    `trap 'echo asked; exit ${code}' ${signal}; echo ready; while :; do sleep 0.02; done`,
  ];

  test("stop asks with TERM, and the program's own status counts", async () => {
    await detach(place, "web", polite("TERM", 5));
    await printed(place, "web", "ready");
    expect(await engine.ok(["stop", "web"])).toBe("web");
    expect(await status("web")).toBe("exited 5");
    expect(await engine.ok(["logs", "web"])).toBe("ready\nasked");
  });

  test("stop kills what does not end in time: 137", async () => {
    await detach(place, "web");
    const began = performance.now();
    await engine.ok(["stop", "-t", "1", "web"]);
    expect(performance.now() - began).toBeGreaterThanOrEqual(1000);
    expect(await status("web")).toBe("exited 137");
  });

  test("stop -s, the container's --stop-signal and --stop-timeout are kept to", async () => {
    await detach(place, "own", polite("USR1", 6), ["--stop-signal", "SIGUSR1"]);
    await detach(place, "asked", polite("HUP", 7));
    await detach(place, "deaf", SLEEP, ["--stop-timeout", "0"]);
    for (const name of ["own", "asked"]) await printed(place, name, "ready");
    await engine.ok(["stop", "own", "deaf"]);
    await engine.ok(["stop", "-s", "hup", "asked"]);
    expect(await status("own")).toBe("exited 6");
    expect(await status("asked")).toBe("exited 7");
    expect(await status("deaf")).toBe("exited 137");
  });

  test("stop of several waits for all at once, and prints each", async () => {
    const names = ["one", "two", "three", "four", "five", "six"];
    await Promise.all(names.map((name) => detach(place, name)));
    const began = performance.now();
    expect(await engine.ok(["stop", "-t", "1", ...names])).toBe(names.join("\n"));
    expect(performance.now() - began).toBeLessThan(5500); // one after the other: six seconds at least
    for (const name of names) expect(await status(name)).toBe("exited 137");
  });

  test("stop of what has ended changes nothing, of what is not there is an error, and the others are stopped", async () => {
    await detach(place, "ended", ["sh", "-c", "exit 4"]);
    await detach(place, "runs");
    await engine.ok(["wait", "ended"]);
    const result = await engine.proa(["stop", "-t", "0", "ended", "nothing", "runs"]);
    expect(result.stdout).toBe("ended\nruns\n");
    expect(result.stderr).toStartWith("Error: stop: nothing: no such container\n");
    expect(result.exitCode).toBe(1);
    expect(await status("ended")).toBe("exited 4");
    expect(await status("runs")).toBe("exited 137");
  });

  test("stop of a --rm container removes it", async () => {
    await detach(place, "gone", SLEEP, ["--rm"]);
    await engine.ok(["stop", "-t", "0", "gone"]);
    expect(await engine.ok(["ps", "-aq"])).toBe("");
    await engine.assertNothingLeft();
  });

  test("create --rm and start: its end removes it", async () => {
    await engine.ok(["create", "--rm", "--name", "once", place.tiny, "echo", "hi"]);
    expect(await engine.ok(["start", "-a", "once"])).toBe("hi");
    expect(await engine.ok(["ps", "-aq"])).toBe("");
    await engine.assertNothingLeft();
  });

  test("kill sends any signal by any name, and KILL without one", async () => {
    await detach(place, "web", [
      "sh",
      "-c",
      'for s in HUP INT USR1 WINCH; do trap "echo $s" $s; done; echo ready; while :; do sleep 0.02; done',
    ]);
    await printed(place, "web", "ready");
    for (const [signal, name] of [
      ["HUP", "HUP"],
      ["SIGINT", "INT"],
      ["10", "USR1"],
      ["sigwinch", "WINCH"],
    ] as const) {
      expect(await engine.ok(["kill", "-s", signal, "web"])).toBe("web");
      await printed(place, "web", name);
    }
    await engine.ok(["kill", "web"]);
    expect(await status("web")).toBe("exited 137");
    const again = await engine.proa(["kill", "web"]);
    expect(again.stderr).toStartWith("Error: kill: web: the container is not running\n");
    expect(again.exitCode).toBe(1);
    expect((await engine.proa(["kill", "-s", "NOSUCH", "web"])).stderr).toStartWith(
      "Error: signal: NOSUCH: no such signal\n",
    );
  });

  test("wait prints the status of each, of one that has ended too, of --rm ones, and of several waiters", async () => {
    await detach(place, "ended", ["sh", "-c", "exit 4"]);
    await engine.ok(["wait", "ended"]);
    await detach(place, "web", polite("TERM", 5), ["--rm"]);
    await printed(place, "web", "ready");
    const waiters = [engine.start(["wait", "web"]), engine.start(["wait", "ended", "web"])];
    await connected(waiters.map(({ pid }) => pid));
    await engine.ok(["stop", "web"]);
    expect(await Promise.all(waiters.map((waiter) => waiter.stdout.text()))).toEqual(["5\n", "4\n5\n"]);
    expect(await Promise.all(waiters.map((waiter) => waiter.exited))).toEqual([0, 0]);
  });

  test("start keeps the writable layer and the log, and forgets the last end", async () => {
    await detach(place, "web", ["sh", "-c", "cat /kept; echo kept >>/kept; exit 3"]);
    await engine.ok(["wait", "web"]);
    expect(await engine.ok(["start", "web"])).toBe("web");
    await engine.ok(["wait", "web"]);
    const result = await engine.proa(["start", "-a", "web"]);
    expect(result).toMatchObject({ stdout: "kept\nkept\n", exitCode: 3 });
    expect((await engine.proa(["logs", "web"])).stdout).toBe("kept\nkept\nkept\n");
  });

  test("start -a passes output and status, start -ai stdin too", async () => {
    await engine.ok(["create", "-i", "--name", "web", place.tiny, "sh", "-c", "cat; echo err >&2; exit 7"]);
    expect(await engine.proa(["start", "-ai", "web"], { stdin: "in" })).toMatchObject({
      stdout: "in",
      stderr: "err\n",
      exitCode: 7,
    });
    const both = await engine.proa(["start", "-a", "web", "web"]);
    expect(both.stderr).toContain("you cannot start and attach multiple containers at once");
  });

  test("start of one that runs is no error, of one whose command is gone says why", async () => {
    await detach(place, "web");
    expect(await engine.ok(["start", "web"])).toBe("web");
    await engine.ok(["create", "--name", "wrong", place.tiny, "nothere"]);
    const result = await engine.proa(["start", "wrong", "nothing", "web"]);
    expect(result.stdout).toBe("web\n");
    expect(result.stderr).toContain("Error: execute: nothere: command not found in the container\n");
    expect(result.stderr).toContain("Error: start: nothing: no such container\n");
    expect(result.exitCode).toBe(1);
    expect(await status("wrong")).toBe("created 127");
  });

  test("two starts at once are both content that it runs, and it runs once", async () => {
    await engine.ok(["create", "--name", "web", place.tiny, ...SLEEP]);
    const both = await Promise.all([1, 2].map(() => engine.proa(["start", "web"])));
    for (const each of both) expect(each).toMatchObject({ stdout: "web\n", stderr: "", exitCode: 0 });
    expect(processesOf(engine.sandbox).filter(({ name }) => name === "proa-supervise")).toHaveLength(1);
  });

  test("rm refuses what runs, -f kills it; several, also ones that are not there", async () => {
    await detach(place, "web");
    await engine.ok(["create", "--name", "made", place.tiny]);
    const refused = await engine.proa(["rm", "web", "made"]);
    expect(refused.stdout).toBe("made\n");
    expect(refused.stderr).toStartWith("Error: remove container: web: it is running\nhint: ");
    expect(refused.exitCode).toBe(1);
    expect(await engine.proa(["rm", "-f", "web", "nothing"])).toMatchObject({ stdout: "web\n", exitCode: 0 });
    expect((await engine.proa(["rm", "nothing"])).exitCode).toBe(1);
  });

  test("of ten run --name x at once exactly one wins, and nothing is left of the others", async () => {
    const all = await Promise.all(
      Array.from({ length: 10 }, () => engine.proa(["run", "-d", "--name", "same", place.tiny, ...SLEEP])),
    );
    const winners = all.filter(({ exitCode }) => exitCode === 0);
    expect(winners).toHaveLength(1);
    const id = winners[0]?.stdout.trim() ?? "";
    for (const { stderr, exitCode } of all.filter((result) => result !== winners[0])) {
      expect(stderr).toBe(
        `Error: create container: same: the name is used by container ${id.slice(0, 12)}\nhint: remove it (proa rm same) or choose another name\n`,
      );
      expect(exitCode).toBe(125);
    }
    for (const directory of [engine.sandbox.dataHome, engine.sandbox.runtimeDir]) {
      expect(readdirSync(join(directory, "proa/containers"))).toEqual([id]);
    }
  });

  test("what a start that was killed has left is cleared by the next one, what is at work is left alone", async () => {
    const { dataHome, runtimeDir } = engine.sandbox;
    const paths = (id: string) => [
      join(dataHome, "proa/containers", id),
      join(runtimeDir, "proa/containers", id),
    ];
    const [dead, alive] = ["a".repeat(64), "b".repeat(64)] as const;
    await engine.ok(["ps"]);
    const notes = join(dataHome, "proa/unfinished");
    mkdirSync(notes, { recursive: true, mode: 0o700 });
    for (const id of [dead, alive]) {
      for (const path of paths(id)) mkdirSync(join(path, "rootfs"), { recursive: true, mode: 0o700 });
      writeFileSync(join(notes, id), "");
    }
    const holder = Bun.spawn(["flock", join(notes, alive), "sh", "-c", "echo held; read x"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    await holder.stdout.getReader().read();
    await run(place, [], ["true"]);
    expect([...paths(dead), ...paths(alive)].map((path) => existsSync(path))).toEqual([
      false,
      false,
      true,
      true,
    ]);
    expect(readdirSync(notes)).toEqual([alive]);
    holder.stdin.end();
    await holder.exited;
    await run(place, [], ["true"]);
    expect(paths(alive).map((path) => existsSync(path))).toEqual([false, false]);
    expect(readdirSync(notes)).toEqual([]);
  });

  test.skipIf(Bun.which("strace") === null)(
    "a note that was taken away before its lock was had says nothing of the one that has its name now",
    async () => {
      const { dataHome, env } = engine.sandbox;
      const id = "c".repeat(64);
      await engine.ok(["ps"]);
      const note = join(dataHome, "proa/unfinished", id);
      mkdirSync(join(dataHome, "proa/unfinished"), { recursive: true, mode: 0o700 });
      writeFileSync(note, "");
      const slowly = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=flock:delay_enter=500000"];
      const child = Bun.spawn([...slowly, proaPath, "create", place.tiny], {
        env: { ...env },
        stdout: "ignore",
      });
      await waitUntil(() => isOpenSomewhere(note), { what: "the look at the note" });
      rmSync(note);
      const directory = join(dataHome, "proa/containers", id);
      mkdirSync(join(directory, "rootfs"), { recursive: true, mode: 0o700 });
      const holder = Bun.spawn(["flock", note, "sh", "-c", "echo held; read x"], {
        stdio: ["pipe", "pipe", "inherit"],
      });
      await holder.stdout.getReader().read();
      expect(await child.exited).toBe(0);
      expect(existsSync(join(directory, "rootfs"))).toBe(true);
      holder.stdin.end();
      await holder.exited;
      await run(place, [], ["true"]);
      expect(existsSync(directory)).toBe(false);
    },
  );

  test("twenty run --rm at once all run, and leave nothing", async () => {
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, i) => run(place, [], ["sh", "-c", `echo ${i}; exit ${i}`])),
    );
    expect(all.map(({ stdout, stderr, exitCode }) => [stdout, stderr, exitCode])).toEqual(
      Array.from({ length: 20 }, (_, i) => [`${i}\n`, "", i]),
    );
    await engine.assertNothingLeft();
    expect(await engine.ok(["ps", "-aq"])).toBe("");
  });

  test("a killed supervisor takes its container with it, the status says unknown, and rm works", async () => {
    const id = await detach(place, "web", ["sh", "-c", "sleep 1000 & sleep 1000"]);
    const pid = Number(await inspect(place, "web", "{{.State.Pid}}"));
    process.kill(supervisorOf(place, id), "SIGKILL");
    await waitUntil(() => !isAlive(pid), { what: "the end of the container's process" });
    expect(await engine.ok(["ps", "-a", "--format", "{{.Status}}"])).toStartWith("Exited (unknown) ");
    expect(await inspect(place, "web", "{{.State.Status}} {{.State.ExitCode}}")).toMatch(/^exited -1$/);
    expect(await inspect(place, "web", "{{.State.Error}}")).toContain("supervisor was killed");
    const waited = await engine.proa(["wait", "web"]);
    expect(waited.stderr).toContain("the exit status is not known");
    expect(waited.exitCode).toBe(1);
    for (const command of [
      ["exec", "web", "true"],
      ["attach", "web"],
      ["kill", "web"],
    ]) {
      expect((await engine.proa(command)).stderr).toContain("the container is not running");
    }
    expect(await engine.ok(["rm", "web"])).toBe("web");
    await engine.assertNothingLeft();
  });

  test("a killed supervisor's foreground says so, and is no success", async () => {
    const child = engine.start(["run", "--name", "web", place.tiny, "sh", "-c", "echo ready; sleep 1000"]);
    await printed(place, "web", "ready");
    process.kill(supervisorOf(place, await inspect(place, "web", "{{.Id}}")), "SIGKILL");
    expect(await child.stderr.text()).toContain("its supervisor is gone");
    expect(await child.exited).toBe(125);
  });

  test("a killed supervisor's --rm container is cleared away by the next look, and its name is free", async () => {
    const id = await detach(place, "web", SLEEP, ["--rm"]);
    process.kill(supervisorOf(place, id), "SIGKILL");
    await waitUntil(() => processesOf(engine.sandbox).length === 0);
    expect(existsSync(join(engine.sandbox.dataHome, "proa/containers", id))).toBe(true);
    await detach(place, "web", ["true"], ["--rm"]);
    await engine.ok(["ps"]);
    await engine.assertNothingLeft();
  });

  test("TERM to a supervisor is passed on, and the end is recorded", async () => {
    const id = await detach(place, "web", polite("TERM", 8));
    await printed(place, "web", "ready");
    process.kill(supervisorOf(place, id), "SIGTERM");
    expect(await engine.ok(["wait", "web"])).toBe("8");
  });

  test("wait tells the recorded status where the supervisor can no longer be asked", async () => {
    const id = await detach(place, "web", polite("TERM", 8));
    await printed(place, "web", "ready");
    rmSync(join(engine.sandbox.runtimeDir, "proa/containers", id, "attach.sock"));
    const waiter = engine.start(["wait", "web"]);
    process.kill(supervisorOf(place, id), "SIGTERM");
    expect(await waiter.stdout.text()).toBe("8\n");
    expect(await waiter.exited).toBe(0);
  });

  test("after a reboot, when the run directory is gone, the container has ended and starts again", async () => {
    await detach(place, "web");
    for (const { pid } of processesOf(engine.sandbox)) process.kill(pid, "SIGKILL");
    await waitUntil(() => processesOf(engine.sandbox).length === 0);
    rmSync(join(engine.sandbox.runtimeDir, "proa"), { recursive: true });
    expect(await engine.ok(["ps", "-a", "--format", "{{.Status}}"])).toStartWith("Exited (unknown)");
    expect(await engine.ok(["start", "web"])).toBe("web");
    expect(await status("web")).toBe("running 0");
  });

  test("processes that the first one leaves behind end with it", async () => {
    const script = "setsid sleep 7654321 & setsid sleep 7654321 & while ! test -e /go; do sleep 0.02; done";
    await detach(place, "web", ["sh", "-c", script]);
    await waitUntil(() => processesCalled("sleep 7654321") === 2, { what: "both processes" });
    await engine.proa(["exec", "web", "touch", "/go"]); // may end with it
    await engine.ok(["wait", "web"]);
    expect(processesCalled("sleep 7654321")).toBe(0);
  });
});
