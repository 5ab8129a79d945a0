/** `--log-level` and `--debug`: what is told, where, and that nothing is told otherwise. */
import { afterAll, describe, expect, test } from "bun:test";
import { missing, useEngine, useTiny } from "../harness";

const LINE = /^time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z" level=(\w+) msg="(.*)"$/;

const told = (stderr: string): { level: string; message: string }[] =>
  stderr
    .trim()
    .split("\n")
    .flatMap((line) => {
      const [, level, message] = LINE.exec(line) ?? [];
      return level === undefined ? [] : [{ level, message: message ?? "" }];
    });

describe("--log-level", () => {
  const engine = useEngine();
  afterAll(() => engine.assertNothingLeft());

  test("info: when the command began and how it ended", async () => {
    const { stderr, stdout } = await engine.proa(["--log-level", "info", "ps", "-q"]);
    expect(stdout).toBe("");
    const lines = told(stderr);
    expect(lines.map(({ level }) => level)).toEqual(["info", "info"]);
    expect(lines[0]?.message).toMatch(/^proa ps: begun by process \d+$/);
    expect(lines[1]?.message).toMatch(/^proa ps: ended with status 0 \([\d.]+ ms\)$/);
    expect(stderr.trim().split("\n")).toHaveLength(2);
  });

  test("debug: every call of the helper with its time, up to the one that the process becomes", async () => {
    const { stderr, exitCode } = await engine.proa(["--debug", "run", "--rm", "hello"]);
    expect(exitCode).toBe(0);
    const messages = told(stderr).map(({ message }) => message);
    expect(messages.filter((each) => /^open database .*: at once \([\d.]+ ms\)$/.test(each))).toHaveLength(1);
    expect(messages.some((each) => /^helper layer-apply: status 0 \([\d.]+ ms\)$/.test(each))).toBe(true);
    expect(messages.at(-1)).toMatch(/^helper run: process \d+ becomes it$/);
  });

  test("trace: statements of the database as well, each once", async () => {
    const { stderr } = await engine.proa(["--log-level=trace", "ps", "-a"]);
    const statements = told(stderr).filter(({ level }) => level === "trace");
    expect(statements.length).toBeGreaterThan(0);
    for (const { message } of statements) expect(message).toMatch(/^database: \S.*: done \([\d.]+ ms\)$/);
    const selects = statements.filter(({ message }) => message.includes("FROM container"));
    expect(new Set(selects.map(({ message }) => message)).size).toBe(selects.length);
  });

  test("warn is what is told anyway: nothing where all is well", async () => {
    for (const level of ["warn", "warning", "error", "fatal", "panic"]) {
      const { stderr, exitCode } = await engine.proa(["--log-level", level, "ps"]);
      expect([level, stderr, exitCode]).toEqual([level, "", 0]);
    }
  });

  test("stands in front of the verb, there also as -l, or behind it", async () => {
    expect((await engine.proa(["-l", "info", "ps", "-q"])).stderr).toContain("level=info");
    expect((await engine.proa(["ps", "-q", "--log-level", "info"])).stderr).toContain("level=info");
    const latest = await engine.proa(["ps", "-l", "-q"]); // the verb's own
    expect([latest.stderr, latest.exitCode]).toEqual(["", 0]);
  });

  test("that is unknown is refused", async () => {
    const { stderr, exitCode } = await engine.proa(["--log-level", "loud", "ps"]);
    expect(exitCode).toBe(125);
    expect(stderr).toContain('invalid argument "loud" for "-l, --log-level" flag: must be one of "trace"');
    expect(stderr).not.toContain("    at ");
  });

  test("error keeps warnings back", async () => {
    const env = { PATH: "/nowhere" };
    const warned = await engine.proa(["info"], { env });
    const silent = await engine.proa(["--log-level", "error", "info"], { env });
    const lines = (text: string) => text.split("\n").filter((line) => line.startsWith("Warning: "));
    expect(lines(silent.stderr)).toEqual([]);
    expect(silent.stdout.split("\n")[0]).toBe(warned.stdout.split("\n")[0] ?? "");
  });

  test("debug shows the stack of an error, which is not shown otherwise", async () => {
    const usual = await engine.proa(["inspect", "-f", "{{", "x"]);
    expect(usual.stderr).not.toMatch(/^ +at /m);
    for (const flag of [["--debug"], ["--log-level", "debug"]]) {
      const { stderr } = await engine.proa([...flag, "rmi", "nosuch/image"]);
      expect(told(stderr).length).toBeGreaterThan(0);
    }
    const { stderr } = await engine.proa(["--log-level", "debug", "pull", "127.0.0.1:1/app"]);
    expect(stderr).toMatch(/^debug: EngineError|^debug: RegistryError/m);
  });
});

describe.skipIf(missing !== null)("--debug of a pull", () => {
  const place = useTiny();
  test("tells every request to the registry with its status and time", async () => {
    const { stderr, exitCode } = await place.engine.proa(["--debug", "pull", "--quiet", place.tiny]);
    expect(exitCode).toBe(0);
    const requests = told(stderr).filter(({ message }) => /^(GET|HEAD) http/.test(message));
    expect(requests.length).toBeGreaterThan(0);
    for (const { message } of requests) expect(message).toMatch(/: status \d{3} \([\d.]+ ms\)$/);
  });

  test("tells no password, neither of a proxy nor of a log-in", async () => {
    const secret = "pass-word-1234";
    const { stderr } = await place.engine.proa([
      "--log-level",
      "trace",
      "pull",
      "--quiet",
      "--creds",
      `me:${secret}`,
      place.tiny,
    ]);
    expect(told(stderr).length).toBeGreaterThan(0);
    expect(stderr).not.toContain(secret);
    expect(stderr).not.toContain(btoa(`me:${secret}`));
  });
});
