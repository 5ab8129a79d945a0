/** Pure parts of the helper, asked through a small program that is compiled with sanitizers. */
import { afterAll, beforeAll, expect } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Compile PROBE, a file beside this one, with SOURCES of native/ and these libraries ("-ljansson"), for the tests of a file.
 * Returns how to ask it: the JSON that it prints for one line, and nothing on stderr, where sanitizers report.
 */
export function useProbe(
  probe: string,
  sources: string[],
  libraries: string[] = [],
): (line: string, args?: string[]) => unknown {
  let directory = "";
  const program = () => join(directory, "probe");
  beforeAll(() => {
    directory = mkdtempSync(join(process.env["PROA_TEST_TMP"] ?? tmpdir(), "probe-"));
    const native = join(import.meta.dir, "../../native");
    const flags = ["-std=gnu11", "-D_GNU_SOURCE", "-O1", "-g", "-fsanitize=address,undefined", `-I${native}`];
    const files = [join(import.meta.dir, probe), ...sources.map((name) => join(native, name))];
    const made = Bun.spawnSync(["gcc", ...flags, "-o", program(), ...files, ...libraries]);
    if (made.exitCode !== 0) throw new Error(`compile the probe: ${made.stderr.toString()}`);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  return (line, args = []) => {
    const run = Bun.spawnSync([program(), ...args], { stdin: Buffer.from(`${line}\n`) });
    expect(run.stderr.toString()).toBe("");
    return JSON.parse(run.stdout.toString());
  };
}
