/** The name service's pure parts: native/net/dns_message.c and native/net/resolv.c, through dns_probe.c. */
import { describe, expect, test } from "bun:test";
import { useProbe } from "./_probe";

const probe = useProbe("dns_probe.c", ["net/dns_message.c", "net/resolv.c", "util.c"]);
// biome-ignore lint/suspicious/noExplicitAny: each line is of its own shape, and the expectations say which
const ask = (...words: (string | number)[]): any => probe(words.join(" "));

const hex = (...parts: (string | number[])[]): string =>
  Buffer.concat(
    parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : Buffer.from(part))),
  ).toString("hex");
const word = (value: number): number[] => [value >> 8, value & 255];
const header = (flags = 0x0100, counts = [1, 0, 0, 0], id = 7): number[] =>
  [id, flags, ...counts].flatMap(word);
const wire = (name: string): number[] => [
  ...name
    .split(".")
    .filter(Boolean)
    .flatMap((label) => [label.length, ...Buffer.from(label, "latin1")]),
  0,
];
const question = (name: string, type = 1, klass = 1): number[] => [
  ...wire(name),
  ...word(type),
  ...word(klass),
];
const opt = (payload = 1232, version = 0, flags = 0, data: number[] = []): number[] => [
  0,
  ...word(41),
  ...word(payload),
  0,
  version,
  ...word(flags),
  ...word(data.length),
  ...data,
];
const OK = 0;
const FORMERR = 1;
const NOTIMP = 4;
const BADVERS = 16;
const DROP = -1;

describe("dns_read_query()", () => {
  test("finds name in lower case, type and class", () => {
    expect(ask("query", hex(header(), question("WeB.Back", 28)))).toEqual({
      ...{ status: OK, id: 7, question: 1, name: "web.back", type: 28, class: 1, end: 12 + 10 + 4 },
      ...{ edns: 0, payload: 512, dnssecOk: 0 },
    });
  });

  test.each([
    ["the root", "", ""],
    ["63 bytes in a label", "a".repeat(63), "a".repeat(63)],
    ["255 bytes in all", `${"a".repeat(63)}.${"b".repeat(63)}.${"c".repeat(63)}.${"d".repeat(61)}`, "same"],
    ["a dot within a label, as no name", "a\u0000.b", ""],
    ["8-bit bytes, as no name", "\u00e9.b", ""],
  ])("takes %s", (_what, name, expected) => {
    const result = ask("query", hex(header(), question(name)));
    expect(result).toMatchObject({ status: OK, name: expected === "same" ? name : expected });
  });

  test("reads an OPT: payload of at least 512 bytes, the DO bit, options passed over", () => {
    const with1 = header(0x0100, [1, 0, 0, 1]);
    expect(ask("query", hex(with1, question("a"), opt(4096, 0, 0x8000, [0, 10, 0, 1, 9])))).toMatchObject({
      ...{ status: OK, edns: 1, payload: 4096, dnssecOk: 1 },
    });
    expect(ask("query", hex(with1, question("a"), opt(0)))).toMatchObject({ status: OK, payload: 512 });
  });

  test.each<[string, number, (string | number[])[]]>([
    ["nothing", DROP, []],
    ["eleven bytes", DROP, [header().slice(0, 11)]],
    ["an answer", DROP, [header(0x8180), question("a")]],
    ["a header alone", FORMERR, [header()]],
    ["no question", FORMERR, [header(0x0100, [0, 0, 0, 0])]],
    ["two questions", FORMERR, [header(0x0100, [2, 0, 0, 0]), question("a"), question("b")]],
    ["a name that points to itself", FORMERR, [header(), [0xc0, 12, 0, 1, 0, 1]]],
    ["a label of 64 bytes", FORMERR, [header(), [64], "a".repeat(64), [0, 0, 1, 0, 1]]],
    ["a reserved kind of label", FORMERR, [header(), [0x80, 1, 0, 0, 1, 0, 1]]],
    ["a label behind the end", FORMERR, [header(), [5], "ab"]],
    ["a name without its end", FORMERR, [header(), [1], "a"]],
    ["a name of 256 bytes", FORMERR, [header(), question(`${"a".repeat(63)}.`.repeat(3) + "d".repeat(62))]],
    ["half a type", FORMERR, [header(), wire("a"), [0]]],
    ["bytes behind the message", FORMERR, [header(), question("a"), "x"]],
    ["a record that is not there", FORMERR, [header(0x0100, [1, 0, 0, 1]), question("a")]],
    [
      "data longer than the message",
      FORMERR,
      [header(0x0100, [1, 0, 0, 1]), question("a"), opt().slice(0, 9), [0, 9]],
    ],
    ["two OPTs", FORMERR, [header(0x0100, [1, 0, 0, 2]), question("a"), opt(), opt()]],
    [
      "an OPT with a name",
      FORMERR,
      [header(0x0100, [1, 0, 0, 1]), question("a"), wire("b").slice(0, -1), opt()],
    ],
    ["an OPT among answers", FORMERR, [header(0x0100, [1, 1, 0, 0]), question("a"), opt()]],
    ["65535 records that are not there", FORMERR, [header(0x0100, [1, 65535, 65535, 65535]), question("a")]],
    ["EDNS of a later version", BADVERS, [header(0x0100, [1, 0, 0, 1]), question("a"), opt(1232, 1)]],
    [
      "a later EDNS in a malformed message",
      FORMERR,
      [header(0x0100, [1, 0, 0, 1]), question("a"), opt(1232, 1), "x"],
    ],
    ["an update", NOTIMP, [header(0x2800), question("a", 6)]],
    ["a notification", NOTIMP, [header(0x2000), question("a", 6)]],
    ["a status request", NOTIMP, [header(0x1000)]],
    [
      "a zone transfer's SOA",
      OK,
      [header(0x0100, [1, 0, 1, 0]), question("a", 251), [0xc0, 12, 0, 6, 0, 1, 0, 0, 0, 1, 0, 0]],
    ],
  ])("%s: %d", (_what, status, parts) => {
    expect(ask("query", hex(...parts))).toMatchObject({ status });
  });
});

describe("an answer", () => {
  const plain = hex(header(), question("WeB"));
  const edns = hex(header(0x0110, [1, 0, 0, 1]), question("WeB"), opt(1232, 0, 0x8000));
  const flagsOf = (message: string): number => Number.parseInt(message.slice(4, 8), 16);
  const countsOf = (message: string): number[] =>
    [0, 1, 2, 3].map((n) => Number.parseInt(message.slice(8 + n * 4, 12 + n * 4), 16));

  test("has the question in the asker's spelling, the address and a TTL of its own", () => {
    expect(ask("answer", plain, 0, 512, "4")).toBe(
      hex(
        header(0x8580, [1, 1, 0, 0]),
        question("WeB"),
        [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 10, 88, 0, 2],
      ),
    );
  });

  test("points to a name", () => {
    const message = ask("answer", hex(header(), question("2.0.88.10.in-addr.arpa", 12)), 0, 512, "p");
    expect(message).toEndWith(hex([0xc0, 12, 0, 12, 0, 1, 0, 0, 0, 1, 0, 10], wire("web.back")));
  });

  test("has an OPT where one was asked with, DO as it came, CD as it came", () => {
    const message = ask("answer", edns, 0, 512, "");
    expect(message).toEndWith(hex(opt(1232, 0, 0x8000)));
    expect(countsOf(message)).toEqual([1, 0, 0, 1]);
    expect(flagsOf(message)).toBe(0x8590);
    expect(countsOf(ask("answer", plain, 0, 512, ""))).toEqual([1, 0, 0, 0]);
  });

  test("carries BADVERS in both halves of the rcode", () => {
    const message = ask(
      "answer",
      hex(header(0x0100, [1, 0, 0, 1]), question("a"), opt(1232, 9)),
      16,
      512,
      "",
    );
    expect(flagsOf(message) & 15).toBe(0);
    expect(message).toEndWith(hex([0, ...word(41), ...word(1232), 1, 0, 0, 0, 0, 0]));
  });

  test.each([
    [512, plain, 30],
    [512, edns, 30],
    [1232, edns, 75],
    [4096, edns, 254],
  ])("of at most %d bytes keeps whole records and says that it is truncated", (limit, query, records) => {
    const message = ask("answer", query, 0, limit, "4".repeat(400));
    expect(message.length / 2).toBeLessThanOrEqual(limit);
    expect(countsOf(message)[1]).toBe(records);
    expect(flagsOf(message) & 0x0200).toBe(0x0200);
  });

  test("to a question that could not be read has none", () => {
    expect(ask("answer", hex(header(), [64]), 1, 512, "")).toBe(hex(header(0x8581, [0, 0, 0, 0])));
  });
});

describe("dns_answers()", () => {
  const asked = hex(header(), question("WeB", 28));
  const reply = (...parts: (string | number[])[]) => ask("answers", 7, hex(...parts), asked);

  test.each<[string, boolean, (string | number[])[]]>([
    ["the answer", true, [header(0x8180), question("WeB", 28)]],
    ["one that lost its case", true, [header(0x8180), question("web", 28)]],
    ["one with records behind it", true, [header(0x8180, [1, 9, 9, 9]), question("web", 28), "anything"]],
    ["a refusal without a question", true, [header(0x8185, [0, 0, 0, 0])]],
    ["success without a question", false, [header(0x8180, [0, 0, 0, 0])]],
    ["another id", false, [header(0x8180, [1, 0, 0, 0], 8), question("WeB", 28)]],
    ["another name", false, [header(0x8180), question("wec", 28)]],
    ["a longer name", false, [header(0x8180), question("web.a", 28)]],
    ["another type", false, [header(0x8180), question("web", 1)]],
    ["another class", false, [header(0x8180), question("web", 28, 3)]],
    ["a question", false, [header(0x0100), question("web", 28)]],
    ["an answer to an update", false, [header(0xa980), question("web", 28)]],
    ["half of it", false, [header(0x8180), question("web", 28).slice(0, -1)]],
    ["nothing", false, []],
  ])("%s: %p", (_what, expected, parts) => {
    expect(reply(...parts)).toBe(expected);
  });
});

describe("dns_reverse()", () => {
  const six = `${"0.".repeat(31)}f.ip6.arpa`;

  test.each([
    ["2.0.88.10.in-addr.arpa", "0a580002"],
    ["255.255.255.255.in-addr.arpa", "ffffffff"],
    ["1.f.ip6.arpa", ""],
    [six, `f0${"00".repeat(15)}`],
    [six.replace("f.ip6", "g.ip6"), ""],
    ["0.88.10.in-addr.arpa", ""],
    ["1.2.3.4.5.in-addr.arpa", ""],
    ["256.0.0.1.in-addr.arpa", ""],
    ["01.0.0.1.in-addr.arpa", ""],
    ["1..0.1.in-addr.arpa", ""],
    ["in-addr.arpa", ""],
    ["2.0.88.10.in-addr.arpa.example", ""],
  ])("%s: %p", (name, expected) => {
    expect(ask("reverse", name)).toBe(expected);
  });
});

describe("resolv_parse()", () => {
  const parse = (text: string) => ask("resolv", Buffer.from(text).toString("hex"));
  const usual = { servers: ["127.0.0.1"], timeoutMs: 0, attempts: 0, rotate: 0, useVc: 0 };

  test.each<[string, string, object]>([
    ["nothing: this machine", "", usual],
    ["one", "nameserver 127.0.0.53\n", { ...usual, servers: ["127.0.0.53"] }],
    ["no newline at the end", "nameserver 1.2.3.4", { ...usual, servers: ["1.2.3.4"] }],
    [
      "three of four",
      "nameserver 1.1.1.1\nnameserver 2.2.2.2\nnameserver ::3\nnameserver 4.4.4.4\n",
      { ...usual, servers: ["1.1.1.1", "2.2.2.2", "::3"] },
    ],
    ["a scope", "nameserver fe80::1%lo\n", { ...usual, servers: ["fe80::1%lo"] }],
    ["blanks, tabs, carriage returns", " \tnameserver\t 1.2.3.4 \r\n", { ...usual, servers: ["1.2.3.4"] }],
    [
      "comments",
      "#nameserver 9.9.9.9\n; nameserver 8.8.8.8\nnameserver 1.2.3.4 # x\n",
      { ...usual, servers: ["1.2.3.4"] },
    ],
    ["what is no address", "nameserver example.org\nnameserver 1.2.3\nnameserver\n", usual],
    [
      "options",
      "options timeout:3 attempts:4 rotate use-vc ndots:9 edns0\n",
      { ...usual, timeoutMs: 3000, attempts: 4, rotate: 1, useVc: 1 },
    ],
    [
      "libc's limits of options",
      "options timeout:99999999999999 attempts:77\n",
      { ...usual, timeoutMs: 30000, attempts: 5 },
    ],
    ["options that are none", "options timeout: attempts:x timeout:-1 rotat\n", usual],
    ["other lines", "search a.example b.example\ndomain c\nsortlist 1.2.3.4\nnameservers 1.2.3.4\n", usual],
  ])("%s", (_what, text, expected) => {
    expect(parse(text)).toEqual(expected);
  });
});
