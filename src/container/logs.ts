/**
 * Reading a container's log: Docker's json-file format, one object a line, rotated into `…-json.log.1`, `.2` and so on (higher is older).
 * Following looks at the file whenever it changes, and ends when the container has ended and all is read.
 */
import { closeSync, existsSync, fstatSync, openSync, readSync, statSync, watch } from "node:fs";
import { dirname } from "node:path";
import { EngineError } from "../error";
import { type ContainerRow, type Context, isLocked } from "../state";
import { logFile, runDirectory } from "./places";
import { specOf } from "./spec";

export type LogLine = { log: string; stream: "stdout" | "stderr"; time: string };

export type LogOptions = {
  follow: boolean;
  /** Lines from the end; undefined: all. */
  tail: number | undefined;
  /** Milliseconds since the epoch; undefined: no bound. */
  sinceMs: number | undefined;
  untilMs: number | undefined;
};

const CHUNK = 256 << 10; // bytes
const POLL_MS = 500; // a look without a change seen: for file systems that do not tell

/** Who gets the lines: `flush` comes after the last that is there for now. */
export type LogSink = { line(line: LogLine): void; flush(): void };

/** Give the lines of the log to `sink`, oldest first. Throws `unsupported` where nothing is logged. */
export async function readLog(
  context: Context,
  row: ContainerRow,
  options: LogOptions,
  sink: LogSink,
): Promise<void> {
  if (specOf(context, row).HostConfig.LogConfig.Type === "none") {
    throw new EngineError("unsupported", "logs", row.name, "the container has no log (--log-driver none)", {
      exitCode: 1,
    });
  }
  const path = logFile(context, row.id);
  const { sinceMs, untilMs } = options;
  const wanted = (line: LogLine): boolean => {
    const time = Date.parse(line.time);
    return (sinceMs === undefined || time >= sinceMs) && (untilMs === undefined || time <= untilMs);
  };
  const isBounded = sinceMs !== undefined || untilMs !== undefined;
  const deliver = (line: LogLine): void => {
    if (!isBounded || wanted(line)) sink.line(line);
  };
  const current = openIfThere(path);
  try {
    for (const line of linesBefore(path, current, options.tail)) deliver(line);
    sink.flush();
    if (options.follow)
      await follow(context, row, path, current, { line: deliver, flush: sink.flush }, untilMs);
  } finally {
    if (current) closeSync(current.fd);
  }
}

/** A file that is being read: what of it has been, and the beginning of a line that is not yet whole. */
type Reading = { fd: number; inode: number; position: number; rest: Buffer };

function openIfThere(path: string): Reading | null {
  try {
    const fd = openSync(path, "r");
    return { fd, inode: fstatSync(fd).ino, position: 0, rest: Buffer.alloc(0) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** Lines that are there now: of the rotated files, oldest first, then of the current one. */
function* linesBefore(path: string, current: Reading | null, tail: number | undefined): Generator<LogLine> {
  if (tail === undefined) {
    for (const old of rotatedFiles(path).reverse()) yield* linesOfFile(old);
    if (current) yield* newLines(current);
    return;
  }
  const lines = current ? tailOf(current, tail) : [];
  for (const old of rotatedFiles(path)) {
    if (lines.length >= tail) break;
    lines.unshift(...[...linesOfFile(old)].slice(lines.length - tail));
  }
  yield* lines;
}

/** `path.1`, `path.2` …: newest first. */
function rotatedFiles(path: string): string[] {
  const files: string[] = [];
  for (let i = 1; existsSync(`${path}.${i}`); i++) files.push(`${path}.${i}`);
  return files;
}

function* linesOfFile(path: string): Generator<LogLine> {
  const reading = openIfThere(path);
  if (!reading) return;
  try {
    yield* newLines(reading);
  } finally {
    closeSync(reading.fd);
  }
}

/** Whole lines that have been added since the last call. */
function* newLines(reading: Reading): Generator<LogLine> {
  const chunk = Buffer.alloc(CHUNK);
  for (;;) {
    const n = readSync(reading.fd, chunk, 0, CHUNK, reading.position);
    if (n === 0) return;
    reading.position += n;
    const data =
      reading.rest.length > 0 ? Buffer.concat([reading.rest, chunk.subarray(0, n)]) : chunk.subarray(0, n);
    let start = 0;
    for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10, start)) {
      const line = parseLine(data.toString("utf8", start, end));
      start = end + 1;
      if (line) yield line;
    }
    reading.rest = Buffer.from(data.subarray(start));
  }
}

/** The last `count` lines that end with a newline; the reading goes on behind them. Reads from the end, so that a long log costs nothing. */
function tailOf(reading: Reading, count: number): LogLine[] {
  const size = fstatSync(reading.fd).size;
  let start = size;
  let data: Buffer = Buffer.alloc(0);
  while (start > 0 && newlinesIn(data) <= count) {
    const length = Math.min(CHUNK, start);
    start -= length;
    const chunk = Buffer.alloc(length);
    readSync(reading.fd, chunk, 0, length, start);
    data = Buffer.concat([chunk, data]);
  }
  // a record, not a piece of the container's output, is one line of the file; its output's line may have several pieces
  const whole = data.subarray(0, data.lastIndexOf(10) + 1);
  reading.position = size - (data.length - whole.length);
  const lines = whole.toString("utf8").split("\n").slice(0, -1);
  return count === 0 ? [] : lines.slice(-count).flatMap((line) => parseLine(line) ?? []);
}

function newlinesIn(data: Buffer): number {
  let count = 0;
  for (let at = data.indexOf(10); at >= 0; at = data.indexOf(10, at + 1)) count++;
  return count;
}

/** A line that a crash or a full disk has cut short is passed over. */
function parseLine(text: string): LogLine | null {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return null;
  }
}

async function follow(
  context: Context,
  row: ContainerRow,
  path: string,
  first: Reading | null,
  sink: LogSink,
  untilMs: number | undefined,
): Promise<void> {
  let reading = first;
  const change = changes(path);
  try {
    for (;;) {
      const alive = isLocked(runDirectory(context, row.id)); // asked before reading: what comes later would be missed
      reading ??= openIfThere(path);
      if (reading) for (const line of newLines(reading)) sink.line(line);
      const renamed = statSync(path, { throwIfNoEntry: false });
      if (reading && renamed && renamed.ino !== reading.inode) {
        for (const line of newLines(reading)) sink.line(line); // written between the reading and the rotation
        if (reading !== first) closeSync(reading.fd);
        reading = openIfThere(path);
        continue;
      }
      sink.flush();
      if (!alive || (untilMs !== undefined && context.now() > untilMs)) return;
      await change.next();
    }
  } finally {
    change.close();
    if (reading && reading !== first) closeSync(reading.fd);
  }
}

/** Resolves when the file's directory changes or the poll time has passed. */
function changes(path: string): { next(): Promise<void>; close(): void } {
  let wake = () => {};
  let pending = false;
  const notice = () => {
    pending = true;
    wake();
  };
  const watcher = existsSync(dirname(path)) ? watch(dirname(path), notice) : null;
  return {
    next: () =>
      new Promise<void>((resolve) => {
        const timer = setTimeout(() => wake(), POLL_MS);
        wake = () => {
          clearTimeout(timer);
          pending = false;
          wake = () => {};
          resolve();
        };
        if (pending) wake();
      }),
    close: () => watcher?.close(),
  };
}
