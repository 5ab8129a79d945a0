/** `proa logs`, and what the log holds. */
import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { missing, useTiny, waitUntil } from "../../harness";
import { detach, inspect, printed, removeAll } from "./_shell";

describe.skipIf(missing !== null)("logs", () => {
  const place = useTiny();
  const { engine } = place;
  afterEach(() => removeAll(place));

  const logs = (...args: string[]) => engine.proa(["logs", ...args, "web"]);
  const lines = async (...args: string[]): Promise<string[]> =>
    (await logs(...args)).stdout.split("\n").filter(Boolean);
  /** A container that prints, then goes on until /go is there. */
  const waiting = (before: string, after = "") =>
    detach(place, "web", ["sh", "-c", `${before}; while ! test -e /go; do sleep 0.02; done; ${after}`]);
  const go = () => engine.proa(["exec", "web", "touch", "/go"]); // may end with it

  test("of a name that nobody has is an error with status 1", async () => {
    const result = await engine.proa(["logs", "nothing"]);
    expect(result.stderr).toStartWith("Error: logs: nothing: no such container\n");
    expect(result.exitCode).toBe(1);
  });

  test("of a container that has not been started is empty", async () => {
    await engine.ok(["create", "--name", "web", place.tiny]);
    expect(await logs()).toMatchObject({ stdout: "", stderr: "", exitCode: 0 });
    expect(await logs("--tail", "5")).toMatchObject({ stdout: "", exitCode: 0 });
  });

  test("keeps stdout and stderr apart, and what another start added", async () => {
    await detach(place, "web", ["sh", "-c", "echo out; echo err >&2"]);
    await engine.ok(["wait", "web"]);
    await engine.ok(["start", "web"]);
    await engine.ok(["wait", "web"]);
    expect(await logs()).toMatchObject({ stdout: "out\nout\n", stderr: "err\nerr\n", exitCode: 0 });
  });

  test("--tail takes the last lines, whole ones, over both streams", async () => {
    await detach(place, "web", ["sh", "-c", "seq 1 1000; printf unfinished"]);
    await engine.ok(["wait", "web"]);
    expect((await logs("--tail", "2")).stdout).toBe("1000\nunfinished");
    expect((await logs("-n", "0")).stdout).toBe("");
    expect(await lines("--tail=all")).toHaveLength(1001);
    expect(await lines("-n", "-1")).toHaveLength(1001);
    expect((await logs("-n", "many")).stderr).toStartWith('Error: tail: many: expected a number or "all"\n');
  });

  test("-t shows the time of each line, in RFC 3339 with nanoseconds", async () => {
    await detach(place, "web", ["sh", "-c", "echo one; echo two"]);
    await engine.ok(["wait", "web"]);
    const stamped = await lines("-t");
    expect(stamped.map((line) => line.split(" ")[1])).toEqual(["one", "two"]);
    for (const line of stamped) expect(line).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z /);
  });

  test("--since and --until take times, seconds and durations", async () => {
    await waiting("echo one", "echo two");
    await printed(place, "web", "one");
    const first = Date.parse((await lines("-t"))[0]?.split(" ")[0] ?? "");
    await waitUntil(() => Date.now() > first + 20);
    const between = Date.now();
    await waitUntil(() => Date.now() > between);
    await go();
    await printed(place, "web", "two");
    const iso = new Date(between).toISOString();
    for (const time of [iso, String(between / 1000)]) {
      expect(await lines("--since", time)).toEqual(["two"]);
      expect(await lines("--until", time)).toEqual(["one"]);
    }
    expect(await lines("--since", "1h")).toEqual(["one", "two"]);
    expect(await lines("--since", "1h30m", "--until", iso)).toEqual(["one"]);
    expect(await lines("--until", "1h")).toEqual([]);
    expect((await logs("--since", "yesterday")).stderr).toStartWith(
      "Error: since: yesterday: expected a time",
    );
  });

  test("-f shows what comes, and ends with the container", async () => {
    await waiting("echo one", "echo two; seq 1 5000; echo three");
    await printed(place, "web", "one");
    const follower = engine.start(["logs", "-f", "web"]);
    const later = engine.start(["logs", "-f", "--tail", "0", "web"]);
    await go();
    const text = await follower.stdout.text();
    expect(text.startsWith("one\ntwo\n1\n") && text.endsWith("5000\nthree\n")).toBe(true);
    expect(text.split("\n")).toHaveLength(5004);
    expect(await follower.exited).toBe(0);
    expect(await later.exited).toBe(0);
  });

  test("-f of a container that has ended ends at once", async () => {
    await detach(place, "web", ["echo", "one"]);
    await engine.ok(["wait", "web"]);
    expect(await logs("-f")).toMatchObject({ stdout: "one\n", exitCode: 0 });
  });

  test("-f ends when the container is removed", async () => {
    await waiting("echo one");
    await printed(place, "web", "one");
    const follower = engine.start(["logs", "-f", "web"]);
    expect(new TextDecoder().decode((await follower.stdout.getReader().read()).value)).toBe("one\n");
    await engine.ok(["rm", "-f", "web"]);
    expect(await follower.exited).toBe(0);
  });

  test("-f ends quietly when nobody reads it any more", async () => {
    await waiting("echo one", "while :; do echo more; done");
    await printed(place, "web", "one");
    const follower = engine.start(["logs", "-f", "web"]);
    const reader = follower.stdout.getReader();
    await reader.read();
    await reader.cancel();
    await go();
    expect([0, 141]).toContain(await follower.exited);
    expect(await follower.stderr.text()).toBe("");
  });

  test("rotation keeps max-file files of max-size, and logs reads them as one, -f through it", async () => {
    const options = ["--log-opt", "max-size=2k", "--log-opt", "max-file=3"];
    const script = "while ! test -e /go; do sleep 0.02; done; seq 1 500; echo end; sleep 1000";
    await detach(place, "web", ["sh", "-c", script], options);
    const follower = engine.start(["logs", "-f", "web"]);
    await go();
    await printed(place, "web", "end");
    const path = await inspect(place, "web", "{{.LogPath}}");
    const directory = path.slice(0, path.lastIndexOf("/"));
    const files = readdirSync(directory).filter((name) => name.includes("-json.log"));
    expect(files).toHaveLength(3);
    for (const name of files) expect(statSync(`${directory}/${name}`).size).toBeLessThanOrEqual(2048);
    const kept = await lines();
    expect(kept.at(-1)).toBe("end");
    const first = Number(kept[0]);
    expect(kept.slice(0, -1)).toEqual(Array.from({ length: 501 - first }, (_, i) => String(first + i)));
    expect(await lines("--tail", "3")).toEqual(["499", "500", "end"]);
    expect((await lines("--tail", "40")).length).toBe(40);
    await engine.ok(["kill", "web"]);
    const followed = (await follower.stdout.text()).trimEnd().split("\n");
    expect(followed.at(-1)).toBe("end");
  });

  test("max-file 1 begins anew, and loses no line that came last", async () => {
    await detach(place, "web", ["seq", "1", "500"], ["--log-opt", "max-size=1k"]);
    await engine.ok(["wait", "web"]);
    const path = await inspect(place, "web", "{{.LogPath}}");
    expect(existsSync(`${path}.1`)).toBe(false);
    expect((await lines()).at(-1)).toBe("500");
  });

  test("a line longer than 16 KiB is one line again, as are bytes that are no UTF-8", async () => {
    await detach(place, "web", [
      "sh",
      "-c",
      "head -c 100000 /dev/zero | tr '\\0' x; echo; printf 'a\\377b\\n\\1\"\\\\\\n'",
    ]);
    await engine.ok(["wait", "web"]);
    const [long, odd, escaped] = (await logs()).stdout.split("\n");
    expect(long).toBe("x".repeat(100_000));
    expect(odd).toBe("a\uFFFDb");
    expect(escaped).toBe('\u0001"\\');
    for (const line of readFileSync(await inspect(place, "web", "{{.LogPath}}"), "utf8")
      .trimEnd()
      .split("\n")) {
      expect(Object.keys(JSON.parse(line)).sort()).toEqual(["log", "stream", "time"]);
    }
  });

  test("--log-driver none logs nothing, and logs says so", async () => {
    await detach(place, "web", ["echo", "x"], ["--log-driver", "none"]);
    await engine.ok(["wait", "web"]);
    const result = await logs();
    expect(result.stderr).toStartWith("Error: logs: web: the container has no log (--log-driver none)\n");
    expect(result.exitCode).toBe(1);
  });

  test("a line that a crash cut short is passed over, the others are shown", async () => {
    await detach(place, "web", ["sh", "-c", "echo one; echo two"]);
    await engine.ok(["wait", "web"]);
    const path = await inspect(place, "web", "{{.LogPath}}");
    const text = readFileSync(path, "utf8");
    await Bun.write(path, text.slice(0, -9));
    expect((await logs()).stdout).toBe("one\n");
    await engine.ok(["start", "web"]);
    await engine.ok(["wait", "web"]);
    expect((await logs()).stdout.endsWith("one\ntwo\n")).toBe(true);
  });
});
