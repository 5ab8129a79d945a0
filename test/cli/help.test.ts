import { describe, expect, test } from "bun:test";
import { commands } from "../../src/cli/commands";
import { helpFor } from "../../src/cli/help";

describe("helpFor()", () => {
  test("fits terminals from 40 to 300 columns", async () => {
    const topics = [[], ["container"], ...commands.map(({ path }) => path.split(" "))];
    for (const columns of [40, 60, 80, 120, 300]) {
      for (const topic of topics) {
        const lines = (await helpFor(topic, { columns })).split("\n");
        // A command in an example and a flag with its value are not broken.
        const long = lines.filter(
          (line) => Bun.stringWidth(line) > columns && !/^ {2}\S|^ {6}--|^\s+\S+$/.test(line),
        );
        expect(long).toEqual([]);
      }
    }
  });

  test("is made of lines without blanks at their end, and ends in one line end", async () => {
    for (const topic of [[], ["container"], ["run"]]) {
      const text = await helpFor(topic);
      expect(text).not.toMatch(/[ \t]\n/);
      expect(text).toEndWith("\n");
      expect(text).not.toMatch(/\n\n\n/);
    }
  });

  test("shows a small command whole", async () => {
    expect(await helpFor(["completion"], { columns: 100 })).toBe(`Usage:  proa completion SHELL

Print the completion script of a shell

Global options:
      --config DIR             Directory of proa's configuration files
  -D, --debug                  Print the stack and all known facts of an error
      --storage-driver DRIVER  How layers and containers are stored (overlay, fuse-overlayfs, vfs)

Examples:
  source <(proa completion bash)
      completion in this bash
  proa completion fish > ~/.config/fish/completions/proa.fish
      completion in every fish
`);
  });

  test("refuses a topic that is none", () => {
    expect(helpFor(["nope"])).rejects.toThrow("no help topic: nope");
  });
});
