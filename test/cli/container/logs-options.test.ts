/** `proa logs` of several containers, of long and of odd logs, and as they grow. */
import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync, truncateSync } from "node:fs";
import { missing, proaPath, useTiny, waitUntil } from "../../harness";
import { detach, inspect, printed, removeAll, supervisorOf } from "./_shell";

describe.skipIf(missing !== null)("logs", () => {
  const place = useTiny();
  const { engine } = place;
  afterEach(() => removeAll(place));

  const ran = async (name: string, script: string, ...options: string[]): Promise<string> => {
    const id = await detach(place, name, ["sh", "-c", script], ["--network", "none", ...options]);
    await engine.ok(["wait", name]);
    return id;
  };
  const logs = (...args: string[]) => engine.proa(["logs", ...args]);

  test("of a line of 1 MB is that line, with one time before it, and one line of the tail", async () => {
    await ran("web", "echo first; head -c 1000000 /dev/zero | tr '\\0' x; echo; echo last");
    const long = "x".repeat(1_000_000);
    expect((await logs("web")).stdout).toBe(`first\n${long}\nlast\n`);
    expect((await logs("-n", "2", "web")).stdout).toBe(`${long}\nlast\n`);
    const stamped = (await logs("-t", "web")).stdout.split("\n");
    expect(stamped).toHaveLength(4);
    expect(stamped[1]?.slice(0, 40)).toMatch(/^\S{29}Z x{9}$/);
    expect(stamped[1]?.slice(31)).toBe(long);
  });

  test("decodes what JSON escapes: controls, quotes, pairs of surrogates, what ends lines elsewhere", async () => {
    const text = 'tab\there "q" \\back\\ <a&b> é 漢 😀 \u2028 \u2029 \x01\x1f\x7f';
    await engine.ok([
      "run",
      "--name",
      "web",
      "--network",
      "none",
      "-e",
      `T=${text}`,
      place.tiny,
      "sh",
      "-c",
      'printf "%s\\n" "$T"',
    ]);
    expect((await logs("web")).stdout).toBe(`${text}\n`);
    const path = await inspect(place, "web", "{{.LogPath}}");
    const record = JSON.parse(readFileSync(path, "utf8"));
    const escaped = [...text].map((c) =>
      [...c]
        .flatMap((each) => each.split(""))
        .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
        .join(""),
    );
    await Bun.write(path, `{"log":"${escaped.join("")}\\n","stream":"stdout","time":"${record.time}"}\n`);
    expect((await logs("web")).stdout).toBe(`${text}\n`);
  });

  test("passes over torn records and what is none, and shows the whole ones behind them", async () => {
    await ran("web", "echo one; echo two");
    const path = await inspect(place, "web", "{{.LogPath}}");
    const [one = "", two = ""] = readFileSync(path, "utf8").trimEnd().split("\n");
    await Bun.write(
      path,
      `${one}\n{"log":"to${two}\nnonsense\n\n\0\0\0\n{"log":"x"}\n${one}\n${two.slice(0, -5)}`,
    );
    expect((await logs("web")).stdout).toBe("one\ntwo\none\n");
    expect((await logs("-n", "2", "web")).stdout).toBe("two\none\n");
  });

  test("of several shows the id before each line, with --names the name, with --color in colours", async () => {
    const one = await ran("one", "echo a; echo b >&2");
    const two = await ran("two", "echo c");
    expect(await logs("one", "two")).toMatchObject({
      stdout: `${one.slice(0, 12)} a\n${two.slice(0, 12)} c\n`,
      stderr: `${one.slice(0, 12)} b\n`,
      exitCode: 0,
    });
    expect((await logs("--names", "one", "two")).stdout).toBe("one a\ntwo c\n");
    expect((await logs("--names", "one")).stdout).toBe("one a\n");
    expect((await logs("--names", "-t", "two")).stdout).toMatch(/^two \S{29}Z c\n$/);
    const coloured = (await logs("--names", "--color", "one", "two")).stdout;
    expect(coloured).toMatch(/^\x1b\[\d+mone\x1b\[0m a\n\x1b\[\d+mtwo\x1b\[0m c\n$/);
    expect((await logs("--latest")).stdout).toBe("c\n");
    expect((await logs("--latest", "one")).exitCode).toBe(125);
    expect((await logs()).exitCode).toBe(125);
    const missing = await logs("one", "nobody");
    expect(missing.stderr).toContain("nobody: no such container");
    expect(missing.exitCode).toBe(1);
  });

  test("-f of several ends when the last has ended", async () => {
    const waiting = (name: string) =>
      detach(
        place,
        name,
        ["sh", "-c", `echo start; while ! test -e /go; do sleep 0.02; done; echo ${name}`],
        ["--network", "none"],
      );
    await waiting("one");
    await waiting("two");
    const follower = engine.start(["logs", "-f", "--names", "one", "two"]);
    await engine.proa(["exec", "one", "touch", "/go"]); // may end with it
    await engine.ok(["wait", "one"]);
    await engine.proa(["exec", "two", "touch", "/go"]); // may end with it
    expect(await follower.exited).toBe(0);
    const lines = (await follower.stdout.text()).trimEnd().split("\n");
    expect(lines.toSorted()).toEqual(["one one", "one start", "two start", "two two"]);
  });

  test("--since and --until are to the nanosecond, of records too", async () => {
    await ran("web", "for i in 1 2 3 4 5; do echo $i; sleep 0.01; done");
    const stamped = (await logs("-t", "web")).stdout.trimEnd().split("\n");
    const times = stamped.map((line) => line.split(" ")[0] ?? "");
    expect((await logs("--since", times[2] ?? "", "web")).stdout).toBe("3\n4\n5\n");
    expect((await logs("--until", times[2] ?? "", "web")).stdout).toBe("1\n2\n3\n");
    const unix = (time: string, more: bigint) => {
      const ns = BigInt(Date.parse(time)) * 1_000_000n + BigInt(time.slice(23, 29)) + more;
      return `${ns / 1_000_000_000n}.${String(ns % 1_000_000_000n).padStart(9, "0")}`;
    };
    expect((await logs("--since", unix(times[2] ?? "", 1n), "web")).stdout).toBe("4\n5\n");
    expect((await logs("--until", unix(times[2] ?? "", -1n), "web")).stdout).toBe("1\n2\n");
    expect((await logs("--until", times[3] ?? "", "-n", "2", "web")).stdout).toBe("3\n4\n");
  });

  test("-f goes on through rotation and compression, slow as its reader may be", async () => {
    const options = ["max-size=8k", "max-file=100", "compress=true"].flatMap((each) => ["--log-opt", each]);
    const script = "echo begin; while ! test -e /go; do sleep 0.02; done; seq 1 5000; echo end";
    await detach(place, "web", ["sh", "-c", script], ["--network", "none", ...options]);
    await printed(place, "web", "begin");
    const follower = engine.start(["logs", "-f", "web"]);
    const reader = follower.stdout.getReader();
    let text = new TextDecoder().decode((await reader.read()).value);
    expect(text).toBe("begin\n");
    Bun.spawnSync(["kill", "-STOP", String(follower.pid)]); // it stands still while forty files are written
    await engine.proa(["exec", "web", "touch", "/go"]); // may end with it
    await engine.ok(["wait", "web"]);
    Bun.spawnSync(["kill", "-CONT", String(follower.pid)]);
    for (let part = await reader.read(); !part.done; part = await reader.read())
      text += new TextDecoder().decode(part.value);
    expect(await follower.exited).toBe(0);
    expect(text).toBe(`begin\n${Array.from({ length: 5000 }, (_, i) => `${i + 1}\n`).join("")}end\n`);
  });

  test("-f goes on over a restart by policy, and ends with the last life", async () => {
    const script = "echo life; sleep 0.2; exit 1";
    await detach(place, "web", ["sh", "-c", script], ["--network", "none", "--restart", "on-failure:2"]);
    const follower = engine.start(["logs", "-f", "web"]);
    expect(await follower.exited).toBe(0);
    expect(await follower.stdout.text()).toBe("life\n".repeat(3));
  });

  test("-f ends when the supervisor is killed", async () => {
    const id = await detach(place, "web", ["sh", "-c", "echo one; sleep 1000"], ["--network", "none"]);
    await printed(place, "web", "one");
    const follower = engine.start(["logs", "-f", "web"]);
    process.kill(supervisorOf(place, id), "SIGKILL");
    expect(await follower.exited).toBe(0);
    expect(await follower.stdout.text()).toBe("one\n");
  });

  test("-f goes on when somebody empties the file", async () => {
    const script = "echo one; while ! test -e /go; do sleep 0.02; done; echo two; sleep 1000";
    await detach(place, "web", ["sh", "-c", script], ["--network", "none"]);
    await printed(place, "web", "one");
    const follower = engine.start(["logs", "-f", "web"]);
    const reader = follower.stdout.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("one\n");
    truncateSync(await inspect(place, "web", "{{.LogPath}}"), 0);
    await engine.ok(["exec", "web", "touch", "/go"]);
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("two\n");
    follower.kill();
  });

  test("a reader that never reads costs the container nothing", async () => {
    const script = "while ! test -e /go; do sleep 0.02; done; seq 1 200000; touch /done; sleep 1000";
    await detach(place, "web", ["sh", "-c", script], ["--network", "none"]);
    const stuck = engine.start(["logs", "-f", "web"]); // nobody takes what it prints: its pipe is full soon
    await engine.ok(["exec", "web", "touch", "/go"]);
    await waitUntil(async () => (await engine.proa(["exec", "web", "test", "-e", "/done"])).exitCode === 0);
    expect((await logs("-n", "1", "web")).stdout).toBe("200000\n");
    stuck.kill();
  });

  test("--until in the future ends the following there", async () => {
    await detach(place, "web", ["sh", "-c", "echo one; sleep 1000"], ["--network", "none"]);
    await printed(place, "web", "one");
    const follower = engine.start(["logs", "-f", "--until", "-400ms", "web"]);
    expect(await follower.exited).toBe(0);
    expect(await follower.stdout.text()).toBe("one\n");
  });

  test("of a terminal come on stdout as they are", async () => {
    await engine.ok([
      "run",
      "-d",
      "-t",
      "--name",
      "web",
      "--network",
      "none",
      place.tiny,
      "sh",
      "-c",
      "echo out; echo err >&2",
    ]);
    await engine.ok(["wait", "web"]);
    expect(await logs("web")).toMatchObject({ stdout: "out\r\nerr\r\n", stderr: "" });
  });

  test("a full disk where they go is told, with status 1", async () => {
    await ran("web", "echo one");
    const child = Bun.spawn(["sh", "-c", `"$0" logs web >/dev/full`, proaPath], {
      env: engine.sandbox.env,
      stderr: "pipe",
    });
    expect([await child.exited, await child.stderr.text()]).toEqual([
      1,
      expect.stringContaining("no space left"),
    ]);
  });
});
