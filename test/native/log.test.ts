import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { Container, helperMissing, readLog, removeDirectories, run, start, text } from "./_container";

setDefaultTimeout(30_000);
afterAll(removeDirectories);

describe.skipIf(helperMissing !== undefined)(`log${helperMissing ? ` (${helperMissing})` : ""}`, () => {
  test("is Docker's json-file format, escaped as Go does", async () => {
    const { container } = await run(["printf", '<a&b>\\t"\\\\\\001é\\377\\342\\200\\250\\nrest']);
    const lines = readFileSync(container.logPath, "utf8").trimEnd().split("\n");

    expect(lines[0]).toStartWith(
      '{"log":"\\u003ca\\u0026b\\u003e\\t\\"\\\\\\u0001é\\ufffd\\u2028\\n","stream":"stdout","time":"',
    );
    expect(lines[0]).toMatch(/"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"}$/);
    expect(container.log.map((line) => line.log)).toEqual(['<a&b>\t"\\\u0001é\ufffd\u2028\n', "rest"]);
  });

  test("keeps the streams apart and an unended line back until its end", async () => {
    const { container } = await run(["sh", "-c", "printf a; sleep 0.1; echo x >&2; sleep 0.1; echo b"]);

    expect(container.log.map(({ log, stream }) => [stream, log])).toEqual([
      ["stderr", "x\n"],
      ["stdout", "ab\n"],
    ]);
  });

  test("splits a long line at 16 KiB and never inside a character", async () => {
    const long = `${"é".repeat(20_000)}\n`;
    const { container, stdout } = await run(["cat"], {}, `x${long}`);

    expect(stdout).toBe(`x${long}`);
    expect(container.log.map((line) => line.log).join("")).toBe(`x${long}`);
    for (const { log } of container.log.slice(0, -1)) {
      expect(log.endsWith("\n")).toBe(false);
      expect(Buffer.byteLength(log)).toBeWithin(16_381, 16_385);
    }
  });

  test("loses nothing whatever the chunks are", async () => {
    const { container, stdout } = await run([
      "sh",
      "-c",
      "for i in 1 2 3; do seq 1 30000; printf 'no end '; done",
    ]);

    expect(container.log.map((line) => line.log).join("")).toBe(stdout);
  });

  test("rotates by size and keeps as many files as asked for", async () => {
    const { container } = await run(["seq", "1", "2000"], { log: { maxSizeBytes: 20_000, maxFiles: 3 } });
    const files = [2, 1, 0].map((i) => (i === 0 ? container.logPath : `${container.logPath}.${i}`));

    for (const file of files) expect(statSync(file).size).toBeWithin(1, 20_001);
    expect(existsSync(`${container.logPath}.3`)).toBe(false);
    const numbers = files.flatMap((file) => readLog(file).map((line) => Number(line.log)));
    expect(numbers.at(-1)).toBe(2000);
    expect(numbers).toEqual(numbers.map((_, i) => (numbers[0] ?? 0) + i));
  });

  test("with one file starts over in a new one", async () => {
    const { container } = await run(["seq", "1", "2000"], { log: { maxSizeBytes: 20_000, maxFiles: 1 } });

    expect(statSync(container.logPath).size).toBeWithin(1, 20_001);
    expect(existsSync(`${container.logPath}.1`)).toBe(false);
    expect(container.log.at(-1)?.log).toBe("2000\n");
  });

  test("goes on with a log that ends in a torn record", async () => {
    const container = new Container(["echo", "new"]);
    writeFileSync(container.logPath, '{"log":"old\\n","stream":"stdout","time":"x"}\n{"log":"to');
    await container.run(["ignore", "pipe", "pipe"]).exited;

    expect(container.log.map((line) => line.log)).toEqual(["old\n", "new\n"]);
  });

  test("a full disk costs log lines, which are counted, and nothing else", async () => {
    const container = await start(["sh", "-c", "read go; seq 1 20000; exit 4"]);
    // A limit of the file's size stands for the disk: the write that crosses it is cut short, the next fails.
    Bun.spawnSync(["prlimit", `--pid=${container.supervisor}`, "--fsize=40000"]);
    const client = container.attachTo();
    client.stdin.write("go\n");
    await client.stdin.flush();
    const output = await text(client.stdout);

    expect(output.trimEnd().split("\n").length).toBe(20_000);
    expect(await client.exited).toBe(4);
    const logged = container.log.map((line) => line.log).join("");
    expect(output.startsWith(logged)).toBe(true);
    expect(logged.length).toBeGreaterThan(100);
    expect(container.exit.logLostBytes).toBe(output.length - logged.length);
  });

  test("compresses what is rotated, in members of which each names the inode the log had", async () => {
    const log = { maxSizeBytes: 20_000, maxFiles: 3, compress: true };
    const { container } = await run(["seq", "1", "2000"], { log });
    const file = (i: number) => `${container.logPath}.${i}.gz`;
    const numbers = [2, 1].flatMap((i) => {
      const bytes = readFileSync(file(i));
      expect(bytes.subarray(12, 16).toString("latin1")).toBe("PR\b\0"); // the extra field of RFC 1952
      expect(bytes.readBigUInt64LE(16)).toBeGreaterThan(0n);
      const text = new TextDecoder().decode(Bun.gunzipSync(bytes));
      return text
        .trimEnd()
        .split("\n")
        .map((line) => Number(JSON.parse(line).log));
    });
    const all = [...numbers, ...container.log.map((line) => Number(line.log))];
    expect(all.at(-1)).toBe(2000);
    expect(all).toEqual(all.map((_, i) => (all[0] ?? 0) + i));
    expect([1, 2].some((i) => existsSync(`${container.logPath}.${i}`))).toBe(false);
    expect(existsSync(`${container.logPath}.gz-new`)).toBe(false);
  });

  test("of k8s-file says which records end a line", async () => {
    const { container } = await run(["printf", "one\\n\\377\\ntwo"], { log: { driver: "k8s-file" } });
    const lines = readFileSync(container.logPath, "latin1").split("\n");
    expect(lines.map((line) => line.replace(/^\S+ /, ""))).toEqual([
      "stdout F one",
      "stdout F \xff",
      "stdout P two",
      "",
    ]);
    for (const line of lines.slice(0, -1))
      expect(line).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}\+00:00 /);
  });

  test("has its attributes in each record, escaped", async () => {
    const attributes = { tag: 'a "b"', label: "é\n" };
    const { container } = await run(["seq", "1", "3"], { log: { attributes } });
    const records = container.log as unknown as { attrs: unknown }[];
    expect(records.map(({ attrs }) => attrs)).toEqual([attributes, attributes, attributes]);
  });
});
