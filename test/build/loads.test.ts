/** What commands load: loads.txt is what the build makes of them, and nobody pays for what only others use. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dir, "../..");

/** The modules of each command in the table, with those of every command. */
function readTable(): Map<string, { count: number; names: Set<string> }> {
  const [, ...sections] = readFileSync(join(root, "test/build/loads.txt"), "utf8").split("\n\n");
  const read = sections.map((section) => {
    const [title = "", ...lines] = section.trimEnd().split("\n");
    const [, name = "", count = ""] = /^(.*): (\d+)$/.exec(title) ?? [];
    const names = new Set<string>();
    for (const [, room, list = "", bare] of lines.join(" ").matchAll(/(\S+)\/\{([^}]*)\}|(\S+)/g))
      for (const each of room === undefined ? [bare ?? ""] : list.split(" ").filter(Boolean))
        names.add(room === undefined ? each : `${room}/${each}`);
    return [name, { count: Number(count), names }] as const;
  });
  const all = [...(read[0]?.[1].names ?? []), ...(read[1]?.[1].names ?? [])];
  const commands = read.slice(2).map(([name, { count, names }]) => {
    return [name, { count, names: new Set([...all, ...names]) }] as const;
  });
  return new Map(commands);
}

test("the table is what the tree makes it: a new import of a command shows up in review", () => {
  const check = Bun.spawnSync([process.execPath, join(root, ".dev/loads.ts"), "--check"], {
    cwd: root,
    env: process.env,
  });
  expect(check.stderr.toString()).toBe("");
  expect(check.exitCode).toBe(0);
});

describe("the table", () => {
  const table = readTable();
  const namesOf = (command: string) => [...(table.get(command)?.names ?? [])];

  test("counts what it names", () => {
    expect(table.size).toBeGreaterThan(100);
    for (const [command, { count, names }] of table) expect(names.size, command).toBe(count);
  });

  test("version, help and completion load nothing that knows of containers' lives or images", () => {
    for (const command of ["version", "help", "completion"]) {
      const rooms = namesOf(command).filter((name) =>
        /^(image|network|volume|registry|storage)\//.test(name),
      );
      expect(rooms, command).toEqual([]);
      expect(namesOf(command), command).not.toContain("container/start");
    }
  });

  test("what begins, ends or shows a container loads no part of Node that Bun has to set up", () => {
    for (const verb of [
      "run",
      "create",
      "start",
      "stop",
      "kill",
      "rm",
      "exec",
      "ls",
      "logs",
      "wait",
      "inspect",
    ])
      expect(
        namesOf(`container ${verb}`).filter((name) => !/[/]|^(bun:ffi|citty|error|main)$/.test(name)),
        verb,
      ).toEqual([]);
  });

  test("nothing that talks to registries is loaded by what only starts, ends or shows containers", () => {
    for (const verb of [
      "run",
      "create",
      "start",
      "stop",
      "kill",
      "rm",
      "exec",
      "ls",
      "logs",
      "wait",
      "inspect",
    ])
      expect(
        namesOf(`container ${verb}`).filter((name) => name.startsWith("registry/")),
        verb,
      ).toEqual([]);
  });
});
