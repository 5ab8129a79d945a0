/** Lists of "key: value" on terminals of every width. */
import { describe, expect, test } from "bun:test";
import { hangingLines, wrapWords } from "../../../src/cli/output/wrap";

const INDENT = 16;
const PATH = "/home/somebody/.local/share/proa/with/a/path/that/is/long";
const entries: [string, string][] = [
  ["Version:", "0.1.0"],
  ["Containers:", "12 (3 running, 9 stopped)"],
  ["Network modes:", "bridge, host, none, container, ns, slirp4netns, pasta"],
  ["Data:", PATH],
  [
    "No memory:",
    "systemd gives users no controllers 漢字漢字 漢字漢字; to have it: loginctl enable-linger somebody",
  ],
];

describe("an entry of a list", () => {
  test("is never wider than the terminal but for a word that is, and loses nothing, from 20 to 300 columns", () => {
    for (let columns = 20; columns <= 300; columns++) {
      for (const [head, text] of entries) {
        const lines = hangingLines(head, text, INDENT, columns);
        for (const line of lines.filter((each) => Bun.stringWidth(each) > columns))
          expect([columns, line.trim()]).toEqual([columns, PATH]);
        expect(lines.join(" ").split(/ +/)).toEqual(`${head} ${text}`.split(" "));
        expect(lines[0]).toStartWith(head);
        for (const line of lines.slice(1)) expect(line).toMatch(/^(?: {2}| {16})\S/);
      }
    }
  });

  test("hangs beside its key where there is room, and below it where there is not", () => {
    expect(hangingLines("Modes:", "bridge, host, none, container, ns", 10, 32)).toEqual([
      "Modes:    bridge, host, none,",
      "          container, ns",
    ]);
    expect(hangingLines("Modes:", "bridge, host, none, container, ns", 10, 24)).toEqual([
      "Modes: bridge, host,",
      "  none, container, ns",
    ]);
    expect(hangingLines("      costs", "a word or two more", 25, 20)).toEqual([
      "      costs a word",
      "        or two more",
    ]);
  });

  test("is one line in a pipe, and where it fits", () => {
    for (const [head, text] of entries) {
      expect(hangingLines(head, text, INDENT)).toEqual([head.padEnd(INDENT) + text]);
      expect(hangingLines(head, text, INDENT, 300)).toEqual([head.padEnd(INDENT) + text]);
    }
    expect(hangingLines("Labels:", "", 18, 80)).toEqual(["Labels:"]);
    expect(hangingLines("a key that is longer:", "x", 4)).toEqual(["a key that is longer: x"]);
  });
});

test("wrapWords() begins with a line of another width", () => {
  expect(wrapWords("a b c d e f", 3, 5)).toEqual(["a b c", "d e", "f"]);
});
