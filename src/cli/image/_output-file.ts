import { closeSync, lstatSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { EngineError } from "../../error";
import { BrokenPipe } from "../broken-pipe";

/** A file appears whole or stays as it was; what is no plain file (a pipe, a device) is written to as it is. */
export async function toFile(
  path: string,
  save: (write: (bytes: Uint8Array) => void) => Promise<void>,
): Promise<void> {
  const there = lstatSync(path, { throwIfNoEntry: false });
  const isPlain = there === undefined || there.isFile();
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  let fd: number | undefined;
  try {
    fd = openSync(isPlain ? temporary : path, isPlain ? "wx" : "w", 0o600);
    const file = fd;
    await save((bytes) => {
      for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
    });
    if (isPlain) renameSync(temporary, path);
  } catch (error) {
    if (isPlain && fd !== undefined) rmSync(temporary, { force: true });
    if ((error as NodeJS.ErrnoException).code === "EPIPE") throw new BrokenPipe();
    if (error instanceof EngineError) throw error;
    throw new EngineError("io", "save image", path, error, { exitCode: 1 });
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
