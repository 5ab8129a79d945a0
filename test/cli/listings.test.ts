/** What every command that lists things takes and does, and --color and --progress on the executable. Enumerates the tree. */
import { afterAll, describe, expect, test } from "bun:test";
import { loadCommands, shownFlags } from "../../src/cli/catalogue";
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
