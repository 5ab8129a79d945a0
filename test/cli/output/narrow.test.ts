/** Tables on terminals of every width, and in pipes. */
import { describe, expect, test } from "bun:test";
import { testIo } from "../../../src/cli/io";
import { type Field, formatRows } from "../../../src/cli/output";
import { cutLines, narrowTable } from "../../../src/cli/output/narrow";

type Row = { id: string; image: string; command: string; status: string; name: string };

const fields: Record<string, Field<Row>> = {
  ID: { header: "CONTAINER ID", isWhole: true, value: ({ id }) => id },
  Image: { header: "IMAGE", value: ({ image }) => image },
  Command: { header: "COMMAND", value: ({ command }) => command },
  Status: { header: "STATUS", value: ({ status }) => status },
  Names: { header: "NAMES", isWhole: true, value: ({ name }) => name },
};
const rows: Row[] = [
  {
    id: "0123456789ab",
    image: "registry.example.com:5000/team/application:1.2.3",
    command: '"/usr/bin/server --listen 0.0.0.0 --verbose"',
    status: "Up About an hour (healthy)",
    name: "web",
  },
  {
    id: "fedcba987654",
    image: "漢字/漢字漢字漢字漢字漢字漢字漢字漢字:latest",
    command: '"sh"',
    status: "Created",
    name: "日本語の名前",
  },
];
const options = { fields, columns: Object.keys(fields), quietField: "ID" };
const on = (columns: number) => testIo({ columns }).stdout;
const widest = (text: string): number => Math.max(...text.split("\n").map((line) => Bun.stringWidth(line)));

describe("a table", () => {
  test("is never wider than the terminal, and has all its lines, from 20 to 300 columns", async () => {
    for (let columns = 20; columns <= 300; columns++) {
      const text = await formatRows(rows, { ...options, on: on(columns) });
      expect(widest(text)).toBeLessThanOrEqual(columns);
      expect(text.split("\n")).toHaveLength(4);
    }
  });

  test("keeps ids and names whole for as long as the others can give way", async () => {
    for (const columns of [70, 80, 100, 140]) {
      const text = await formatRows(rows, { ...options, on: on(columns) });
      for (const { id, name } of rows) {
        expect(text).toContain(id);
        expect(text).toContain(name);
      }
      expect(text).toContain("…");
    }
  });

  test("is as in a pipe where the terminal is wide enough", async () => {
    expect(await formatRows(rows, { ...options, on: on(300) })).toBe(await formatRows(rows, options));
  });

  test("is never shortened in a pipe, nor with --no-trunc", async () => {
    const whole = await formatRows(rows, { ...options, on: testIo().stdout });
    for (const { image, command, status } of rows) {
      for (const cell of [image, command, status]) expect(whole).toContain(cell);
    }
    expect(await formatRows(rows, { ...options, on: on(40), noTrunc: true })).toBe(whole);
  });

  test("has straight columns of wide and of narrow characters", () => {
    const lines = narrowTable(
      ["A", "BB"],
      [
        ["漢字漢字漢字漢字", "x"],
        ["plain", "y"],
      ],
      [false, true],
      16,
    )
      .trimEnd()
      .split("\n");
    const columns = lines.map((line) => Bun.stringWidth(line.slice(0, line.search(/(BB|x|y)$/))));
    expect(new Set(columns).size).toBe(1);
    expect(Math.max(...lines.map((line) => Bun.stringWidth(line)))).toBeLessThanOrEqual(16);
  });

  test("of a template is cut at the edge of a terminal, and a template without one is for programs", async () => {
    const format = "table {{.ID}}\t{{.Image}}\t{{.Status}}";
    expect(widest(await formatRows(rows, { ...options, format, on: on(40) }))).toBe(40);
    expect(widest(await formatRows(rows, { ...options, format }))).toBeGreaterThan(60);
    const bare = await formatRows(rows, { ...options, format: "{{.Image}} {{.Status}}", on: on(20) });
    expect(bare).toContain(`${rows[0]?.image} ${rows[0]?.status}\n`);
    const json = await formatRows(rows, { ...options, format: "json", on: on(20) });
    expect(JSON.parse(json.split("\n")[0] ?? "")).toMatchObject({ Image: rows[0]?.image });
  });

  test("without titles is the same but for them, in columns that are as wide", async () => {
    for (const format of ["", "table", "table {{.ID}}\t{{.Names}}"]) {
      const whole = await formatRows(rows, { ...options, format });
      const bare = await formatRows(rows, { ...options, format, noHeading: true });
      expect(bare).toBe(whole.slice(whole.indexOf("\n") + 1));
    }
    for (const format of ["json", "{{.ID}}"])
      expect(await formatRows(rows, { ...options, format, noHeading: true })).toBe(
        await formatRows(rows, { ...options, format }),
      );
    const quiet = await formatRows(rows, { ...options, quiet: true, noHeading: true });
    expect(quiet).toBe("0123456789ab\nfedcba987654\n");
  });
});

test("cutLines() leaves what fits", () => {
  expect(cutLines("abc\nabcdef\n", 4)).toBe("abc\nabc…\n");
  expect(cutLines("abc\n", 4)).toBe("abc\n");
});
