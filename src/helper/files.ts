/**
 * A conversation with the verb `files` (native/PROTOCOL.md): questions about the files of one root file system, and one archive in or out. Reading and
 * writing block: whoever asks has nothing else to do, and two conversations that feed each other are both asked before either is heard.
 */
import { closeSync, readSync, writeSync } from "node:fs";
import { begun, EngineError } from "../error";
import { helperPath } from "./binary";
import { requestFd, withoutBun } from "./call";
import { HelperError } from "./facts";
import type { Facts, FilesRequest, Packed, SeenFile, Unpacked } from "./protocol";
import { duplicate, pipe } from "./syscalls";

/** Whose the entries of an archive are: the files' own, root's, or the host's turned into a container's. */
export type PackOwners = "keep" | "root" | "map";
/** Whose the files become: as the archive says, root's, or the caller's. */
export type UnpackOwners = "entry" | "root" | "mine";

type Question =
  | { do: "stat"; path: string; follow: boolean }
  | { do: "read"; path: string; offset: number; length: number }
  | { do: "list"; path: string }
  | {
      do: "pack";
      path: string;
      /** What it is called in the archive; "." for a directory's content with the directory itself, "" without. */
      base: string;
      follow: boolean;
      owners: PackOwners;
      gzip?: boolean;
      digests?: boolean;
    }
  | {
      do: "unpack";
      /** A directory. */
      path: string;
      owners: UnpackOwners;
      /** A directory may give way to a file, and the other way round. */
      replace: boolean;
      /** The archive may be compressed. */
      foreign: boolean;
      /** What it says of its own top is for the directory itself. */
      top?: boolean;
    };

const DATA = 4;
const PIDFD = 5;

export class Files {
  readonly #questions: number;
  readonly #answers: number;
  readonly #done = begun("debug", "helper files");
  #held: Uint8Array = new Uint8Array(0);

  private constructor(questions: number, answers: number) {
    this.#questions = questions;
    this.#answers = answers;
  }

  /**
   * Start one. `dataFd`: where the archive goes to or comes from, which stays the caller's to close; `pidfd`: of the container that runs.
   * `close()` must be called in the end.
   */
  static start(cacheDir: string, request: FilesRequest, dataFd?: number, pidfd?: number): Files {
    const asked = {
      ...request,
      dataFd: dataFd === undefined ? -1 : DATA,
      pidfd: pidfd === undefined ? -1 : PIDFD,
    };
    const fd = requestFd(asked);
    const questions = pipe();
    const answers = pipe();
    const data = dataFd === 0 ? duplicate(0) : dataFd; // Bun hands on something else for a 0 behind the first three
    try {
      const child = Bun.spawn([helperPath(cacheDir), "files", "3"], {
        argv0: "proa-files",
        env: withoutBun(),
        stdio: [questions.read, answers.write, "inherit", fd, data ?? "ignore", pidfd ?? "ignore"],
      });
      child.unref();
    } finally {
      for (const each of [fd, questions.read, answers.write]) closeSync(each);
      if (data !== undefined && data !== dataFd) closeSync(data);
    }
    return new Files(questions.write, answers.read);
  }

  /** What is at PATH of the root; null where nothing is. */
  stat(path: string, follow: boolean): SeenFile | null {
    this.ask({ do: "stat", path, follow });
    return this.hear<SeenFile | null>();
  }

  /** At most 256 KiB of a file, fewer at its end. Throws HelperError. */
  read(path: string, offset: number, length: number): Uint8Array {
    this.ask({ do: "read", path, offset, length });
    return Buffer.from(this.hear<{ hex: string }>().hex, "hex");
  }

  /** Names in a directory, in no order. Throws HelperError. */
  list(path: string): string[] {
    this.ask({ do: "list", path });
    return this.hear<string[]>();
  }

  ask(question: Question): void {
    const bytes = new TextEncoder().encode(`${JSON.stringify(question)}\n`);
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#questions, bytes, done);
    } catch {
      // it has ended, and said why: hear() tells
    }
  }

  /** The answer to the question that was asked first of those not heard yet. Throws HelperError. */
  hear<R = Packed | Unpacked>(): R {
    const line = this.#line();
    if (line === null) throw new EngineError("helper", "files", "answer of the helper", "it has ended");
    const { ok, error } = JSON.parse(line) as { ok?: R; error?: Facts };
    if (error) throw new HelperError("files", error);
    return ok as R;
  }

  /** End it, and wait until whatever was mounted for it is gone. */
  close(): void {
    closeSync(this.#questions);
    while (this.#line() !== null);
    closeSync(this.#answers);
    this.#done?.("closed");
  }

  #line(): string | null {
    const chunk = new Uint8Array(4096);
    for (;;) {
      const end = this.#held.indexOf(10);
      if (end >= 0) {
        const line = new TextDecoder().decode(this.#held.subarray(0, end));
        this.#held = this.#held.slice(end + 1);
        return line;
      }
      const n = readSync(this.#answers, chunk, 0, chunk.length, null);
      if (n === 0) return null;
      const both = new Uint8Array(this.#held.length + n);
      both.set(this.#held);
      both.set(chunk.subarray(0, n), this.#held.length);
      this.#held = both;
    }
  }
}
