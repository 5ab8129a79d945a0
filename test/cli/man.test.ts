import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { loadCommands, shownFlags, shownName } from "../../src/cli/catalogue";
import { allCommands } from "../../src/cli/commands";
import { manPages, pageAbout } from "../../src/cli/man";
import { inlineOf, sectionsOf } from "../../src/cli/page";
import { textOf } from "../../src/cli/page-text";
import { subjects } from "../../src/cli/pages";
import { flagExamples } from "../../src/cli/pages/options";
import { configKeys } from "../../src/state";
import { useEngine } from "../harness";

const root = resolve(import.meta.dir, "../..");
const folder = join(root, "man");
const pages = await manPages();
const loaded = await loadCommands();
const pageOf = (name: string): string => pages.get(`proa-${name.replaceAll(" ", "-")}.1`) ?? "";
const asRoff = (text: string): string => text.replaceAll("-", "\\-");

describe("man pages", () => {
  test("in man/ are those that the definitions make", () => {
    expect(readdirSync(folder).toSorted()).toEqual([...pages.keys()].toSorted());
    for (const [name, text] of pages) expect(readFileSync(join(folder, name), "utf8")).toBe(text);
  });

  test("have every flag of their command", async () => {
    for (const entry of allCommands()) {
      const { command } = await entry.load();
      if (command.meta.hidden === true) continue;
      const text = pageOf(shownName(entry));
      for (const [name] of shownFlags(command.args)) expect(text).toContain(asRoff(`--${name}`));
    }
  });

  test("have what a page has: synopsis, description, options, exit status, see also", () => {
    for (const { name } of loaded) {
      const headings = [...pageOf(name).matchAll(/^\.SH "?([^"\n]*)"?$/gm)].map(([, heading]) => heading);
      expect(headings.slice(0, 3)).toEqual(["NAME", "SYNOPSIS", "DESCRIPTION"]);
      for (const heading of ["GLOBAL OPTIONS", "EXIT STATUS", "SEE ALSO"])
        expect(headings).toContain(heading);
    }
  });

  test("of commands that read files and variables name them", () => {
    expect(pageOf("pull")).toContain("registries.conf");
    expect(pageOf("pull")).toContain(".SH ENVIRONMENT\n");
    expect(pageOf("run")).toContain("/etc/subuid");
    expect(pageOf("help")).not.toContain("/etc/subuid");
    expect(pages.get("proa.1")).toContain("XDG_RUNTIME_DIR");
  });

  test("name every variable that the code reads", async () => {
    // What every program heeds, what only proa tells itself, and what is looked at to give advice.
    const others = /^(HOME|PATH|LESS|FPATH|MANPATH|PROA_\w+|BUN_\w+)$/;
    const text = pages.get("proa.1") ?? "";
    const names = new Set<string>();
    for (const file of new Bun.Glob("src/**/*.ts").scanSync(root)) {
      const code = await Bun.file(join(root, file)).text();
      for (const [, dotted, quoted] of code.matchAll(/\benv(?:\.([A-Z][A-Z_]+)|\["([A-Z_]+)"\])/g))
        names.add(dotted ?? quoted ?? "");
    }
    expect(names.size).toBeGreaterThan(15);
    for (const name of names) if (!others.test(name)) expect(text).toContain(name);
  });

  test("give examples and units of options that there are", () => {
    const known = new Set(
      loaded.flatMap(({ entry, definition }) =>
        shownFlags(definition.args).flatMap(([name]) => [name, `${entry.path} ${name}`]),
      ),
    );
    expect(Object.keys(flagExamples).filter((name) => !known.has(name))).toEqual([]);
    expect(pageOf("run")).toContain("127.0.0.1:8080:80/tcp");
    expect(pageOf("run")).toContain("with a unit of 1024");
  });

  test("refer to pages of proa that there are", () => {
    for (const text of pages.values()) {
      for (const [, name = "", number = ""] of text.matchAll(/(proa(?:[\w.]|\\-)*)(?:\\fR)?\((\d)\)/g))
        expect([...pages.keys()]).toContain(`${name.replaceAll("\\-", "-")}.${number}`);
    }
  });

  test.skipIf(Bun.which("mandoc") === null)("are without fault for mandoc [needs mandoc]", () => {
    const names = readdirSync(folder).map((name) => join(folder, name));
    const result = Bun.spawnSync(["mandoc", "-T", "lint", ...names]);
    expect(result.stdout.toString()).toBe("");
  });

  test.skipIf(Bun.which("groff") === null)("are without a warning for groff [needs groff]", () => {
    const names = readdirSync(folder).map((name) => join(folder, name));
    const result = Bun.spawnSync(["groff", "-Kutf8", "-man", "-Tutf8", "-ww", "-z", ...names]);
    expect(result.stderr.toString()).toBe("");
  });

  test("show a flag, its value and a hyphen as they are typed", () => {
    expect(pages.get("proa-run.1")).toContain("\\fB\\-\\-name\\fR \\fINAME\\fR\n");
  });
});

describe("exit statuses", () => {
  const engine = useEngine();
  const statusesOf = (name: string): string[] => {
    const [, section = ""] = /\.SH "EXIT STATUS"\n([\s\S]*?)\n\.SH /.exec(pageOf(name)) ?? [];
    return [...section.matchAll(/^\.TP\n\\fB(.*)\\fR\n/gm)].map(([, status = ""]) => status);
  };
  const withNothing = [
    ...["why", "rm", "stop", "inspect", "logs", "kill", "port", "start", "wait", "top", "rmi", "update"],
    ...["network rm", "volume rm", "artifact inspect", "artifact rm"],
  ].map((name) => [...name.split(" "), "nosuch"]);

  test.each([
    ...withNothing,
    ["exec", "nosuch", "true"],
    ["cp", "nosuch:/a", "/tmp"],
    ["version", "--format", "{{"],
    ["doctor", "--format", "{{"],
    ["inspect", "--format", "{{", "nosuch"],
    ["run", "--nope"],
  ])("the page tells that of proa %s %s %s", async (...args) => {
    const words = args.filter((word) => typeof word === "string");
    const { exitCode } = await engine.proa(words);
    const name = ["network", "volume", "artifact"].includes(words[0] ?? "")
      ? words.slice(0, 2).join(" ")
      : (words[0] ?? "");
    expect(exitCode).not.toBe(0);
    expect(statusesOf(name)).toContain(String(exitCode));
  });

  test("are those of the container alone where the engine's own is 125", () => {
    for (const name of ["run", "create", "artifact rm"]) expect(statusesOf(name)).not.toContain("1");
    expect(statusesOf("artifact inspect")).toContain("1");
  });

  test("names of an option beside the one that is shown are told", () => {
    expect(pageOf("stop")).toContain("Also: \\-\\-time.");
    expect(pageOf("run")).toContain("Also: \\-\\-net.");
  });
});

describe("proa.toml(5)", () => {
  const text = pages.get("proa.toml.5") ?? "";

  test("has every key, its default and an example", () => {
    for (const { key, example } of configKeys) {
      const name = key.split(".").at(-1) ?? "";
      expect(text).toContain(`.TP\n\\fB${asRoff(name)}\\fR\n`);
      expect(text.replaceAll("\n", " ")).toContain(asRoff(`${name} = ${example}`.split(" ")[0] ?? ""));
    }
  });

  test("gives examples that fit, each alone and all in one file", () => {
    for (const { key, example, is } of configKeys) {
      const { value } = Bun.TOML.parse(`value = ${example}`) as { value: unknown };
      expect([key, is(value)]).toEqual([key, true]);
    }
  });
});

describe("pageAbout()", () => {
  const plain = { width: 100, styled: false };

  test("finds commands by every name, nouns, subjects, and proa itself", async () => {
    expect((await pageAbout(["run"]))?.name).toBe("proa-run");
    expect((await pageAbout(["container", "run"]))?.name).toBe("proa-run");
    expect((await pageAbout(["network"]))?.name).toBe("proa-network");
    expect((await pageAbout([]))?.name).toBe("proa");
    for (const subject of subjects)
      for (const name of subject.names) expect((await pageAbout([name]))?.name).toBe(subject.name);
    for (const [name, page] of [
      ["proa", "proa"],
      ["proa-run", "proa-run"],
      ["proa-networks", "proa-networks"],
      ["proa-image-trust-set", "proa-image-trust-set"],
      ["docker-alias", "proa-system-docker-alias"],
    ] as const)
      expect((await pageAbout([name]))?.name).toBe(page);
    expect(await pageAbout(["proa-nope"])).toBeUndefined();
    expect(await pageAbout(["__report"])).toBeUndefined();
    expect(await pageAbout(["nope"])).toBeUndefined();
    expect(await pageAbout(["run", "fast"])).toBeUndefined();
  });

  test.skipIf(Bun.which("man") === null || Bun.which("groff") === null)(
    "says as text, word for word, what man shows [needs man-db, groff]",
    async () => {
      const environment = { PATH: process.env.PATH ?? "", LC_ALL: "C.UTF-8", MANWIDTH: "100" };
      const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== "");
      for (const name of [
        "proa-run.1",
        "proa-pull.1",
        "proa.toml.5",
        "proa-networks.7",
        "proa-rootless.7",
        "proa.1",
      ]) {
        const page =
          name === "proa.1" ? await pageAbout([]) : await pageAbout([name.replace(/^proa-|\.\d$/g, "")]);
        if (page === undefined) throw new Error(name);
        const shown = Bun.spawnSync(["man", "--nh", "--nj", "-P", "cat", "-l", join(folder, name)], {
          env: environment,
        });
        const lines = Bun.stripANSI(shown.stdout.toString()).replace(/.\x08/g, "").trim().split("\n");
        expect(words(textOf(page, plain))).toEqual(words(lines.slice(1, -1).join("\n")));
      }
    },
    60_000,
  );

  test("fits every width from 20 to 300 columns as text", async () => {
    for (const width of [20, 33, 60, 80, 300]) {
      for (const words of [["run"], ["networks"], ["rootless"], ["config"], ["network"], []]) {
        const page = await pageAbout(words);
        if (page === undefined) throw new Error(words.join(" "));
        const lines = textOf(page, { width, styled: false }).split("\n");
        expect(lines.filter((line) => Bun.stringWidth(line) > width)).toEqual([]);
      }
    }
  });

  test("shows bold and italic where that is wanted, and the same letters", async () => {
    const page = await pageAbout(["run"]);
    if (page === undefined) throw new Error("no page");
    const styled = textOf(page, { width: 100, styled: true });
    expect(styled).toContain("\x1b[1m--name\x1b[22m \x1b[4mNAME\x1b[24m\n");
    expect(Bun.stripANSI(styled)).toBe(textOf(page, plain));
  });
});

describe("sectionsOf()", () => {
  test("reads headings, paragraphs, items and programs", () => {
    expect(
      sectionsOf(
        "# ONE\n\nText `bold`\ngoes on.\n\n: `tag`\n  body\n: other\n  more\n  of it\n\n    a  b\n    c\n\n# TWO\n\nx",
      ),
    ).toEqual([
      {
        heading: "ONE",
        blocks: [
          { kind: "text", text: inlineOf("Text `bold` goes on.") },
          { kind: "item", tag: inlineOf("`tag`"), body: [{ kind: "text", text: inlineOf("body") }] },
          { kind: "item", tag: inlineOf("other"), body: [{ kind: "text", text: inlineOf("more of it") }] },
          {
            kind: "lines",
            lines: [[{ text: "a  b", style: "bold" }], [{ text: "c", style: "bold" }]],
          },
        ],
      },
      { heading: "TWO", blocks: [{ kind: "text", text: inlineOf("x") }] },
    ]);
  });
});
