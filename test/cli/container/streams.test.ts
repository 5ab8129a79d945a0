/** stdin, stdout, stderr and signals of a container in the foreground. */
import { afterEach, describe, expect, test } from "bun:test";
import { openSync, readFileSync } from "node:fs";
import { missing, proaPath, useTiny, waitUntil } from "../../harness";
import { detach, inspect, printed, removeAll, run, SLEEP, shell } from "./_shell";

/** A hundred megabytes of every value, not repeating with any size of a buffer. */
function manyBytes(): Uint8Array {
  const bytes = new Uint8Array(100_000_000);
  const words = new Uint32Array(bytes.buffer);
  for (let i = 0, x = 1; i < words.length; i++) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
    words[i] = x;
  }
  return bytes;
}

const sha256 = (bytes: Uint8Array): string => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");

describe.skipIf(missing !== null)("the streams of a container in the foreground", () => {
  const place = useTiny();
  const { engine } = place;
  afterEach(() => removeAll(place));

  /** A pipeline of the user's shell, in which `$0` is proa and `$1` the image. */
  function pipeline(script: string) {
    const result = Bun.spawnSync(["bash", "-c", script, proaPath, place.tiny], {
      env: { ...engine.sandbox.env },
      cwd: engine.sandbox.home,
      stdin: "ignore",
      timeout: 20_000,
    });
    return { stdout: result.stdout.toString(), stderr: result.stderr.toString(), exitCode: result.exitCode };
  }

  test("100 MB of every value go in and out unchanged, with a log that takes none of it", async () => {
    const bytes = manyBytes();
    const result = await run(place, ["-i", "--log-driver", "none"], ["cat"], {
      stdin: bytes,
      timeoutMs: 60_000,
    });
    expect(result.stderr).toBe("");
    expect(result.bytes.stdout.length).toBe(bytes.length);
    expect(sha256(result.bytes.stdout)).toBe(sha256(bytes));
  }, 90_000);

  test("the end of stdin reaches a program that reads to the end", async () => {
    expect(await run(place, ["-i"], ["wc", "-c"], { stdin: "" })).toMatchObject({
      stdout: "0\n",
      exitCode: 0,
    });
    expect(await run(place, ["-i"], ["sh", "-c", "cat; echo after"], { stdin: "x\n" })).toMatchObject({
      stdout: "x\nafter\n",
      exitCode: 0,
    });
  });

  test("stdin that stays open does not keep a container that has ended", async () => {
    const child = engine.start(["run", "--rm", "-i", place.tiny, "sh", "-c", "exit 3"]);
    expect(await child.exited).toBe(3);
  });

  test("a closed stdin is an empty one", () => {
    expect(pipeline('"$0" run --rm -i "$1" wc -c <&-')).toMatchObject({ stdout: "0\n", exitCode: 0 });
  });

  test("with --rm, a stdout that nobody reads ends the program that writes to it", () => {
    for (let i = 0; i < 5; i++) {
      const { stdout } = pipeline('"$0" run --rm "$1" yes 2>/dev/null | head -n 1; echo $PIPESTATUS');
      expect(stdout).toBe("y\n1\n");
    }
  });

  test("without --rm, proa ends as by SIGPIPE, quietly, and the container and its log live on", async () => {
    const { stdout, stderr } = pipeline(
      '"$0" run --name web "$1" sh -c "yes | head -n 99999; echo done >&2; sleep 1000" | head -n 1; echo $PIPESTATUS',
    );
    expect(stderr).not.toContain("Error");
    expect(stdout).toBe("y\n141\n");
    await printed(place, "web", "done");
    expect(await inspect(place, "web", "{{.State.Status}}")).toBe("running");
  });

  test("exec: a stdout that nobody reads ends the program that writes to it", async () => {
    await detach(place, "web");
    const { stdout } = pipeline('"$0" exec web yes | head -n 1; echo $PIPESTATUS');
    expect(stdout).toBe("y\n141\n");
    expect(await engine.ok(["exec", "web", "pidof", "sleep"])).toBe("1");
    expect((await engine.proa(["exec", "web", "pidof", "yes"])).exitCode).toBe(1);
  });

  test("a full disk behind stdout is an error, and says so", () => {
    const { stderr, exitCode } = pipeline(
      '"$0" run --rm "$1" seq 100000 2>&1 >/dev/full | grep -v seq; exit $PIPESTATUS',
    );
    expect(stderr).toBe("");
    expect(exitCode).toBe(125);
  });

  test("stdout and stderr appended to one file by >> and 2>&1 keep their order", async () => {
    const script = "for i in 1 2 3; do echo out $i; echo err $i >&2; sleep 0.02; done";
    const { exitCode } = pipeline(`echo before >log; "$0" run --rm "$1" sh -c '${script}' >>log 2>&1`);
    expect(exitCode).toBe(0);
    expect(readFileSync(`${engine.sandbox.home}/log`, "utf8")).toBe(
      "before\nout 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n",
    );
  });

  test("-a stdout shows stdout alone", async () => {
    const result = await run(place, ["-a", "stdout"], ["sh", "-c", "echo out; echo err >&2"]);
    expect(result).toMatchObject({ stdout: "out\n", stderr: "", exitCode: 0 });
  });

  test("a user in the container opens /dev/stdout and /dev/stderr", async () => {
    const result = await run(
      place,
      ["-u", "app"],
      ["sh", "-c", "echo out >/dev/stdout; echo err >/dev/stderr"],
    );
    expect(result).toMatchObject({ stdout: "out\n", stderr: "err\n", exitCode: 0 });
  });

  test("the container has the standard descriptors and no other", async () => {
    const child = Bun.spawn([proaPath, "run", "--rm", place.tiny, "sh", "-c", "ls /proc/$$/fd; :"], {
      env: { ...engine.sandbox.env },
      stdio: ["ignore", "pipe", "inherit", openSync("/etc/hostname", "r"), openSync("/", "r")],
    });
    expect(await child.stdout.text()).toBe("0\n1\n2\n");
  });

  test("Ctrl-C while the container starts ends it, or it never starts; the next run clears what is left", async () => {
    for (const delayMs of [0, 5, 10, 15, 20, 30, 40, 60]) {
      const child = engine.start(["run", "--rm", place.tiny, ...SLEEP]);
      await Bun.sleep(delayMs); // no wait for anything: each is another moment of the start
      child.kill("SIGINT");
      const ended = await Promise.race([child.exited, Bun.sleep(100).then(() => undefined)]);
      if (ended === undefined) {
        const ids = (await engine.ok(["ps", "-aq"])).split("\n").filter(Boolean);
        if (ids.length > 0) await engine.ok(["rm", "-f", ...ids]); // it was passed on, and sleep as pid 1 has no handler
      }
      expect([125, 130, 137]).toContain(await child.exited);
    }
    await shell(place, [], "true"); // the next writer clears what the killed ones had begun
    await engine.assertNothingLeft();
  });

  test("Ctrl-C after the start is the container's to handle", async () => {
    const script = "trap 'echo caught; exit 4' INT; echo ready; while :; do sleep 0.05; done";
    const child = engine.start(["run", "--rm", "--name", "web", place.tiny, "sh", "-c", script]);
    await printed(place, "web", "ready");
    child.kill("SIGINT");
    expect(await child.stdout.text()).toBe("ready\ncaught\n");
    expect(await child.exited).toBe(4);
  });

  test("--sig-proxy=false: Ctrl-C ends proa, and the container lives on", async () => {
    const child = engine.start([
      "run",
      "--sig-proxy=false",
      "--name",
      "web",
      place.tiny,
      "sh",
      "-c",
      "echo ready; sleep 1000",
    ]);
    await printed(place, "web", "ready");
    child.kill("SIGINT");
    expect(await child.exited).toBe(130);
    expect(await inspect(place, "web", "{{.State.Status}}")).toBe("running");
  });

  test("kill -9 of the foreground leaves the container and its log alone", async () => {
    const script = "echo ready; while ! test -e /go; do sleep 0.02; done; seq 1 20000; echo end; sleep 1000";
    const child = engine.start(["run", "--name", "web", place.tiny, "sh", "-c", script]);
    await printed(place, "web", "ready");
    child.kill("SIGKILL");
    await child.exited;
    await engine.ok(["exec", "web", "touch", "/go"]);
    await printed(place, "web", "end");
    expect((await engine.ok(["logs", "web"])).split("\n")).toHaveLength(20_002);
    expect(await inspect(place, "web", "{{.State.Status}}")).toBe("running");
  });

  test("kill -9 of the foreground of a --rm container: its end still removes it", async () => {
    const child = engine.start([
      "run",
      "--rm",
      "-i",
      "--name",
      "web",
      place.tiny,
      "sh",
      "-c",
      "echo ready; cat",
    ]);
    await printed(place, "web", "ready");
    child.kill("SIGKILL"); // stdin ends with it, and so does cat
    await waitUntil(async () => (await engine.ok(["ps", "-aq"])) === "", { what: "the container's end" });
  });

  test("what was printed last before the end is never lost", async () => {
    const outputs = await Promise.all(
      Array.from({ length: 8 }, (_, i) => shell(place, [], `seq 1 ${5000 + i}; echo last`)),
    );
    expect(outputs.map((output) => output.split("\n").length)).toEqual(
      Array.from({ length: 8 }, (_, i) => 5001 + i),
    );
    expect(outputs.every((output) => output.endsWith("\nlast"))).toBe(true);
  });
});
