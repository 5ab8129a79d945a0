import { describe, expect, test } from "bun:test";
import {
  type Field,
  formatDocuments,
  formatRows,
  parseFilters,
  passesFilters,
} from "../../../src/cli/output";
import { alignTabs, displayWidth, oneLine, truncateToWidth } from "../../../src/cli/output/table";

type Row = { id: string; name: string; labels: Record<string, string> };

const fields: Record<string, Field<Row>> = {
  ID: { header: "CONTAINER ID", value: (row, { noTrunc }) => (noTrunc ? row.id : row.id.slice(0, 4)) },
  Names: { header: "NAMES", value: (row) => row.name },
  Labels: {
    header: "LABELS",
    value: (row) =>
      Object.entries(row.labels)
        .map((pair) => pair.join("="))
        .join(","),
  },
  Label: { header: "", value: (row) => (key: string) => row.labels[key] ?? "" },
};
const base = { fields, columns: ["ID", "Names"], quietField: "ID" };
const rows: Row[] = [
  { id: "aaaabbbb", name: "web", labels: { "com.example.some-key": "v" } },
  { id: "ccccdddd", name: "漢字", labels: {} },
];
const format = (more: object = {}) => formatRows(rows, { ...base, ...more });

describe("formatRows()", () => {
  test("makes a table under titles", async () => {
    expect(await format()).toBe("CONTAINER ID   NAMES\naaaa           web\ncccc           漢字\n");
    expect(await format({ format: "table" })).toBe(await format());
    expect(await formatRows([], base)).toBe("CONTAINER ID   NAMES\n");
  });

  test("prints one field with quiet, and whole ids with noTrunc", async () => {
    expect(await format({ quiet: true })).toBe("aaaa\ncccc\n");
    expect(await format({ quiet: true, noTrunc: true })).toBe("aaaabbbb\nccccdddd\n");
  });

  test("prints an object a line with json, its methods left out", async () => {
    const [first] = (await format({ format: "json" })).split("\n");
    expect(first).toBe('{"ID":"aaaa","Labels":"com.example.some-key=v","Names":"web"}');
    expect(await format({ format: "{{json .}}" })).toBe(await format({ format: "json" }));
  });

  test("executes a template for each row, with \\t and \\n as the shell leaves them", async () => {
    expect(await format({ format: "{{.ID}}\\t{{.Names}}" })).toBe("aaaa\tweb\ncccc\t漢字\n");
  });

  test("aligns a template behind table, under the titles of its fields", async () => {
    const text = await format({
      format: 'table {{.Names}}\\t{{upper .ID}}\\t{{.Label "com.example.some-key"}}',
    });
    expect(text).toBe(
      "NAMES     CONTAINER ID   some key\nweb       AAAA           v\n漢字      CCCC           \n",
    );
  });

  test("leaves nothing of a foreign text in a table that steers a terminal or forges a row; a template without one is for programs", async () => {
    const row = { id: "1", name: "a\u001b[2Jb\nc", labels: { k: "v\u202ew" } };
    const all = (template: string) => formatRows([row], { ...base, format: template });
    expect(await all('table {{.Names}}\t{{.Labels}}\t{{.Label "k"}}')).toEndWith(
      "a�[2Jb c   k=v�w     v�w\n",
    );
    expect(await all("{{.Names}}")).toBe(`${row.name}\n`);
  });

  test("gives a template that ranges over the rows all of them, as podman does", async () => {
    expect(await format({ format: "{{range .}}{{.ID}} {{.Names}}\\n{{end}}" })).toBe("aaaa web\ncccc 漢字\n");
    expect(await format({ format: "{{ range $i, $row := . }}{{$i}}={{$row.Names}};{{end -}}" })).toBe(
      "0=web;1=漢字;",
    );
    expect(await formatRows([], { ...base, format: "{{range .}}{{.ID}}{{else}}none{{end}}" })).toBe("none");
    expect(format({ format: "{{range .}}{{.Nope}}{{end}}" })).rejects.toThrow('no entry for key "Nope"');
  });

  test("names a field that was probably meant", () => {
    const run = format({ format: "{{.Name}}" });
    expect(run).rejects.toMatchObject({
      message:
        'failed to execute template: template: :1:2: executing "" at <.Name>: map has no entry for key "Name"',
      hint: "did you mean .Names?",
      exitCode: 1,
    });
  });

  test("says in Go's words what is no template", () => {
    expect(format({ format: "{{" })).rejects.toThrow("template parsing error: template: :1: unclosed action");
  });
});

describe("formatDocuments()", () => {
  const document = {
    Id: "x",
    Config: { Labels: { a: "1" }, Cmd: null, Entrypoint: ["sh"] },
    HostConfig: { LogConfig: { Type: "json-file", Config: { "max-size": "1m" } } },
  };

  test("prints an array with four spaces, or none with json", async () => {
    expect(await formatDocuments([{ Id: "x" }])).toBe('[\n    {\n        "Id": "x"\n    }\n]\n');
    expect(await formatDocuments([{ Id: "x" }], "json")).toBe('[{"Id":"x"}]\n');
    expect(await formatDocuments([])).toBe("[]\n");
  });

  test("escapes what JSON need not, but a terminal may heed", async () => {
    const document = { Name: "a\u009b2J\u202e\u007f\u2028é漢" };
    for (const format of [undefined, "json", "{{json .}}"]) {
      const text = await formatDocuments([document], format);
      expect(text).toContain('"a\\u009b2J\\u202e\\u007f\\u2028é漢"');
      expect([JSON.parse(text)].flat()).toEqual([document]);
    }
  });

  test("knows which of the fields are maps, and which lists may be null", async () => {
    expect(
      await formatDocuments(
        [document],
        "{{.Config.Labels}} {{.Config.Labels.b}} {{.Config.Cmd}} {{json .Config.Cmd}}",
      ),
    ).toBe("map[a:1] <no value> [] null\n");
    expect(await formatDocuments([document], '{{index .HostConfig.LogConfig.Config "max-size"}}')).toBe(
      "1m\n",
    );
  });

  test("refuses a field that a document lacks", () => {
    expect(formatDocuments([document], "{{.Confg.Cmd}}")).rejects.toMatchObject({
      hint: "did you mean .Config?",
    });
  });
});

describe("tables", () => {
  test("alignTabs() makes columns of at least ten, and lets short lines part them", () => {
    expect(alignTabs("a\tb\tc\nlong long long\tx\ty\n")).toBe(
      "a                b         c\nlong long long   x         y\n",
    );
    expect(alignTabs("a\tb\nplain\nlonger longer\tb")).toBe("a         b\nplain\nlonger longer   b");
  });

  test("displayWidth() counts what a terminal shows", () => {
    expect([
      displayWidth("abc"),
      displayWidth("漢字"),
      displayWidth("e\u0301"),
      displayWidth("👩‍👩‍👧"),
    ]).toEqual([3, 4, 1, 2]);
  });

  test("truncateToWidth() cuts between letters", () => {
    expect(truncateToWidth("abcdef", 4)).toBe("abc…");
    expect(truncateToWidth("漢字漢字", 4)).toBe("漢…");
    expect(truncateToWidth("abc", 3)).toBe("abc");
    expect(truncateToWidth("abc", 0)).toBe("");
  });

  test("oneLine() leaves no control character of a foreign text", () => {
    expect(oneLine("a\tb\nc\x1b[31md\u202e")).toBe("a b c�[31md�");
  });
});

describe("filters", () => {
  test("parseFilters() collects the values of each key", () => {
    const filters = parseFilters(["status=exited", "status=created", "label=a=b"], ["status", "label"]);
    expect(Object.fromEntries(filters)).toEqual({ status: ["exited", "created"], label: ["a=b"] });
  });

  test("parseFilters() refuses an unknown key and a filter without a value", () => {
    expect(() => parseFilters(["statsu=x"], ["status", "label"])).toThrow('invalid filter "statsu"');
    expect(() => parseFilters(["status"], ["status"])).toThrow('invalid filter "status": expected KEY=VALUE');
  });

  test("passesFilters() joins keys by and, values by or, labels by and", () => {
    const filters = parseFilters(["status=a", "status=b", "label=x", "label=y"], ["status", "label"]);
    const tests = (status: string, labels: string[]) => ({
      status: (value: string) => value === status,
      label: (value: string) => labels.includes(value),
    });
    expect(passesFilters(filters, tests("b", ["x", "y"]))).toBe(true);
    expect(passesFilters(filters, tests("b", ["x"]))).toBe(false);
    expect(passesFilters(filters, tests("c", ["x", "y"]))).toBe(false);
  });
});
