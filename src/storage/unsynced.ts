/**
 * Layers whose files the disk may not have yet. A pull does not wait for the disk to have twenty thousand files (syncfs(2) would cost it a third of its time, fsync of
 * each five times as much): it notes that they are on their way, and a later command, before it writes anything itself, sees that they have arrived. Blobs are synced
 * before they get their names. So where the power fails in between, the next boot finds the notes of the one before, forgets their layers, and unpacks the blobs again.
 *
 * A note is a symbolic link, `images/unsynced/HEX.KIND -> BOOT`, because that is made by one step, and before the layer gets its name: whoever finds the layer after
 * a power cut finds the note as well.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { join } from "node:path";
import { flock, LOCK_EX, syncFileSystem } from "../helper";
import { type Context, deleteLayer } from "../state";
import { makeTemporary } from "./_temporary";

/** The kernel has begun to write what is older by itself (vm.dirty_expire_centisecs is 30 s): what is left to wait for is little. */
const SETTLED_MS = 45_000;

function directoryOf(context: Context): string {
  return join(context.paths.images, "unsynced");
}

function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

/** Before the layer NAME of KIND gets that name. */
export function noteUnsynced(context: Context, kind: string, name: string): void {
  const directory = directoryOf(context);
  const path = join(directory, `${name}.${kind}`);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  remove(path); // of a layer of that name before
  try {
    symlinkSync(bootId(), path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error; // another process unpacks the same
  }
}

/**
 * Forget the layers that the disk may not have got before the machine stopped. To be called once in each boot, before any layer is trusted; what is asked for is
 * unpacked again.
 */
export function forgetDoubtful(context: Context): void {
  whileLocked(context, () => {
    const boot = bootId();
    for (const note of notesOf(context)) {
      if (note.boot === boot) continue;
      deleteLayer(context.db(), `sha256:${note.name}`, note.kind); // row first: a row without its directory would be a lie
      putAside(join(context.paths.layers, note.kind), note.name);
      remove(note.path);
    }
  });
}

/** See that layers of some time ago are on the disk, and strike their notes. Cheap: the kernel has written them meanwhile. */
export function settleUnsynced(context: Context, olderThanMs = SETTLED_MS): void {
  whileLocked(context, () => {
    const boot = bootId();
    const before = Date.now() - olderThanMs;
    const ripe = notesOf(context).filter((note) => note.boot === boot && note.madeMs <= before);
    if (ripe.length === 0) return;
    const fd = openSync(context.paths.layers, "r");
    try {
      syncFileSystem(fd);
    } finally {
      closeSync(fd);
    }
    for (const { path } of ripe) remove(path);
  });
}

/** Blobs have their content on the disk before their names; this is for the names, before rows speak of them. */
export function syncBlobNames(context: Context): void {
  const fd = openSync(join(context.paths.images, "blobs", "sha256"), "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

type Note = { path: string; name: string; kind: string; boot: string; madeMs: number };

function notesOf(context: Context): Note[] {
  const directory = directoryOf(context);
  return readdirSync(directory).flatMap((entry): Note[] => {
    const path = join(directory, entry);
    const dot = entry.indexOf(".");
    try {
      const boot = readlinkSync(path);
      return [
        {
          path,
          name: entry.slice(0, dot),
          kind: entry.slice(dot + 1),
          boot,
          madeMs: lstatSync(path).mtimeMs,
        },
      ];
    } catch {
      return []; // struck by another process, or none of ours
    }
  });
}

/** Nothing is done where nothing has ever been noted. */
function whileLocked(context: Context, work: () => void): void {
  const directory = directoryOf(context);
  if (!existsSync(directory)) return;
  const fd = openSync(directory, "r");
  try {
    flock(fd, LOCK_EX);
    work();
  } finally {
    closeSync(fd);
  }
}

function putAside(directory: string, name: string): void {
  if (!existsSync(join(directory, name))) return;
  const temporary = makeTemporary(directory);
  renameSync(join(directory, name), temporary.path);
  temporary.abandon();
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
