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

/** Titles of a table at a width. */
const titlesAt = (titles: string[], cells: string[][], whole: boolean[], columns: number): string[] =>
  (narrowTable(titles, cells, whole, columns).split("\n")[0] ?? "").split(/ {2,}| (?=[A-Z]+ ?[A-Z]*$)/);

describe("on a terminal that is too narrow for all columns", () => {
  const shown = async (columns: number): Promise<string[]> =>
    (await formatRows(rows, { ...options, on: on(columns) })).split("\n");

  test("those of least use go first, and name and status stay, from 20 columns on", async () => {
    for (let columns = 20; columns <= 300; columns++) {
      const [titles = "", ...body] = await shown(columns);
      for (const title of columns < 30 ? ["STAT", "NAM"] : ["STATUS", "NAMES"])
        expect(titles).toContain(title);
      expect(titles.includes("COMMAND") || !titles.includes("IMAGE") || columns < 60).toBe(true);
      expect(titles.includes("IMAGE") && !titles.includes("CONTAINER ID")).toBe(false);
      const least = columns < 36 ? ["Up About", "Created", "日"] : ["Up About", "Created", "日本語の名前"];
      for (const text of least)
        expect([columns, body.join("\n")]).toEqual([columns, expect.stringContaining(text)]);
    }
  });

  test("what is left is not squeezed before another column has gone", async () => {
    for (let columns = 30; columns <= 80; columns++) {
      for (const line of await shown(columns))
        for (const cut of line.match(/\S+(?: \S+)*…/g) ?? [])
          expect(Bun.stringWidth(cut)).toBeGreaterThanOrEqual(7);
    }
  });

  test("a wider terminal never shows fewer columns", async () => {
    let before = 0;
    for (let columns = 20; columns <= 120; columns++) {
      const count = (await shown(columns))[0]?.match(/CONTAINER ID|[A-Z…]+/g)?.length ?? 0;
      expect([columns, count >= before]).toEqual([columns, true]);
      before = count;
    }
    expect(before).toBe(5);
  });

  test("sizes, figures and tags are those that stay in lists of images, of use and of disk", () => {
    const images = ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"];
    const image = [
      "registry.example.com/team/application",
      "1.2.3-slim",
      "0123456789ab",
      "3 weeks ago",
      "123MB",
    ];
    const isId = [false, false, true, false, false];
    expect(titlesAt(images, [image], isId, 24)).toEqual(["REPOSITORY", "TAG"]);
    expect(narrowTable(images, [image], isId, 44)).toContain("0123456789ab");
    const use = [
      "CONTAINER ID",
      "NAME",
      "CPU %",
      "MEM USAGE / LIMIT",
      "MEM %",
      "NET I/O",
      "BLOCK I/O",
      "PIDS",
    ];
    const usage = ["0123456789ab", "web", "103.25%", "12MiB / 15GiB", "0.78%", "1kB / 3MB", "0B / 1kB", "12"];
    const text = narrowTable(use, [usage], [true, true, ...use.slice(2).map(() => false)], 24);
    expect(text.split("\n")[1]?.split(/ +/)).toEqual(["web", "103.25%", "0.78%"]);
    const disk = ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"];
    const line = ["Local Volumes", "12", "3", "1.234GB", "1.1GB (90%)"];
    expect(
      titlesAt(
        disk,
        [line],
        disk.map(() => false),
        21,
      ),
    ).toEqual(["TYPE", "SIZE"]);
  });
});

test("cutLines() leaves what fits", () => {
  expect(cutLines("abc\nabcdef\n", 4)).toBe("abc\nabc…\n");
  expect(cutLines("abc\n", 4)).toBe("abc\n");
});
