import { describe, expect, test } from "bun:test";
import { indexFlags } from "../../src/cli/args";
import { allCommands } from "../../src/cli/commands";
import { flagsIn, flagText } from "../../src/cli/flag-text";
import type { Args } from "../../src/cli/tree";

const letters = Array.from({ length: 94 }, (_, at) => String.fromCharCode(33 + at));

describe("flags as text", () => {
  test("are found as those of the definition are, in every command", async () => {
    for (const { load } of allCommands()) {
      const args: Args = (await load()).command.args;
      const ours = flagsIn(flagText(args));
      const theirs = indexFlags(args);
      expect(ours.names()).toEqual(theirs.names());
      const hidden = Object.values(args).flatMap((arg) =>
        arg.type === "positional" ? [] : (arg.hiddenNames ?? []),
      );
      for (const name of [...Object.keys(args), ...hidden])
        expect(ours.long(name)).toEqual(theirs.long(name));
      for (const letter of letters) expect(ours.short(letter)).toEqual(theirs.short(letter));
    }
  });

  test("are not found by what stands beside them", () => {
    const text = flagText({
      all: { type: "boolean", alias: "a", description: "", hiddenNames: ["every"] },
      secret: { type: "string", valueHint: "X\tY", description: "a\nb", hidden: true },
      image: { type: "positional", description: "" },
    });
    const { long, short, names } = flagsIn(text);
    expect(names()).toEqual(["all"]);
    expect(long("every")?.key).toBe("all");
    expect(long("secret")?.arg).toMatchObject({ valueHint: "X\tY", description: "a\nb" });
    const line = text.slice(1).split("\n", 1)[0] ?? "";
    for (const name of ["", "image", "al", "ll", "a", "\n", "\t", `${line}\nsecret`, ">all", "every\t>all"])
      expect(long(name)).toBeUndefined();
    for (const letter of ["", "b", ">", "\n", "{", "\t"]) expect(short(letter)).toBeUndefined();
  });

  test("of a command without any are none", () => {
    const { long, short, names } = flagsIn(flagText({}));
    expect([names(), long("x"), short("x")]).toEqual([[], undefined, undefined]);
  });
});
