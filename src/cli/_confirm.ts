/** Asking before something is destroyed. */
import { readSync } from "node:fs";
import { EngineError } from "../error";
import type { Io } from "./io";

/**
 * Ask on stderr and read a line from stdin, wherever that comes from, as docker does: `yes | proa … prune` works, an empty stdin means no.
 *
 * @throws EngineError `interrupted` where the answer is not yes
 */
export function confirm(io: Io, what: string, warning: string): void {
  io.stderr.write(`WARNING! ${warning}\nAre you sure you want to continue? [y/N] `);
  if (/^y(es)?$/i.test(readLine(io.stdin.fd).trim())) return;
  throw new EngineError("interrupted", what, "", "nothing was removed", {
    exitCode: 1,
    hint: "use --force to be asked nothing",
  });
}

const LINE_MOST = 1024; // bytes

function readLine(fd: number): string {
  const byte = Buffer.alloc(1);
  let line = "";
  while (line.length < LINE_MOST && readSync(fd, byte) === 1) {
    if (byte[0] === 0x0a) break;
    line += byte.toString("latin1");
  }
  return line;
}
