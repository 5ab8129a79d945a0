/** Reading the journal of events that `events.ts` describes, also as it grows. */
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { type EventType, JOURNAL_FILES, RECORD_START } from "./events";

/** An event as the journal has it, in the names of the Docker Engine API. */
export type JournalEvent = {
  Type: EventType;
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
  scope: string;
  /** Seconds since the epoch. */
  time: number;
  /** Nanoseconds since the epoch: more than a number holds. */
  nanoseconds: bigint;
};

const CHUNK_BYTES = 256 << 10;
const LINE_LIMIT = 16 << 20; // what is longer is no event
const LOOKS = 20;
const TIME_LENGTH = '"timeNano":}'.length + 19;

type Part = { fd: number; inode: number; position: number };

/** Gives each event once, in the order of the journal. */
export class EventReader {
  readonly #path: string;
  readonly #decoder = new TextDecoder();
  readonly #first: bigint | undefined;
  #current: Part | null = null;
  #rest: Uint8Array = new Uint8Array(0);

  /**
   * @param fromNow what is there already is passed over
   * @param first nanoseconds since the epoch; what is older is not given
   */
  constructor(path: string, fromNow: boolean, first?: bigint) {
    this.#path = path;
    this.#first = first;
    if (!fromNow) return;
    const part = this.#open(path);
    if (part) part.position = fstatSync(part.fd).size;
    // without a file what comes begins with the first one
    this.#current = part;
  }

  /** Give what has come since the last call. */
  read(take: (event: JournalEvent) => void): void {
    if (this.#current) {
      this.#readPart(this.#current, take);
      if (statSync(this.#path, { throwIfNoEntry: false })?.ino === this.#current.inode) return;
      this.#readPart(this.#current, take); // written between the reading and the rotation
    }
    const last = this.#current;
    const parts = this.#parts();
    const next = last ? parts.findIndex(({ inode }) => inode === last.inode) + 1 : 0;
    for (const part of parts.slice(next)) {
      this.#rest = new Uint8Array(0);
      this.#readPart(part, take);
      this.#current = part;
    }
    const isReplaced = last !== null && last !== this.#current;
    this.#close([...parts, ...(isReplaced ? [last] : [])].filter((part) => part !== this.#current));
  }

  close(): void {
    if (this.#current) closeSync(this.#current.fd);
    this.#current = null;
  }

  #close(parts: Part[]): void {
    for (const { fd } of parts) closeSync(fd);
  }

  #open(path: string): Part | null {
    try {
      const fd = openSync(path, "r");
      return { fd, inode: fstatSync(fd).ino, position: 0 };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw error;
    }
  }

  /** The files as they are at one moment, oldest first. */
  #parts(): Part[] {
    for (let look = 0; ; look++) {
      const newest = this.#open(this.#path);
      const older = Array.from({ length: JOURNAL_FILES - 1 }, (_, i) => this.#open(`${this.#path}.${i + 1}`));
      const parts = [newest, ...older].filter((part) => part !== null);
      const inode = statSync(this.#path, { throwIfNoEntry: false })?.ino;
      if (inode === newest?.inode || look === LOOKS) return parts.reverse();
      this.#close(parts);
    }
  }

  #readPart(part: Part, take: (event: JournalEvent) => void): void {
    const chunk = new Uint8Array(CHUNK_BYTES);
    for (;;) {
      const n = readSync(part.fd, chunk, 0, CHUNK_BYTES, part.position);
      if (n === 0) return;
      part.position += n;
      this.#add(chunk.subarray(0, n), take);
    }
  }

  #add(added: Uint8Array, take: (event: JournalEvent) => void): void {
    const data = new Uint8Array(this.#rest.length + added.length);
    data.set(this.#rest);
    data.set(added, this.#rest.length);
    let start = 0;
    for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10, start)) {
      const event = parseEvent(this.#decoder.decode(data.subarray(start, end)), this.#first);
      start = end + 1;
      if (event) take(event);
    }
    this.#rest = data.length - start > LINE_LIMIT ? new Uint8Array(0) : data.slice(start);
  }
}

/** One line, unless it is older than `first`. A torn record is passed over, and the one behind it, whole, is not. */
export function parseEvent(line: string, first?: bigint): JournalEvent | null {
  const time = /"timeNano":(\d{1,19})\}$/.exec(line.slice(-TIME_LENGTH));
  if (!time) return null;
  const nanoseconds = BigInt(time[1] as string);
  if (first !== undefined && nanoseconds < first) return null; // what is not asked for is not read: that takes most of the time
  const start = line.lastIndexOf(RECORD_START);
  if (start < 0) return null;
  try {
    return { ...JSON.parse(start === 0 ? line : line.slice(start)), nanoseconds };
  } catch {
    return null;
  }
}
