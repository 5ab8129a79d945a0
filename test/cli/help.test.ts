import { describe, expect, test } from "bun:test";
import { loadCommands, shownFlags, shownName } from "../../src/cli/catalogue";
import { allCommands, nouns } from "../../src/cli/commands";
import { helpFor } from "../../src/cli/help";
import { grouped } from "../../src/cli/help-groups";
import { testIo } from "../../src/cli/io";

const loaded = await loadCommands();
const topics = [[], ...nouns.map(({ name }) => [name]), ...loaded.map(({ entry }) => entry.path.split(" "))];

describe("helpFor()", () => {
  test.each([20, 21, 30, 40, 49, 50, 60, 79, 80, 100, 120, 200, 300])(
    "fits a terminal of %d columns, whatever it is about",
    async (columns) => {
      for (const topic of topics) {
        const lines = (await helpFor(topic, { columns })).split("\n");
        expect(lines.filter((line) => Bun.stringWidth(line) > columns)).toEqual([]);
      }
    },
  );

  test("shows every flag of every command, its short name too, at any width", async () => {
    for (const { entry, definition } of loaded) {
      const texts = await Promise.all([20, 80].map((columns) => helpFor(entry.path.split(" "), { columns })));
      for (const [name, { alias }] of shownFlags(definition.args)) {
        for (const text of texts) {
          // A name may be cut, or parted from its short one, where a line ends.
          const joined = text.replace(/\n {2,}/g, "").replaceAll(", ", ",");
          expect(joined).toContain(alias === undefined ? `--${name}` : `-${alias},--${name}`);
        }
      }
    }
  });

  test("says no value of an option twice, and each default in the same way", async () => {
    for (const { entry } of loaded) {
      const text = (await helpFor(entry.path.split(" "), { columns: 120 })).replace(/\n {3,}/g, " ");
      expect(text).not.toMatch(/\(default \d/);
      expect(text).not.toMatch(/\((\w+); default: \1\)/);
      for (const [, words = ""] of text.matchAll(/\((\w+(?:, [\w-]+)+)(?:;[^)]*)?\)/g))
        expect([entry.path, text.split(words).length]).toEqual([entry.path, text.split(`(${words}`).length]);
    }
  });

  test("is made of lines without blanks at their end, and ends in one line end", async () => {
    for (const topic of topics) {
      const text = await helpFor(topic);
      expect(text).not.toMatch(/[ \t]\n/);
      expect(text).toEndWith("\n");
      expect(text).not.toMatch(/\n\n\n/);
    }
  });

  test("breaks a command in an example as a shell goes on with it", async () => {
    const text = await helpFor(["run"], { columns: 40 });
    const example = /Examples:\n([\s\S]*)\n\n/.exec(text)?.[1] ?? "";
    expect(example).toContain("  proa run -d --name web -p 8080:80 \\\n    nginx\n");
  });

  test("shows a small command whole", async () => {
    expect(await helpFor(["volume", "exists"], { columns: 100 })).toMatch(
      /^Usage: {2}proa volume exists VOLUME\n\nTell by the exit status whether a volume is there\n\nGlobal options:\n/,
    );
    expect(await helpFor(["volume", "exists"], { columns: 100 })).toContain(
      "\n  -D, --debug                   Tell what is done and how long it takes, and of an error all that is\n                                known\n",
    );
    expect(await helpFor(["volume", "exists"], { columns: 100 })).toContain(
      "Examples:\n  proa volume exists data || proa volume create data\n      make it where it is missing\n",
    );
  });

  test("names commands, nouns, global options and subjects for proa itself", async () => {
    const text = await helpFor([]);
    const headings = [...text.matchAll(/^(\S.*):$/gm)].map(([, heading]) => heading);
    expect(headings).toEqual([
      "Common commands",
      "Management commands",
      "Commands",
      "Global options",
      "Subjects",
    ]);
    for (const entry of allCommands()) {
      const name = shownName(entry);
      if (name.includes(" ") || name.startsWith("_")) continue;
      expect(text).toMatch(new RegExp(`^  ${name} `, "m"));
    }
    expect(text).toMatch(/^ {2}networks +How containers reach/m);
  });

  test("is without colours but where they are asked for: then its headings are bold", async () => {
    const { stdout, env } = testIo({ columns: 80, env: { TERM: "xterm" } });
    const coloured = await helpFor(["run"], { columns: 80, on: stdout, env });
    expect(coloured).toStartWith("\x1b[1mUsage:\x1b[22m");
    expect(coloured).toContain("\x1b[1mCommon options:\x1b[22m\n");
    const plain = await helpFor(["run"], { columns: 80, on: stdout, env: { ...env, NO_COLOR: "1" } });
    expect(plain).toBe(Bun.stripANSI(coloured));
    expect(plain).not.toContain("\x1b");
  });

  test("refuses a topic that is none, and names the nearest", () => {
    expect(helpFor(["nope"])).rejects.toThrow("no help topic: nope");
    expect(helpFor(["netwrk"])).rejects.toMatchObject({ hint: "did you mean network or networks?" });
  });
});

describe("the options of a command", () => {
  test("that has few stand in one list, with groups that its definition names", () => {
    const ps = loaded.find(({ name }) => name === "ps");
    expect(grouped(shownFlags(ps?.definition.args ?? {})).map(([heading]) => heading)).toEqual(["Options"]);
  });

  test("that has many begin with the common ones, and each has a theme", () => {
    const run = loaded.find(({ name }) => name === "run");
    const groups = grouped(shownFlags(run?.definition.args ?? {}));
    const [first] = groups;
    expect(first?.[0]).toBe("Common options");
    expect(first?.[1].slice(0, 5).map(([name]) => name)).toEqual([
      "detach",
      "interactive",
      "tty",
      "rm",
      "name",
    ]);
    const count = groups.reduce((sum, [, flags]) => sum + flags.length, 0);
    expect(count).toBe(shownFlags(run?.definition.args ?? {}).length);
    const more = groups.find(([heading]) => heading === "More")?.[1] ?? [];
    expect(more.length).toBeLessThan(6);
  });
});
