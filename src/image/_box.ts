import { closeSync, constants, fstatSync, openSync, readSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";
import type { Context } from "../state";
import { hintForSpace, packingOf, readPieces, type Spooled, spool, unpacked } from "../storage";
import { indexTar, type Member } from "./_tar";

/** Files by name, of an archive or a directory: what images outside of a registry are read from. */
export type Box = {
  /** Bytes of the file, or null where there is none. */
  size(name: string): number | null;
  /** A small file, whole. Throws `invalid` where it is larger than the limit or missing. */
  read(name: string, limitBytes: number): Uint8Array;
  /** Throws `invalid` where the file is missing. Fewer bytes than `size()` come where the archive is damaged. */
  stream(name: string): AsyncGenerator<Uint8Array, void>;
  close(): void;
};

/** @param source a path, or the descriptor of a stream; WHAT is the beginning of errors */
export async function openBox(
  context: Context,
  what: string,
  source: string | number,
  signal?: AbortSignal,
): Promise<Box> {
  if (typeof source === "string" && isDirectory(what, source)) return directoryBox(what, source);
  const file = await openFile(context, what, source, signal);
  try {
    const readAt = (buffer: Uint8Array, position: number) => readFully(file.fd, buffer, position);
    return boxOf(what, file, indexTar(what, readAt, file.sizeBytes));
  } catch (error) {
    file.close();
    throw error;
  }
}

function boxOf(what: string, file: Spooled, members: Map<string, Member>): Box {
  const find = (name: string) => members.get(name) ?? missing(what, name);
  return {
    size: (name) => members.get(name)?.sizeBytes ?? null,
    read(name, limitBytes) {
      const { offset, sizeBytes } = find(name);
      checkSize(what, name, sizeBytes, limitBytes);
      const bytes = new Uint8Array(sizeBytes);
      if (readFully(file.fd, bytes, offset) < sizeBytes) throw truncated(what, name);
      return bytes;
    },
    stream(name) {
      const { offset, sizeBytes } = find(name);
      return readPieces(file.fd, offset, sizeBytes);
    },
    close: () => file.close(),
  };
}

/** A file that can be read at any place: packed ones and streams are put on the disk first. */
async function openFile(
  context: Context,
  what: string,
  source: string | number,
  signal: AbortSignal | undefined,
): Promise<Spooled> {
  const fd = typeof source === "number" ? source : open(what, source);
  const isOurs = typeof source === "string";
  const close = () => {
    if (isOurs) closeSync(fd);
  };
  try {
    const stat = fstatSync(fd);
    if (stat.isDirectory()) throw new EngineError("invalid", what, "", "is a directory", { exitCode: 1 });
    const head = new Uint8Array(6);
    if (stat.isFile()) {
      const packing = packingOf(head.subarray(0, readFully(fd, head, 0)));
      if (packing === "none") return { fd, sizeBytes: stat.size, close };
      const spooled = await spool(context, unpacked(what, packing, readPieces(fd, 0, stat.size)));
      close();
      return spooled;
    }
    const spooled = await spool(context, unpackedStream(what, readStream(fd, signal)));
    close();
    return spooled;
  } catch (error) {
    close();
    if (error instanceof EngineError) throw error;
    throw new EngineError("io", what, "", error, { exitCode: 1, ...hintForSpace(error) });
  }
}

/** A stream's content, unpacked where its first bytes say that it is packed. */
export async function* unpackedStream(
  what: string,
  source: AsyncGenerator<Uint8Array, void>,
): AsyncGenerator<Uint8Array, void> {
  let head = new Uint8Array(0);
  while (head.length < 6) {
    const { done, value } = await source.next();
    if (done) break;
    head = new Uint8Array(Buffer.concat([head, value]));
  }
  const whole = (async function* () {
    if (head.length > 0) yield head;
    yield* source;
  })();
  yield* unpacked(what, packingOf(head), whole);
}

/** A pipe or another thing that can be read only once. Nobody may ever write to it: the signal ends the waiting. */
export async function* readStream(fd: number, signal?: AbortSignal): AsyncGenerator<Uint8Array, void> {
  const reader = Bun.file(fd).stream().getReader();
  const stop = () => void reader.cancel().catch(() => undefined);
  signal?.addEventListener("abort", stop, { once: true });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      signal?.throwIfAborted();
      if (done) return;
      yield value;
    }
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

function open(what: string, path: string): number {
  try {
    return openSync(path, constants.O_RDONLY);
  } catch (error) {
    throw new EngineError("io", what, "", error, { exitCode: 1 });
  }
}

function isDirectory(what: string, path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    throw new EngineError("io", what, "", error, { exitCode: 1 });
  }
}

/** Links in the directory that lead out of it are not followed: it may have come from anywhere. */
function directoryBox(what: string, directory: string): Box {
  const root = realpathSync(directory);
  const place = (name: string): string | null => {
    if (name.split("/").includes("..")) return null;
    try {
      const path = realpathSync(join(root, name));
      return path.startsWith(`${root}/`) && statSync(path).isFile() ? path : null;
    } catch {
      return null;
    }
  };
  const sizeOf = (name: string): number | null => {
    const path = place(name);
    return path === null ? null : statSync(path).size;
  };
  return {
    size: sizeOf,
    read(name, limitBytes) {
      const sizeBytes = sizeOf(name) ?? missing(what, name);
      checkSize(what, name, sizeBytes, limitBytes);
      const fd = open(what, place(name) ?? missing(what, name));
      try {
        const bytes = new Uint8Array(sizeBytes);
        if (readFully(fd, bytes, 0) < sizeBytes) throw truncated(what, name);
        return bytes;
      } finally {
        closeSync(fd);
      }
    },
    async *stream(name) {
      const fd = open(what, place(name) ?? missing(what, name));
      try {
        yield* readPieces(fd, 0, fstatSync(fd).size);
      } finally {
        closeSync(fd);
      }
    },
    close: () => undefined,
  };
}

function readFully(fd: number, buffer: Uint8Array, position: number): number {
  let done = 0;
  while (done < buffer.length) {
    const got = readSync(fd, buffer, done, buffer.length - done, position + done);
    if (got === 0) break;
    done += got;
  }
  return done;
}

function checkSize(what: string, name: string, sizeBytes: number, limitBytes: number): void {
  if (sizeBytes <= limitBytes) return;
  const why = `${name} has ${sizeBytes} bytes, the limit is ${limitBytes}`;
  throw new EngineError("invalid", what, "", why, { exitCode: 1 });
}

function missing(what: string, name: string): never {
  const shown = name.length > 200 ? `${name.slice(0, 200)}…` : name;
  throw new EngineError("invalid", what, "", `"${shown}" is missing in it`, { exitCode: 1 });
}

function truncated(what: string, name: string): EngineError {
  return new EngineError("invalid", what, "", `truncated within ${name}`, { exitCode: 1 });
}
