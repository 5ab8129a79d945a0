import { describe, expect, test } from "bun:test";
import { shownFlags } from "../../src/cli/catalogue";
import { allCommands, nouns } from "../../src/cli/commands";
import { globalArgs } from "../../src/cli/globals";
import type { AnyCommand, Args } from "../../src/cli/tree";
import { useEngine } from "../harness";

const engine = useEngine();
const all: [string, AnyCommand][] = await Promise.all(
  allCommands().map(
    async (entry): Promise<[string, AnyCommand]> => [entry.path, (await entry.load()).command],
  ),
);

test("no two commands share a name, and each noun is declared", () => {
  const names = allCommands().flatMap(({ path, aliases }) => [path, ...aliases]);
  expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
  const first = new Set(names.filter((name) => name.includes(" ")).map((name) => name.split(" ")[0] ?? ""));
  expect([...first].filter((name) => !nouns.some((noun) => noun.name === name))).toEqual([]);
  expect(nouns.filter(({ name }) => names.includes(name))).toEqual([]); // a noun is no command
});

describe("each definition", () => {
  for (const [path, { args, meta, parsed }] of all) {
    test(`${path} is complete and without contradictions`, () => {
      expect(meta.description).toMatch(/^[A-Z].*[^.]$/);
      const long: string[] = [];
      const short: string[] = [];
      let last: { required?: boolean; rest?: boolean } | undefined;
      for (const [key, arg] of Object.entries(args as Args)) {
        expect(arg.description).toMatch(/^\S.*[^.]$/s);
        if (arg.type === "positional") {
          expect(last?.rest).not.toBe(true); // nothing can follow what takes the rest
          if (last?.required === false) expect(arg.required).toBe(false);
          last = arg;
          continue;
        }
        expect(key).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
        long.push(key, ...(arg.hiddenNames ?? []));
        if (arg.alias !== undefined) {
          expect(arg.alias).toMatch(/^[A-Za-z0-9]$/);
          short.push(arg.alias);
        }
        if (arg.type !== "boolean") expect(arg.valueHint).toMatch(/^[A-Z]/);
      }
      expect(long.filter((name, at) => long.indexOf(name) !== at)).toEqual([]);
      expect(short.filter((name, at) => short.indexOf(name) !== at)).toEqual([]);
      // podman's logs --color is another thing: colours that tell containers apart
      const isOwn = (name: string) => path === "container logs" && name === "color";
      expect(
        long.filter((name) => (Object.hasOwn(globalArgs, name) && !isOwn(name)) || name === "help"),
      ).toEqual([]);
      if (parsed === false)
        expect(Object.values(args as Args).map(({ type }) => type)).toEqual(["positional"]);
    });
  }
});

describe("each flag of each command", () => {
  for (const [path, { args, meta }] of all) {
    if (meta.hidden === true) continue;
    test(`of ${path} is in its help and its completion`, async () => {
      const help = await engine.ok([...path.split(" "), "--help"]);
      const offered = (await engine.ok(["__complete", ...path.split(" "), "--"]))
        .split("\n")
        .map((line) => line.split("\t")[0]);
      for (const [name] of shownFlags(args)) {
        expect(help).toContain(`--${name}`);
        expect(offered).toContain(`--${name}`);
      }
    });
  }
});
