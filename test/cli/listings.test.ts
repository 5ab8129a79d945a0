/** What every command that lists things takes and does, and --color and --progress on the executable. Enumerates the tree. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { loadCommands, shownFlags } from "../../src/cli/catalogue";
import type { Args } from "../../src/cli/tree";
import { useEngine } from "../harness";

const engine = useEngine();
afterAll(() => engine.assertNothingLeft());

const loaded = await loadCommands();
/** Lists by the noun that they are of; what a list of one thing's parts is called (history, stats) beside them. */
const lists = loaded.filter(({ entry }) => /^\w+ (ls|list|history|stats)$/.test(entry.path));
const has = ({ definition }: (typeof lists)[number], flag: string): boolean =>
  shownFlags(definition.args).some(([name]) => name === flag);

describe("commands that list", () => {
  test("are found", () => {
    const paths = lists.map(({ entry }) => entry.path);
    for (const path of ["container ls", "image ls", "network ls", "volume ls", "secret ls"])
      expect(paths).toContain(path);
  });

  test("take --format, the lists of things also --quiet and --noheading", () => {
    for (const each of lists) {
      const wanted = each.entry.path.endsWith(" ls") ? ["format", "quiet", "noheading"] : ["format"];
      // A checkpoint is refused as such: CRIU needs root.
      if (each.entry.path.startsWith("checkpoint ")) continue;
      for (const flag of wanted)
        expect([each.entry.path, flag, has(each, flag)]).toEqual([each.entry.path, flag, true]);
    }
  });

  test("print titles, none with --noheading, and nothing with --quiet, where there is nothing", async () => {
    for (const { entry } of lists.filter((each) => has(each, "noheading") && has(each, "quiet"))) {
      if (!/ ls$/.test(entry.path)) continue;
      const words = entry.path.split(" ");
      const table = await engine.ok(words);
      expect([entry.path, table.split("\n")[0]]).toEqual([
        entry.path,
        expect.stringMatching(/^[A-Z][A-Z ]+$/),
      ]);
      const body = table.includes("\n") ? table.slice(table.indexOf("\n") + 1) : "";
      expect([entry.path, await engine.ok([...words, "--noheading"])]).toEqual([entry.path, body]);
      const json = await engine.ok([...words, "--format", "json"]);
      for (const line of json.split("\n").filter((each) => each !== "" && each !== "[]")) JSON.parse(line);
    }
  });
});

test.each([20, 30, 60, 300])("lists on a terminal of %d columns are no wider", async (cols) => {
  await engine.ok(["run", "--rm", "hello"]); // an image to be listed
  for (const { entry, definition } of lists) {
    if (entry.path.startsWith("checkpoint ")) continue;
    const args = [...entry.path.split(" ")];
    if (entry.path === "image history") args.push("hello");
    if (Object.hasOwn(definition.args, "no-stream")) args.push("--no-stream");
    const pty = engine.pty(args, { cols });
    expect([args, await pty.exited, pty.output.includes("\n")]).toEqual([args, 0, true]);
    const lines = pty.output.replaceAll("\r", "").split("\n");
    expect(lines.filter((line) => Bun.stringWidth(line) > cols)).toEqual([]);
  }
});

describe("a template that is none", () => {
  const taking = (kind: string) =>
    loaded
      .filter(({ definition }) => definition.args["format"]?.value === kind)
      .map(({ entry }) => entry.path);
  // what it needs to come so far; a search asks a registry before
  const operands: Record<string, string[]> = { "image history": ["hello"] };
  const documents = taking("format").map((path): [string, number] => [path, 64]);
  const rows = taking("row-format").map((path): [string, number] => [path, 1]);

  test("is refused by each command that takes one", () => {
    const paths = [...documents, ...rows].map(([path]) => path);
    expect(paths).toContain("container inspect");
    expect(paths).toContain("container ls");
    expect(paths.length).toBeGreaterThan(20);
  });

  test.each([...documents, ...rows].filter(([path]) => path !== "image search"))(
    "of %s is a usage error with docker's exit status %d",
    async (path, status) => {
      if (path === "image history") await engine.ok(["run", "--rm", "hello"]);
      const { args } = loaded.find(({ entry }) => entry.path === path)?.definition ?? {};
      const isOfNames = Object.values((args ?? {}) as Args).some(({ type }) => type === "positional");
      const given = operands[path] ?? (status === 64 && isOfNames ? ["nosuch"] : []);
      const { stdout, stderr, exitCode } = await engine.proa([
        ...path.split(" "),
        "--format",
        "{{",
        ...given,
      ]);
      expect([stdout, stderr.split("\n")[0]]).toEqual([
        "",
        "Error: template parsing error: template: :1: unclosed action",
      ]);
      expect(exitCode).toBe(status);
    },
  );

  test("of docker's document of the whole disk's use is an error as that of its table is", async () => {
    const { exitCode } = await engine.proa(["system", "df", "-v", "--format", "{{"]);
    expect(exitCode).toBe(1);
  });
});

describe("lists of keys and values", () => {
  const labels = "purpose=to be seen on terminals of all widths there are";
  beforeAll(() => engine.ok(["secret", "create", "-l", labels, "narrow", "-"], { stdin: "x" }));
  afterAll(() => engine.ok(["secret", "rm", "narrow"]));

  test("are one line a key in a pipe", async () => {
    for (const line of (await engine.ok(["info"])).split("\n")) expect(line).toMatch(/^[A-Z][A-Za-z ]+:\s/);
    expect(await engine.ok(["secret", "inspect", "--pretty", "narrow"])).toMatch(
      new RegExp(`^Labels: +${labels}$`, "m"),
    );
  });

  test.each([20, 25, 32, 40, 60, 80, 120, 300])(
    "hang beside or below their keys on a terminal of %d columns",
    async (cols) => {
      for (const args of [["info"], ["doctor"], ["secret", "inspect", "--pretty", "narrow"]]) {
        const pty = engine.pty(args, { cols, rows: 500, env: { NO_COLOR: "1" } });
        const status = await pty.exited;
        if (args[0] !== "doctor") expect(status).toBe(0); // a finding is none of ours
        const lines = pty.output.replaceAll("\r", "").trimEnd().split("\n");
        expect(lines.length).toBeGreaterThan(5);
        // what is wider is one word, or a command to be copied
        const wide = lines.filter((line) => Bun.stringWidth(line) > cols && !line.startsWith("      mend "));
        expect(wide.filter((line) => line.trim().includes(" "))).toEqual([]);
      }
    },
  );
});

describe("--color", () => {
  test("always colours help in a pipe, never and NO_COLOR none on a terminal, auto a terminal", async () => {
    expect(await engine.ok(["--color", "always", "--help"])).toContain("\x1b[1m");
    expect(await engine.ok(["run", "--color", "always", "--help"])).toContain("\x1b[1m");
    expect(await engine.ok(["--color=auto", "--help"])).not.toContain("\x1b");
    expect(await engine.ok(["--help"], { env: { CLICOLOR_FORCE: "1" } })).toContain("\x1b[1m");
    const shown = async (args: string[], env: Record<string, string>) => {
      const pty = engine.pty(args, { env: { TERM: "xterm", ...env }, rows: 500 });
      await pty.exited;
      return pty.output;
    };
    expect(await shown(["--help"], {})).toContain("\x1b[1m");
    expect(await shown(["--help"], { NO_COLOR: "1" })).not.toContain("\x1b[1m");
    expect(await shown(["--color", "never", "--help"], {})).not.toContain("\x1b[1m");
    expect((await engine.proa(["--color", "pink", "ps"])).exitCode).toBe(125);
  });
});

describe("proa help", () => {
  test("on a terminal that is too low goes through $PAGER, in a pipe as it is", async () => {
    const env = { PAGER: "sed 's/^/paged: /'", TERM: "xterm", NO_COLOR: "1" };
    const pty = engine.pty(["help", "networks"], { env, rows: 20 });
    expect(await pty.exited).toBe(0);
    expect(pty.output).toContain("paged: NAME");
    expect(await engine.ok(["help", "networks"], { env })).toStartWith("NAME\n");
    const missing = engine.pty(["help", "networks"], { env: { ...env, PAGER: "/no/such/pager" }, rows: 20 });
    expect(await missing.exited).toBe(0);
    expect(missing.output).toContain("PUBLISHED PORTS");
    const PATH = "/nosuch"; // no less and no more
    const bare = engine.pty(["help", "networks"], { env: { TERM: "xterm", NO_COLOR: "1", PATH }, rows: 20 });
    expect(await bare.exited).toBe(0);
    expect(bare.output.trimStart()).toStartWith("NAME");
  });

  test("names what was probably meant, with exit status 125 and no stack", async () => {
    for (const [args, hint] of [
      [["help", "rnu"], "did you mean run"],
      [["imges"], 'did you mean "proa images"'],
      [["run", "--voluem", "x", "y"], "did you mean --volume"],
      [["network", "crate"], 'did you mean "proa network create"'],
    ] as const) {
      const { stdout, stderr, exitCode } = await engine.proa(args);
      expect([stdout, exitCode]).toEqual(["", 125]);
      expect(stderr).toContain(`hint: ${hint}`);
      expect(stderr).not.toMatch(/^ +at /m);
    }
  });
});
