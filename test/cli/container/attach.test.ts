/** Terminals of containers, and coming and going: -it, attach, detach keys, hang-ups, several clients. */
import { afterEach, describe, expect, test } from "bun:test";
import { missing, type Pty, proaPath, startPty, useTiny, waitUntil } from "../../harness";
import { attached, detach, inspect, printed, removeAll, run } from "./_shell";

const DETACH = "\x10\x11"; // ctrl-p ctrl-q

describe.skipIf(missing !== null)("a container with a terminal", () => {
  const place = useTiny();
  const { engine } = place;
  afterEach(() => removeAll(place));

  /** A shell whose prompt is told from what is typed. */
  const shell = (options: string[] = [], size = { cols: 101, rows: 31 }): Pty =>
    engine.pty(["run", "-it", "-e", "PS1=> ", ...options, place.tiny, "sh"], size);
  const running = (name: string) => inspect(place, name, "{{.State.Running}}");

  /** A shell of the host's bash, in a container of the host's files. */
  const bash = (...options: string[]): Pty =>
    engine.pty(["run", "-it", "--rm", "-e", "PS1=> ", ...options, "--rootfs", "/", "bash", "--norc"], {
      cols: 120,
      rows: 40,
    });

  test("bash has job control: Ctrl-Z, jobs, fg, Ctrl-C", async () => {
    const pty = bash("--name", "jobs");
    await pty.waitFor("> ");
    pty.write("sleep 100\n");
    const inForeground = async () =>
      (await engine.proa(["exec", "jobs", "ps", "-o", "stat=", "-C", "sleep"])).stdout.trim();
    const isAsleep = async () => /^SN?\+$/.test(await inForeground()); // N: where the tests are run by nice
    await waitUntil(isAsleep, { what: "sleep in the foreground" });
    pty.write("\x1a");
    await pty.waitFor(/\[1\]\+\s+Stopped\s+sleep 100/);
    await pty.waitFor("> ");
    pty.write("jobs\n");
    await pty.waitFor(/\[1\]\+\s+Stopped\s+sleep 100/);
    pty.write("fg\n");
    await waitUntil(isAsleep, { what: "sleep in the foreground again" });
    pty.write("\x03");
    await pty.waitFor("> ");
    pty.write("echo status $?\n");
    await pty.waitFor("status 130");
    pty.write("exit 5\n");
    expect(await pty.exited).toBe(5);
  });

  test("bash sees its size from the first line on, and each resize", async () => {
    const pty = bash();
    await pty.waitFor("> ");
    pty.write("stty size; echo $COLUMNS\n");
    await pty.waitFor("40 120\r\n120");
    pty.resize(77, 22);
    pty.write("while [ \"$(stty size)\" != '22 77' ]; do sleep 0.02; done; echo res''ized\n");
    await pty.waitFor("resized");
    pty.write("exit\n");
    expect(await pty.exited).toBe(0);
  });

  test("Ctrl-C at a prompt, Ctrl-D at its end: the shell's own doing", async () => {
    const pty = shell(["--rm"]);
    await pty.waitFor("> ");
    pty.write("half a line\x03");
    await pty.waitFor("> ");
    pty.write("\x04");
    expect(await pty.exited).toBe(130);
  });

  test.each([
    [1, 1],
    [2, 2],
  ])("a terminal of %p columns and %p rows is one all the same", async (cols, rows) => {
    const pty = engine.pty(["run", "-it", "--rm", "--rootfs", "/", "sh", "-c", "stty size; exit 3"], {
      cols,
      rows,
    });
    expect(await pty.exited).toBe(3);
    expect(pty.output.replaceAll(/\s+/g, " ")).toContain(`${rows} ${cols}`);
    expect(await engine.pty(["ps", "-a"], { cols, rows }).exited).toBe(0);
    expect(await engine.pty(["run", "--help"], { cols, rows }).exited).toBe(0);
  });

  test("a terminal that does not know its size gives the container one to work with", async () => {
    const pty = engine.pty(["run", "-it", "--rm", "--rootfs", "/", "sh", "-c", "stty size; exit 3"], {
      cols: 0,
      rows: 0,
    });
    expect(await pty.exited).toBe(3);
    expect(pty.output).toMatch(/[1-9]\d* [1-9]\d*/);
    expect(await engine.pty(["ps", "-a"], { cols: 0, rows: 0 }).exited).toBe(0);
  });

  test("our terminal is as it was before, after an exit and after a detach", async () => {
    const script = 'before=$(stty -g); "$0" run -it "$@"; [ "$(stty -g)" = "$before" ] && echo as be""fore';
    const start = (...args: string[]) =>
      startPty(["bash", "-c", script, proaPath, ...args], {
        env: { ...engine.sandbox.env },
        cwd: engine.sandbox.home,
      });
    const first = start("--rm", place.tiny, "true");
    await first.waitFor("as before");
    await first.exited;
    const second = start("--name", "kept", "-e", "PS1=> ", place.tiny, "sh");
    await second.waitFor("> ");
    second.write(DETACH);
    await second.waitFor("as before");
    await second.exited;
    expect(await running("kept")).toBe("true");
  });

  test("with --rm, a stdout that nobody reads is a hang-up for the terminal in the container", async () => {
    const result = Bun.spawnSync(
      ["bash", "-c", '"$0" run --rm -t "$1" yes | head -n 1; echo $PIPESTATUS', proaPath, place.tiny],
      {
        env: { ...engine.sandbox.env },
        timeout: 20_000,
      },
    );
    expect(result.stdout.toString()).toMatch(/^y\r\n(1|137)\n$/); // its own, or killed: the default of SIGHUP is not taken for a first process
    await engine.assertNothingLeft();
  });

  test("-t without -i shows output through a terminal, and reads nothing", async () => {
    const result = await run(place, ["-t"], ["sh", "-c", "tty; echo two"], { stdin: "ignored" });
    expect(result.stdout).toBe("/dev/pts/0\r\ntwo\r\n");
  });

  test("-it without a terminal is refused before anything is made", async () => {
    const result = await run(place, ["-it"], ["true"], { stdin: "x" });
    expect(result.stderr).toBe(
      "Error: attach: stdin: the input is not a terminal\nhint: leave -t out when input comes from a pipe or a file\n",
    );
    expect(result.exitCode).toBe(125);
    expect(await engine.ok(["ps", "-aq"])).toBe("");
  });

  test("the detach keys leave it running, attach comes back, and its end is attach's", async () => {
    const pty = shell(["--name", "kept"]);
    await pty.waitFor("> ");
    pty.write("X=remembered\n");
    await pty.waitFor("> ");
    pty.write(DETACH);
    expect(await pty.exited).toBe(0);
    expect(await running("kept")).toBe("true");

    const again = engine.pty(["attach", "kept"]);
    await attached(place);
    again.write("echo got $X\n");
    await again.waitFor("got remembered");
    again.write("exit 6\n");
    expect(await again.exited).toBe(6);
    expect(await engine.ok(["logs", "kept"])).toContain("got remembered");
  });

  test("--detach-keys are other keys, and then the usual ones are the container's", async () => {
    const pty = shell(["--detach-keys", "ctrl-x,q", "--name", "kept"]);
    await pty.waitFor("> ");
    pty.write("cat -v\n");
    pty.write("\x18x\n"); // the first of the keys, then another: both are for the container
    await pty.waitFor("^Xx");
    pty.write("\x18q");
    expect(await pty.exited).toBe(0);
    expect(await running("kept")).toBe("true");
    const again = engine.pty(["attach", "--detach-keys", "ctrl-a", "kept"]);
    await attached(place);
    again.write("hello\n");
    await again.waitFor("hello");
    again.write("\x01");
    expect(await again.exited).toBe(0);
    expect(await running("kept")).toBe("true");
  });

  test("our terminal's closing ends the container that was started from it", async () => {
    const pty = shell(["--name", "gone"]);
    await pty.waitFor("> ");
    pty.hangUp();
    await waitUntil(async () => (await running("gone")) === "false", { what: "the container's end" });
  });

  test("the closing of an attached terminal leaves the container running", async () => {
    const first = shell(["--name", "kept"]);
    await first.waitFor("> ");
    const second = engine.pty(["attach", "kept"]);
    await attached(place);
    second.hangUp();
    await second.exited;
    first.write("echo still he''re\n");
    await first.waitFor("still here");
    expect(await running("kept")).toBe("true");
    first.write("exit\n");
    await first.exited;
  });

  test("kill -9 of the foreground leaves it running, and attach comes back", async () => {
    const pty = shell(["--name", "kept"]);
    await pty.waitFor("> ");
    pty.kill("SIGKILL");
    await pty.exited;
    expect(await running("kept")).toBe("true");
    const again = engine.pty(["attach", "kept"]);
    await attached(place);
    again.write("exit 7\n");
    expect(await again.exited).toBe(7);
  });

  test("two clients see the same, type into the same, and hear the same end", async () => {
    const first = shell(["--name", "shared"]);
    await first.waitFor("> ");
    const second = engine.pty(["attach", "shared"], { cols: 101, rows: 31 });
    await attached(place);
    second.write("echo from se''cond\n");
    await Promise.all([first.waitFor("from second"), second.waitFor("from second")]);
    first.write("echo from fi''rst\n");
    await Promise.all([first.waitFor("from first"), second.waitFor("from first")]);
    second.write("exit 9\n");
    expect(await Promise.all([first.exited, second.exited])).toEqual([9, 9]);
  });
});

describe.skipIf(missing !== null)("attach without a terminal", () => {
  const place = useTiny();
  const { engine } = place;
  afterEach(() => removeAll(place));

  test("to what is not there or does not run is an error with status 1", async () => {
    await engine.ok(["create", "--name", "made", place.tiny]);
    for (const [name, why] of [
      ["nothing", "no such container"],
      ["made", "the container is not running"],
    ] as const) {
      const result = await engine.proa(["attach", name]);
      expect(result.stderr).toStartWith(`Error: attach: ${name}: ${why}\n`);
      expect(result.exitCode).toBe(1);
    }
  });

  test("several clients get all output from then on, on both streams, and the exit status", async () => {
    const script = "echo early; while ! test -e /go; do sleep 0.02; done; seq 1 3000; echo err >&2; exit 3";
    await detach(place, "web", ["sh", "-c", script]);
    await printed(place, "web", "early");
    const clients = [1, 2, 3].map(() => engine.start(["attach", "web"]));
    await attached(place, 3);
    await engine.proa(["exec", "web", "touch", "/go"]); // may end with it
    for (const client of clients) {
      expect((await client.stdout.text()).trimEnd().split("\n").slice(-3000)).toHaveLength(3000);
      expect(await client.stderr.text()).toBe("err\n");
      expect(await client.exited).toBe(3);
    }
  });

  test("-i keeps stdin for later clients of a detached container, and one's end does not close it", async () => {
    await detach(place, "web", ["sh", "-c", "while read line; do echo got $line; done; echo end"], ["-i"]);
    for (const word of ["one", "two"]) {
      const client = engine.start(["attach", "web"]);
      await attached(place, 1);
      client.stdin.write(`${word}\n`);
      client.stdin.flush();
      await printed(place, "web", `got ${word}`);
      client.kill("SIGKILL");
      await client.exited;
    }
    expect(await inspect(place, "web", "{{.State.Running}}")).toBe("true");
  });

  test("a client that does not read holds the others up for a while at most, and loses nothing when it reads again", async () => {
    await detach(
      place,
      "web",
      ["sh", "-c", "while ! test -e /go; do sleep 0.02; done; seq 1 100000"],
      ["--log-driver", "none"],
    );
    const slow = engine.start(["attach", "web"]);
    const quick = engine.start(["attach", "web"]);
    await attached(place, 2);
    await engine.proa(["exec", "web", "touch", "/go"]); // may end with it
    const [first, second] = await Promise.all([quick.stdout.text(), slow.stdout.text()]);
    expect(first.split("\n")).toHaveLength(100_001);
    expect(second).toBe(first);
  });

  test("a client that is killed does not stop what the container writes", async () => {
    await detach(place, "web", [
      "sh",
      "-c",
      "while ! test -e /go; do sleep 0.02; done; seq 1 100000; echo end >&2; sleep 1000",
    ]);
    const client = engine.start(["attach", "web"]);
    await attached(place, 1);
    await engine.ok(["exec", "web", "touch", "/go"]);
    client.kill("SIGKILL");
    await printed(place, "web", "end");
  });

  test("--no-stdin beside a container with a terminal is left by Ctrl-C, and the container goes on", async () => {
    await engine.ok([
      "run",
      "-dit",
      "--name",
      "screen",
      place.tiny,
      "sh",
      "-c",
      "while :; do echo here; sleep 0.1; done",
    ]);
    const pty = engine.pty(["attach", "--no-stdin", "screen"]);
    await pty.waitFor("here");
    pty.write("\x03");
    expect(await pty.exited).not.toBe(0);
    expect(await engine.ok(["inspect", "-f", "{{.State.Running}}", "screen"])).toBe("true");
    await engine.ok(["rm", "-f", "screen"]);
  });

  test("--no-stdin takes no part in the input, signals are passed on unless --sig-proxy=false", async () => {
    await detach(place, "web", [
      "sh",
      "-c",
      "trap 'echo caught' USR1; echo ready; while :; do sleep 0.02; done",
    ]);
    await printed(place, "web", "ready");
    const client = engine.start(["attach", "--no-stdin", "web"]);
    await attached(place, 1);
    client.kill("SIGUSR1");
    await printed(place, "web", "caught");
    const other = engine.start(["attach", "--sig-proxy=false", "web"]);
    await attached(place, 2);
    other.kill("SIGTERM");
    expect(await other.exited).toBe(143);
    expect(await inspect(place, "web", "{{.State.Running}}")).toBe("true");
  });
});
