import { describe, expect, test } from "bun:test";
import { BrokenPipe } from "../../src/cli/broken-pipe";
import { testIo } from "../../src/cli/io";
import { forEachTarget, reportError } from "../../src/cli/report";
import { EngineError } from "../../src/error";

describe("reportError()", () => {
  test("prints what, on and why, the hint, and gives the error's status", () => {
    const io = testIo();
    const error = new EngineError("not-found", "run", "tiny", "no such image", {
      exitCode: 127,
      hint: "proa pull tiny",
    });
    expect(reportError(io, error, { typed: "proa run" })).toBe(127);
    expect(io.err).toBe("Error: run: tiny: no such image\nhint: proa pull tiny\n");
    expect(io.out).toBe("");
  });

  test("says behind a usage error where to read on", () => {
    const io = testIo();
    reportError(io, new EngineError("usage", "unknown flag: --nmae", "", ""), { typed: "proa run" });
    expect(io.err).toBe("Error: unknown flag: --nmae\nSee 'proa run --help'.\n");
  });

  test("calls a bug a bug, without its stack", () => {
    const io = testIo();
    expect(reportError(io, new TypeError("x is undefined"))).toBe(125);
    expect(io.err).toContain("Error: internal: x is undefined\n");
    expect(io.err).not.toContain("report.test");
  });

  test("puts a bare system error into words", () => {
    const io = testIo();
    const error = Object.assign(new Error("ENOSPC: …"), { code: "ENOSPC", syscall: "write", path: "/x" });
    expect(reportError(io, error)).toBe(125);
    expect(io.err).toBe("Error: write: /x: no space left on device\n");
  });

  test("prints the stack and the facts of each cause under --debug", () => {
    const io = testIo();
    const cause = Object.assign(new Error("deep"), { facts: { errno: "EPERM" } });
    reportError(io, new EngineError("helper", "start", "web", cause), { debug: true });
    expect(io.err).toContain("report.test");
    expect(io.err).toContain("caused by: Error: deep");
    expect(io.err).toContain('"errno":"EPERM"');
  });

  test("lets nothing through that a terminal would obey", () => {
    const io = testIo();
    reportError(io, new EngineError("registry", "pull", "x\x1b[31m\u202e", "a\rb\x9b2J"));
    expect(io.err).toBe("Error: pull: x\\u001b[31m\\u202e: a\\u000db\\u009b2J\n");
  });

  test("is silent about a closed pipe", () => {
    const io = testIo();
    expect(reportError(io, new BrokenPipe())).toBe(0);
    expect(io.err).toBe("");
  });
});

describe("forEachTarget()", () => {
  test("does all targets, prints the good ones, reports the others, and gives 1", async () => {
    const io = testIo();
    const status = await forEachTarget(io, ["a", "b", "c"], async (name) => {
      if (name === "b") throw new EngineError("not-found", "rm", name, "no such container");
      return name;
    });
    expect(io.out).toBe("a\nc\n");
    expect(io.err).toBe("Error: rm: b: no such container\n");
    expect(status).toBe(1);
  });

  test("prints nothing for a target without a name, and gives 0", async () => {
    const io = testIo();
    expect(await forEachTarget(io, ["a"], () => undefined)).toBe(0);
    expect(io.out).toBe("");
  });

  test("does the work although nobody reads the names, then ends quietly", async () => {
    const io = testIo({ breakAfter: 2 });
    const done: string[] = [];
    const run = forEachTarget(io, ["a", "b", "c"], (name) => {
      done.push(name);
      return name;
    });
    expect(run).rejects.toBeInstanceOf(BrokenPipe);
    await run.catch(() => undefined);
    expect(done).toEqual(["a", "b", "c"]);
  });
});
