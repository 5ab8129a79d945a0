import { describe, expect, test } from "bun:test";
import { type OutStream, testIo } from "../../../src/cli/io";
import { palette, pullProgressView, usesColour } from "../../../src/cli/output";

const a = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const b = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

describe("pullProgressView() in a pipe", () => {
  test("prints when a layer begins and when it is done, without escapes", () => {
    const io = testIo();
    const view = pullProgressView(io.stdout, { env: io.env });
    view.update({ kind: "layer", id: a, status: "waiting" });
    view.update({ kind: "layer", id: a, status: "downloading", current: 5, total: 10 });
    view.update({ kind: "layer", id: b, status: "exists" });
    view.message("Digest: x");
    view.update({ kind: "layer", id: a, status: "extracting" });
    view.update({ kind: "layer", id: a, status: "done" });
    view.finish();
    expect(io.out).toBe(
      "aaaaaaaaaaaa: Pulling fs layer\nbbbbbbbbbbbb: Already exists\nDigest: x\naaaaaaaaaaaa: Pull complete\n",
    );
  });

  test("is silent from when nobody reads it, and the pull goes on", () => {
    const io = testIo({ breakAfter: 40 });
    const view = pullProgressView(io.stdout, { env: io.env });
    for (const id of [a, b]) view.update({ kind: "layer", id, status: "waiting" });
    view.finish();
    expect(io.out).toBe("aaaaaaaaaaaa: Pulling fs layer\n");
  });

  test("is as plain on a dumb terminal", () => {
    const io = testIo({ columns: 80, env: { TERM: "dumb" } });
    const view = pullProgressView(io.stdout, { env: io.env });
    view.update({ kind: "layer", id: a, status: "done" });
    view.finish();
    expect(io.out).toBe("aaaaaaaaaaaa: Pull complete\n");
  });
});

describe("pullProgressView() on a terminal", () => {
  /** A terminal whose size can change, and that keeps what was written. */
  function terminal(columns: number, rows = 24) {
    const state = { columns, rows, out: "" };
    const stream: OutStream = {
      isTTY: true,
      get columns() {
        return state.columns;
      },
      get rows() {
        return state.rows;
      },
      write: (data) => {
        state.out += String(data);
      },
    };
    let time = 0;
    const now = () => {
      time += 100;
      return time;
    };
    return { state, view: pullProgressView(stream, { env: {}, now }) };
  }

  test("draws a bar and redraws the line in place", () => {
    const { state, view } = terminal(80);
    view.update({ kind: "layer", id: a, status: "downloading", current: 5_000_000, total: 10_000_000 });
    expect(state.out).toMatch(/^aaaaaaaaaaaa: Downloading \[=+> +\] {2}5MB\/10MB\n$/);
    state.out = "";
    view.update({ kind: "layer", id: a, status: "done" });
    expect(state.out).toBe("\x1b[1A\r\x1b[Jaaaaaaaaaaaa: Pull complete\n");
  });

  test("keeps each line within the terminal, whatever its width", () => {
    for (let columns = 1; columns <= 300; columns++) {
      const { state, view } = terminal(columns);
      view.update({ kind: "layer", id: a, status: "downloading", current: 123_456_789, total: 987_654_321 });
      for (const line of state.out.split("\n"))
        expect(Bun.stringWidth(line)).toBeLessThanOrEqual(Math.max(1, columns - 1));
    }
  });

  test("moves over wrapped lines when the terminal has become narrower", () => {
    const { state, view } = terminal(80);
    view.update({ kind: "layer", id: a, status: "downloading", current: 5, total: 10 });
    const width = Bun.stringWidth(state.out.trimEnd());
    state.columns = 20;
    state.out = "";
    view.update({ kind: "layer", id: a, status: "done" });
    expect(state.out.startsWith(`\x1b[${Math.ceil(width / 20)}A\r\x1b[J`)).toBe(true);
  });

  test("shows those at work when there are more layers than rows", () => {
    const { state, view } = terminal(80, 5);
    for (let each = 0; each < 9; each++) view.update({ kind: "layer", id: `done${each}`, status: "done" });
    state.out = "";
    view.update({ kind: "layer", id: "busy", status: "downloading", current: 1, total: 2 });
    expect(state.out).toContain("busy: Downloading");
    expect(state.out).toContain("… and 7 more");
    state.out = "";
    view.finish();
    expect(state.out.split("\n").length).toBe(11);
  });

  test("prints a message above the bars", () => {
    const { state, view } = terminal(80);
    view.update({ kind: "layer", id: a, status: "done" });
    state.out = "";
    view.message("hello");
    expect(state.out).toBe("\x1b[1A\r\x1b[Jhello\naaaaaaaaaaaa: Pull complete\n");
  });
});

test("usesColour() obeys NO_COLOR, TERM=dumb and CLICOLOR_FORCE", () => {
  const terminal = testIo({ columns: 80 }).stdout;
  const pipe = testIo().stdout;
  expect(usesColour(terminal, {})).toBe(true);
  expect(usesColour(pipe, {})).toBe(false);
  expect(usesColour(terminal, { NO_COLOR: "1" })).toBe(false);
  expect(usesColour(terminal, { TERM: "dumb" })).toBe(false);
  expect(usesColour(pipe, { CLICOLOR_FORCE: "1" })).toBe(true);
  expect(palette(false).red("x")).toBe("x");
  expect(palette(true).red("x")).toBe("\x1b[31mx\x1b[39m");
});

describe("--progress", () => {
  const steps = (view: ReturnType<typeof pullProgressView>): void => {
    view.message("tiny: pulling");
    view.update({ kind: "layer", id: a, status: "waiting" });
    view.update({ kind: "layer", id: a, status: "downloading", current: 5, total: 10 });
    view.update({ kind: "layer", id: a, status: "downloading", current: 5, total: 10 });
    view.update({ kind: "layer", id: a, status: "done" });
    view.finish();
  };

  test("json is an object a line, of the Docker Engine API's shape, each once", () => {
    const io = testIo({ columns: 80 });
    steps(pullProgressView(io.stdout, { env: io.env, mode: "json" }));
    expect(
      io.out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { status: "tiny: pulling" },
      { status: "Pulling fs layer", progressDetail: {}, id: "aaaaaaaaaaaa" },
      { status: "Downloading", progressDetail: { current: 5, total: 10 }, id: "aaaaaaaaaaaa" },
      { status: "Pull complete", progressDetail: {}, id: "aaaaaaaaaaaa" },
    ]);
  });

  test("plain draws nothing on a terminal, tty redraws in a pipe, quiet says nothing", () => {
    const shown = (mode: "plain" | "tty" | "quiet" | "auto", columns?: number): string => {
      const io = testIo(columns === undefined ? {} : { columns, env: { TERM: "xterm" } });
      steps(pullProgressView(io.stdout, { env: io.env, mode }));
      return io.out;
    };
    const plain = "tiny: pulling\naaaaaaaaaaaa: Pulling fs layer\naaaaaaaaaaaa: Pull complete\n";
    expect(shown("plain", 80)).toBe(plain);
    expect(shown("auto")).toBe(plain);
    expect(shown("quiet", 80)).toBe("");
    for (const text of [shown("tty"), shown("auto", 80)]) {
      expect(text).toContain("\x1b[");
      expect(text).toEndWith("aaaaaaaaaaaa: Pull complete\n");
    }
  });
});

test("usesColour() heeds --color first, then NO_COLOR, CLICOLOR_FORCE, CLICOLOR, and the terminal", () => {
  const pipe = () => testIo().stdout;
  const terminal = () => testIo({ columns: 80 }).stdout;
  const cases: [OutStream, Record<string, string>, boolean][] = [
    [terminal(), {}, true],
    [pipe(), {}, false],
    [terminal(), { NO_COLOR: "1" }, false],
    [terminal(), { NO_COLOR: "" }, true],
    [pipe(), { CLICOLOR_FORCE: "1" }, true],
    [pipe(), { CLICOLOR_FORCE: "0" }, false],
    [pipe(), { CLICOLOR_FORCE: "1", NO_COLOR: "1" }, false],
    [terminal(), { CLICOLOR: "0" }, false],
    [terminal(), { TERM: "dumb" }, false],
    [Object.assign(pipe(), { colour: "always" }), { NO_COLOR: "1" }, true],
    [Object.assign(terminal(), { colour: "never" }), { CLICOLOR_FORCE: "1" }, false],
    [Object.assign(terminal(), { colour: "auto" }), {}, true],
  ];
  for (const [stream, env, is] of cases) expect([env, usesColour(stream, env)]).toEqual([env, is]);
});
