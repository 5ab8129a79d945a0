/** Changes of files, as `diff` prints them. */
import type { Io } from "../io";
import { oneLine, printableJson } from "./table";

const KINDS = { C: "changed", A: "added", D: "deleted" } as const;

type Change = { kind: keyof typeof KINDS; path: Uint8Array };

/** Write a line each, or one JSON object of lists. Names are bytes, and are written as they are, but to a terminal, which a name must not steer. */
export function writeChanges(io: Io, changes: readonly Change[], asJson: boolean): void {
  const decoder = new TextDecoder();
  if (asJson) {
    const lists: Record<string, string[]> = {};
    for (const { kind, path } of changes) {
      const list = lists[KINDS[kind]] ?? [];
      lists[KINDS[kind]] = list;
      list.push(decoder.decode(path));
    }
    io.stdout.write(`${printableJson(JSON.stringify(lists, null, 4))}\n`);
    return;
  }
  if (io.stdout.isTTY) {
    io.stdout.write(changes.map(({ kind, path }) => `${kind} ${oneLine(decoder.decode(path))}\n`).join(""));
    return;
  }
  const bytes = new Uint8Array(changes.reduce((size, { path }) => size + path.length + 3, 0));
  let at = 0;
  for (const { kind, path } of changes) {
    bytes.set([kind.charCodeAt(0), 32], at);
    bytes.set(path, at + 2);
    bytes[at + 2 + path.length] = 10;
    at += path.length + 3;
  }
  io.stdout.write(bytes);
}
