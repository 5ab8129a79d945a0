/** The verb `logs`, called as an API would call it. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LogsRequest } from "../../src/helper/protocol";
import { memfdCreate } from "../../src/helper/syscalls";
import { helperMissing, helperPath, makeDirectory, removeDirectories } from "./_container";

setDefaultTimeout(30_000);
afterAll(removeDirectories);

describe.skipIf(helperMissing !== undefined)(`logs${helperMissing ? ` (${helperMissing})` : ""}`, () => {
  const time = "2026-01-02T03:04:05.000000001Z";
  const record = (log: string, stream = "stdout") => `${JSON.stringify({ log, stream, time })}\n`;
  const source = (text: string) => {
    const runDir = makeDirectory();
    const path = join(runDir, "log");
    writeFileSync(path, text);
    return { driver: "json-file", path, runDir, maxFiles: 1, prefix: "" } as const;
  };
  const logs = async (request: Partial<LogsRequest> & Record<string, unknown>) => {
    const fd = memfdCreate("request");
    const usual = { proa: "/bin/echo", follow: false, tail: -1, timestamps: false, details: false };
    writeFileSync(fd, JSON.stringify({ ...usual, ...request }));
    const child = Bun.spawn([helperPath, "logs", "3"], { stdio: ["ignore", "pipe", "pipe", fd] });
    const [stdout, stderr] = await Promise.all([child.stdout.bytes(), child.stderr.text()]);
    return { stdout: Buffer.from(stdout), stderr, exitCode: await child.exited };
  };
  const frame = (stream: number, text: string) => {
    const head = Buffer.alloc(8);
    head[0] = stream;
    head.writeUInt32BE(Buffer.byteLength(text), 4);
    return Buffer.concat([head, Buffer.from(text)]);
  };

  test("multiplexed puts both streams on stdout, in the Engine API's frames", async () => {
    const sources = [source(record("out\n") + record("err\n", "stderr") + record("é"))];
    const all = await logs({ sources, multiplexed: true });
    expect(all.stdout).toEqual(Buffer.concat([frame(1, "out\n"), frame(2, "err\n"), frame(1, "é")]));
    const stamped = await logs({ sources, multiplexed: true, timestamps: true, stdout: false });
    expect(stamped.stdout).toEqual(frame(2, `${time} err\n`));
    expect((await logs({ sources, tail: 1, stderr: false })).stdout.toString()).toBe("é");
  });

  test("a line that is longer than anything is passed over, not stumbled on", async () => {
    const huge = "x".repeat(3 << 20);
    const sources = [source(record("one\n") + record(`${huge}\n`) + record("two\n"))];
    expect((await logs({ sources })).stdout.toString()).toBe("one\ntwo\n");
    expect((await logs({ sources, tail: 1 })).stdout.toString()).toBe("two\n");
    expect((await logs({ sources, tail: 2 })).stdout.toString()).toEndWith("two\n");
  });

  test("the tail has a line whole whose parts the other stream's lines stand between", async () => {
    const parts = [
      record("old\n"),
      record("a"),
      record("e1\n", "stderr"),
      record("b"),
      record("e2\n", "stderr"),
      record("c\n"),
    ];
    const sources = [source(parts.join(""))];
    expect(await logs({ sources, tail: 1 })).toMatchObject({ stdout: Buffer.from("abc\n"), stderr: "" });
    expect(await logs({ sources, tail: 2 })).toMatchObject({ stdout: Buffer.from("abc\n"), stderr: "e2\n" });
    expect(await logs({ sources, tail: 3 })).toMatchObject({
      stdout: Buffer.from("abc\n"),
      stderr: "e1\ne2\n",
    });
    expect((await logs({ sources, tail: 4 })).stdout.toString()).toBe("old\nabc\n");
    const open = [source(record("old\n") + record("a") + record("e\n", "stderr") + record("b"))];
    expect(await logs({ sources: open, tail: 1 })).toMatchObject({ stdout: Buffer.from("ab"), stderr: "" });
    expect(await logs({ sources: open, tail: 2 })).toMatchObject({
      stdout: Buffer.from("ab"),
      stderr: "e\n",
    });
  });

  test("random lines come out as JSON.parse has them, whatever the tail", async () => {
    const alphabet = [
      "a",
      '"',
      "\\",
      "\n",
      "\t",
      "\u0001",
      "é",
      "漢",
      "😀",
      "<",
      "\u2028",
      '{"log":"',
      "x".repeat(500),
    ];
    const pick = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)] as T;
    for (let round = 0; round < 30; round++) {
      const lines = Array.from(
        { length: 1 + Math.floor(Math.random() * 200) },
        () =>
          `${Array.from({ length: Math.floor(Math.random() * 20) }, () => pick(alphabet.filter((each) => each !== "\n"))).join("")}\n`,
      );
      const sources = [source(lines.map((line) => record(line)).join(""))];
      const tail = Math.floor(Math.random() * (lines.length + 2));
      expect((await logs({ sources })).stdout.toString()).toBe(lines.join(""));
      expect((await logs({ sources, tail })).stdout.toString()).toBe(
        tail === 0 ? "" : lines.slice(-tail).join(""),
      );
    }
  });

  test("times that no clock has are no trouble", async () => {
    const odd = (year: string) => record("x\n").replace("2026", year);
    const sources = [source(odd("0001") + odd("9999") + odd("20x6") + record("y\n"))];
    expect((await logs({ sources })).stdout.toString()).toBe("x\nx\nx\ny\n");
    const stamped = await logs({ sources, timestamps: true, tail: 1 });
    expect(stamped.stdout.toString()).toBe(`${time} y\n`);
    const later = { seconds: 1, nanoseconds: 0 };
    expect((await logs({ sources, since: later })).stdout.toString()).toBe("y\n");
    expect((await logs({ sources, timestamps: true })).exitCode).toBe(0);
  });

  test("a request that is none is a failure in words", async () => {
    const result = await logs({ sources: [], colour: "red" });
    expect(result.exitCode).not.toBe(-1);
    expect(result.stdout.toString()).toContain('__report logs {"step":"read request"');
  });
});
