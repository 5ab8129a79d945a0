/** --progress of pull, push, load and save on the executable: on stderr, never among the results. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { missing, useTiny } from "../../harness";

describe.skipIf(missing !== null)("--progress", () => {
  const place = useTiny();
  const { engine } = place;
  const archive = () => join(engine.sandbox.home, "tiny.tar");
  const objects = (text: string): { status: string; id?: string }[] =>
    text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));

  test("json: objects of docker's shape for each of them", async () => {
    const commands = [
      ["save", "-o", archive(), place.tiny],
      ["load", "-i", archive()],
      ["pull", place.tiny],
      ["push", place.tiny],
    ];
    for (const [verb = "", ...rest] of commands) {
      const result = await engine.proa([verb, "--progress", "json", ...rest]);
      expect([verb, result.exitCode]).toEqual([verb, 0]);
      for (const { status } of objects(result.stderr)) expect(status).toBeString();
      expect(result.stdout).not.toContain("{");
    }
  });

  test("quiet, and --quiet: nothing but the result", async () => {
    for (const flag of ["--progress=quiet", "--quiet"]) {
      for (const words of [
        ["pull", place.tiny],
        ["load", "-i", archive()],
        ["save", "-o", archive(), place.tiny],
        ["push", place.tiny],
      ]) {
        const { stderr, exitCode } = await engine.proa([...words, flag]);
        expect([words[0], flag, stderr, exitCode]).toEqual([words[0], flag, "", 0]);
      }
    }
  });

  test("auto: lines in a pipe, and bars on a terminal; save says nothing in a pipe", async () => {
    const piped = await engine.proa(["pull", place.tiny]);
    expect(piped.stderr).toMatch(/^[0-9a-f]{12}: Already exists$/m);
    expect(piped.stderr).not.toContain("\x1b");
    expect((await engine.proa(["save", "-o", archive(), place.tiny])).stderr).toBe("");
    const pty = engine.pty(["save", "-o", archive(), place.tiny], { env: { TERM: "xterm" } });
    expect(await pty.exited).toBe(0);
    expect(pty.output).toContain("tiny.tar: Saved");
  });

  test("plain on a terminal: no escape sequence", async () => {
    const pty = engine.pty(["pull", "--progress", "plain", place.tiny], { env: { TERM: "xterm" } });
    expect(await pty.exited).toBe(0);
    expect(pty.output).not.toContain("\x1b");
    const forced = { env: { FORCE_COLOR: "1" } }; // Bun's, which colours what it takes for an error
    expect((await engine.proa(["pull", "--progress", "plain", place.tiny], forced)).stderr).not.toContain(
      "\x1b",
    );
    expect((await engine.proa(["pull", "--progress", "loud", place.tiny])).exitCode).toBe(125);
  });

  test("an archive that could not be written was not saved", async () => {
    const { stderr, exitCode } = await engine.proa([
      "save",
      "--progress",
      "plain",
      "-o",
      "/proc/none/x",
      place.tiny,
    ]);
    expect(exitCode).not.toBe(0);
    expect(stderr).not.toContain("Saved");
  });
});
