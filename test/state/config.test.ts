/** The table of settings and the reader that uses it: each has an effect, and what does not fit is refused by name. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfig } from "../../src/state/config";
import { configKeys, configTables } from "../../src/state/config-keys";

const directory = mkdtempSync(join(tmpdir(), "config-"));
afterAll(() => rmSync(directory, { recursive: true }));

function read(text: string) {
  writeFileSync(join(directory, "config.toml"), text);
  return readConfig(directory);
}

/** A file with this one setting. */
function only(key: string, value: string): string {
  const [table, name] = key.includes(".") ? key.split(".") : [undefined, key];
  return `${table === undefined ? "" : `[${table}]\n`}${name} = ${value}\n`;
}

describe("each setting of the table", () => {
  const usual = JSON.stringify(read(""));

  test.each(configKeys.map(({ key, example }) => [key, example]))("%s has an effect", (key, example) => {
    expect(JSON.stringify(read(only(key, example)))).not.toBe(usual);
  });

  test.each(configKeys.map(({ key, kind }) => [key, kind]))(
    "%s is refused where it is no such thing",
    (key, kind) => {
      expect(() => read(only(key, "1979-05-27T07:32:00Z"))).toThrow(`${key} is not ${kind}`);
    },
  );

  test("stands in a table that has a heading, and says what it is", () => {
    const tables = configTables.map(({ name }) => name);
    for (const { key, meaning, usual: otherwise } of configKeys) {
      expect(tables).toContain(key.includes(".") ? (key.split(".")[0] ?? "") : "");
      expect(meaning).toMatch(/^[A-Z].*\.$/);
      expect(otherwise).not.toBe("");
    }
    const keys = configKeys.map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
  });

  test("all at once make one file", () => {
    const lines = configTables.flatMap(({ name }) => [
      ...(name === "" ? [] : [`[${name}]`]),
      ...configKeys
        .filter(({ key }) => (key.includes(".") ? key.split(".")[0] : "") === name)
        .map(({ key, example }) => `${key.split(".").at(-1)} = ${example}`),
    ]);
    expect(() => read(lines.join("\n"))).not.toThrow();
  });
});

test("what is no setting is refused with those that there are", () => {
  expect(() => read("colour = 1")).toThrow('unknown setting "colour"');
  expect(() => read('"network.mtu" = 1500')).toThrow('unknown setting "network.mtu"'); // a name in quotes is no table
  expect(() => read("network = 7")).toThrow("network is not a table");
  expect(() => read("[network]\nmut = 1500")).toThrow('unknown setting "network.mut"');
  try {
    read("[network]\nmut = 1500");
  } catch (error) {
    expect((error as { hint: string }).hint).toContain("network.mtu");
  }
});
