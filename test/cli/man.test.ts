import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { shownFlags, shownName } from "../../src/cli/catalogue";
import { commands } from "../../src/cli/commands";
import { manPages } from "../../src/cli/man";

const root = resolve(import.meta.dir, "../..");
const folder = join(root, "man");
const pages = await manPages();

describe("man pages", () => {
  test("in man/ are those that the definitions make", () => {
    expect(readdirSync(folder).toSorted()).toEqual([...pages.keys()].toSorted());
    for (const [name, text] of pages) expect(readFileSync(join(folder, name), "utf8")).toBe(text);
  });

  test("have every flag of their command", async () => {
    for (const entry of commands) {
      const { command } = await entry.load();
      if (command.meta.hidden === true) continue;
      const text = pages.get(`proa-${shownName(entry).replaceAll(" ", "-")}.1`) ?? "";
      for (const [name] of shownFlags(command.args))
        expect(text).toContain(`--${name}`.replaceAll("-", "\\-"));
    }
  });

  test.skipIf(Bun.which("mandoc") === null)("are without fault for mandoc [needs mandoc]", () => {
    const names = readdirSync(folder).map((name) => join(folder, name));
    const result = Bun.spawnSync(["mandoc", "-T", "lint", ...names]);
    expect(result.stdout.toString()).toBe("");
  });

  test.skipIf(Bun.which("man") === null || Bun.which("groff") === null)(
    "are without a warning for man [needs man-db, groff]",
    () => {
      const environment = { PATH: process.env.PATH ?? "", LC_ALL: "C.UTF-8", MANWIDTH: "80" };
      for (const name of readdirSync(folder)) {
        const result = Bun.spawnSync(["man", "--warnings", "-l", join(folder, name)], { env: environment });
        expect(result.stderr.toString()).toBe("");
      }
    },
  );

  test("show a flag, its value and a hyphen as they are typed", () => {
    expect(pages.get("proa-run.1")).toContain("\\fB\\-\\-name\\fR \\fINAME\\fR\n");
  });
});
