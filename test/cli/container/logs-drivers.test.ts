/** Log drivers: where output goes, what becomes of it, and that it is read back whole. */
import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { missing, proaPath, useTiny, waitUntil } from "../../harness";
import { detach, inspect, printed, removeAll } from "./_shell";

describe.skipIf(missing !== null)("log drivers", () => {
  const place = useTiny();
  const { engine } = place;
  afterEach(() => removeAll(place));

  /** Run it to its end under the name "web". */
  const ran = async (options: string[], script: string): Promise<void> => {
    await detach(place, "web", ["sh", "-c", script], ["--network", "none", ...options]);
    await engine.ok(["wait", "web"]);
  };
  const logs = (...args: string[]) => engine.proa(["logs", ...args, "web"]);
  const logPath = () => inspect(place, "web", "{{.LogPath}}");
  const directoryOf = async (): Promise<string> =>
    join(engine.sandbox.dataHome, "proa/containers", await inspect(place, "web", "{{.Id}}"));
  /** Files of the log, the oldest first. */
  const filesOf = (directory: string, base: string): string[] =>
    readdirSync(directory)
      .filter((name) => name.startsWith(base))
      .sort(
        (a, b) =>
          Number(/\.(\d+)/.exec(b.slice(base.length))?.[1] ?? 0) -
          Number(/\.(\d+)/.exec(a.slice(base.length))?.[1] ?? 0),
      );
  const gunzip = (path: string): string => Bun.spawnSync(["gzip", "-dc", path]).stdout.toString();

  test.each([
    [["--log-driver", "none", "--log-opt", "max-size=1m"], "invalid logging opts for driver none"],
    [["--log-opt", "colour=red"], "unknown log opt 'colour' for json-file log driver"],
    [["--log-driver", "syslog"], "log driver: syslog: "],
    [["--log-driver", "fluentd"], "log driver: fluentd: "],
    [["--log-driver", "quantum"], "no such driver"],
    [["--log-driver", "journald"], "no journal listens at "],
    [["--log-opt", "novalue"], "expected NAME=VALUE"],
  ])("%p is refused: %s", async (options, why) => {
    for (const verb of ["create", "run"]) {
      const result = await engine.proa([verb, ...options, place.tiny, "true"]);
      expect(result.stderr).toContain(why);
      expect(result.exitCode).toBe(125);
    }
    expect(await engine.ok(["ps", "-aq"])).toBe("");
  });

  test("json-file with compress keeps older files as gzip, which logs and gzip both read", async () => {
    const options = ["max-size=4k", "max-file=4", "compress=true"].flatMap((each) => ["--log-opt", each]);
    await ran(options, "seq 1 400");
    const path = await logPath();
    const files = filesOf(dirname(path), path.slice(dirname(path).length + 1));
    expect(files.map((name) => name.slice(name.indexOf("-json.log")))).toEqual([
      "-json.log.3.gz",
      "-json.log.2.gz",
      "-json.log.1.gz",
      "-json.log",
    ]);
    const text = files
      .map((name) => join(dirname(path), name))
      .map((file) => (file.endsWith(".gz") ? gunzip(file) : readFileSync(file, "utf8")))
      .join("");
    const kept = text
      .trimEnd()
      .split("\n")
      .map((line) => Number(JSON.parse(line).log));
    const first = kept[0] ?? 0;
    expect(first).toBeGreaterThan(1);
    expect(kept).toEqual(Array.from({ length: 401 - first }, (_, i) => first + i));
    expect((await logs()).stdout).toBe(kept.map((number) => `${number}\n`).join(""));
    for (const count of [1, 30, 75, 120, kept.length, 10_000])
      expect((await logs("-n", String(count))).stdout).toBe(
        kept
          .slice(-count)
          .map((number) => `${number}\n`)
          .join(""),
      );
  });

  test("local rotates and compresses by itself, and has no path to show", async () => {
    await ran(
      ["--log-driver", "local", "--log-opt", "max-size=8k", "--log-opt", "max-file=3"],
      "seq 1 3000; echo end >&2",
    );
    expect(await logPath()).toBe("");
    const directory = await directoryOf();
    expect(filesOf(directory, "local.log")).toEqual(["local.log.2.gz", "local.log.1.gz", "local.log"]);
    const { stdout, stderr } = await logs();
    expect(stderr).toBe("end\n");
    const numbers = stdout.trimEnd().split("\n").map(Number);
    expect(numbers.at(-1)).toBe(3000);
    expect(numbers).toEqual(numbers.map((_, i) => (numbers[0] ?? 0) + i));
    expect(await inspect(place, "web", "{{.HostConfig.LogConfig.Type}}")).toBe("local");
  });

  test("what was rotated last is compressed in the next life, and no unfinished file stays", async () => {
    const options = ["--log-driver", "local", "--log-opt", "max-size=80k", "--log-opt", "max-file=5"];
    await ran(options, "seq 1 2000");
    await engine.ok(["start", "web"]);
    await engine.ok(["wait", "web"]);
    const files = filesOf(await directoryOf(), "local.log");
    expect(files.filter((name) => name.endsWith("-new"))).toEqual([]);
    expect(files.filter((name) => name.endsWith(".gz")).length).toBe(files.length - 1);
    const lines = (await logs()).stdout.trimEnd().split("\n");
    expect(lines.slice(-2000)).toEqual(Array.from({ length: 2000 }, (_, i) => String(i + 1)));
  });

  test("k8s-file keeps bytes as they are, in Kubernetes' form", async () => {
    await ran(
      ["--log-driver", "k8s-file"],
      "printf 'a\\377b\\n'; echo err >&2; head -c 20000 /dev/zero | tr '\\0' x; echo; printf end",
    );
    const path = await logPath();
    expect(path).toEndWith("/ctr.log");
    const records = readFileSync(path, "latin1").trimEnd().split("\n");
    for (const record of records)
      expect(record).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}\+00:00 std(out|err) [FP] /);
    const tags = records.map((record) => record.split(" ").slice(1, 3).join(" "));
    expect(tags.filter((tag) => tag === "stdout P")).toHaveLength(2); // of the long line, and the one without an end
    const { bytes, stderr } = await logs();
    expect(Buffer.from(bytes.stdout).toString("latin1")).toBe(`a\xffb\n${"x".repeat(20_000)}\nend`);
    expect(stderr).toBe("err\n");
    expect((await logs("-n", "2")).stdout).toBe(`${"x".repeat(20_000)}\nend`);
    expect((await logs("-t", "-n", "1")).stdout).toMatch(/^\S{29}Z end$/);
  });

  test("path= says where the file is", async () => {
    const path = join(engine.sandbox.home, "my.log");
    await ran(["--log-opt", `path=${path}`], "echo here");
    expect(await logPath()).toBe(path);
    expect(JSON.parse(readFileSync(path, "utf8")).log).toBe("here\n");
    expect((await logs()).stdout).toBe("here\n");
    const nowhere = await engine.proa([
      "run",
      "--rm",
      "--log-opt",
      "path=/nowhere/x.log",
      place.tiny,
      "true",
    ]);
    expect(nowhere.exitCode).toBe(125);
    expect(nowhere.stderr).toContain("/nowhere/x.log");
    const fifo = join(engine.sandbox.home, "fifo");
    Bun.spawnSync(["mkfifo", fifo]);
    const unread = await engine.proa(["run", "--rm", "--log-opt", `path=${fifo}`, place.tiny, "true"]);
    expect([unread.exitCode, unread.stderr]).toEqual([125, expect.stringContaining(fifo)]);
  });

  test("tag, labels and env stand beside each line, and --details shows them", async () => {
    const options = [
      "tag={{.Name}}/{{.ID}}",
      "labels=team",
      "labels-regex=^com",
      "env=COLOUR",
      "env-regex=^X",
    ];
    await ran(
      [
        ...options.flatMap((option) => ["--log-opt", option]),
        ...[
          "--label",
          "team=a b",
          "--label",
          "com.x=1",
          "--label",
          "other=2",
          "-e",
          "COLOUR=red",
          "-e",
          "XY=z",
        ],
      ],
      "echo one; echo two >&2",
    );
    const id = await inspect(place, "web", "{{.Id}}");
    const attrs = { team: "a b", "com.x": "1", COLOUR: "red", XY: "z", tag: `web/${id.slice(0, 12)}` };
    const records = readFileSync(await logPath(), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(records.map((record) => record.attrs)).toEqual([attrs, attrs]);
    expect(Object.keys(records[0])).toEqual(["log", "stream", "attrs", "time"]);
    const shown = `COLOUR=red,XY=z,com.x=1,tag=web%2F${id.slice(0, 12)},team=a+b`;
    expect(await logs("--details")).toMatchObject({ stdout: `${shown} one\n`, stderr: `${shown} two\n` });
    expect((await logs("--details", "-t")).stdout).toMatch(/^\S+Z COLOUR=.* one\n$/);
    expect((await logs()).stdout).toBe("one\n");
  });

  test("--details of a log without any is docker's blank", async () => {
    await ran([], "echo one");
    expect((await logs("--details")).stdout).toBe(" one\n");
  });

  test("configuration gives driver and options to containers that name none", async () => {
    const config = join(engine.sandbox.configHome, "proa/config.toml");
    await Bun.write(config, '[log]\ndriver = "local"\n[log.options]\nmax-size = "1m"\n');
    try {
      await ran([], "echo one");
      expect(await inspect(place, "web", "{{json .HostConfig.LogConfig}}")).toBe(
        '{"Type":"local","Config":{"max-size":"1m"}}',
      );
      expect((await logs()).stdout).toBe("one\n");
      expect(await engine.ok(["info", "-f", "{{.LoggingDriver}}"])).toBe("local");
      const other = await engine.ok(["create", "--log-driver", "json-file", place.tiny, "true"]);
      expect(await inspect(place, other, "{{json .HostConfig.LogConfig.Config}}")).toBe("{}");
      await Bun.write(config, '[log]\ndriver = "local"\n[log.options]\ncolour = "red"\n');
      expect((await engine.proa(["create", place.tiny, "true"])).stderr).toContain(
        "unknown log opt 'colour'",
      );
      await Bun.write(config, "[log]\nlevel = 3\n");
      expect((await engine.proa(["create", place.tiny, "true"])).stderr).toContain(
        'unknown setting "log.level"',
      );
    } finally {
      await Bun.write(config, "");
    }
  });

  test("a full disk costs log lines, logs says how many bytes, and the container goes on", async () => {
    await detach(
      place,
      "web",
      ["sh", "-c", "while ! test -e /go; do sleep 0.02; done; seq 1 20000; sleep 1000"],
      ["--network", "none"],
    );
    const id = await inspect(place, "web", "{{.Id}}");
    const pids = Bun.spawnSync(["pgrep", "-f", `proa-supervise.${id}`])
      .stdout.toString()
      .trim()
      .split("\n");
    expect(pids).toHaveLength(1);
    // A limit of the file's size stands for the disk: the write that crosses it is cut short, the next fails.
    expect(Bun.spawnSync(["prlimit", `--pid=${pids[0]}`, "--fsize=40000"]).exitCode).toBe(0);
    await engine.ok(["exec", "web", "touch", "/go"]);
    const loss = join(engine.sandbox.runtimeDir, "proa/containers", id, "log-lost");
    const whole = Array.from({ length: 20_000 }, (_, i) => `${i + 1}\n`).join("");
    const path = await logPath();
    const logged = () =>
      readFileSync(path, "utf8")
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line).log as string)
        .join("");
    await waitUntil(
      () => existsSync(loss) && Number(readFileSync(loss, "utf8")) === whole.length - logged().length,
      {
        what: "the loss",
      },
    );
    expect(statSync(path).size).toBeLessThanOrEqual(40_000);
    const lost = whole.length - logged().length;
    const running = await logs();
    expect(running.stdout).toBe(logged());
    expect(running.stderr).toContain(`web: ${lost} bytes of its output are not in the log`);
    expect(running.exitCode).toBe(0);
    expect(await inspect(place, "web", "{{.State.LogLostBytes}}")).toBe(String(lost));
    await engine.ok(["kill", "web"]);
    expect((await logs()).stderr).toContain(`web: ${lost} bytes of its output are not in the log`);
    await engine.ok(["start", "web"]);
    await printed(place, "web", "1\n");
    expect((await logs()).stderr).toBe(""); // there is room again, and this life has lost nothing
  });

  test("passthrough hands over the streams of who starts it, also in the background", async () => {
    const options = ["--network", "none", "--log-driver", "passthrough"];
    const script = "cat; echo out; echo err >&2; exit 3";
    const result = await engine.proa(["run", "--name", "web", ...options, place.tiny, "sh", "-c", script], {
      stdin: "in\n",
    });
    expect(result).toMatchObject({ stdout: "in\nout\n", stderr: "err\n", exitCode: 3 });
    expect((await logs()).stderr).toContain("the container has no log (--log-driver passthrough)");
    const background = engine.start([
      "run",
      "-d",
      ...options,
      place.tiny,
      "sh",
      "-c",
      "echo out; ls -l /proc/1/fd/0",
    ]);
    background.stdin.end();
    const lines = (await background.stdout.text()).split("\n"); // to its end: the container holds the other end
    expect(lines.filter((line) => /^[0-9a-f]{64}$/.test(line))).toHaveLength(1);
    expect(lines).toContain("out");
    expect(lines.some((line) => /-> (pipe|socket):/.test(line))).toBe(true);
  });

  test("passthrough is not for attach, for --tty, nor for a terminal, which passthrough-tty takes", async () => {
    const options = ["--network", "none", "--log-driver", "passthrough"];
    const { env } = engine.sandbox; // a pipe would be held by the container
    Bun.spawnSync([proaPath, "run", "-d", "--name", "web", ...options, place.tiny, "sleep", "1000"], {
      env,
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
    });
    const attach = await engine.proa(["attach", "web"]);
    expect([attach.exitCode, attach.stderr]).toEqual([
      1,
      expect.stringContaining("--log-driver passthrough"),
    ]);
    const tty = await engine.proa(["run", "--rm", "-t", ...options, place.tiny, "true"]);
    expect([tty.exitCode, tty.stderr]).toEqual([125, expect.stringContaining("cannot be used with --tty")]);
    const pty = engine.pty(["run", "--rm", ...options, place.tiny, "true"]);
    expect(await pty.exited).toBe(125);
    expect(pty.output).toContain("it is not for a terminal");
    const taken = engine.pty([
      "run",
      "--rm",
      "--network",
      "none",
      "--log-driver",
      "passthrough-tty",
      place.tiny,
      "test",
      "-t",
      "1",
    ]);
    expect(await taken.exited).toBe(0);
  });
});
