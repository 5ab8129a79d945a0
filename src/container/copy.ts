/**
 * Copying files between containers and the host, as docker has it: one process packs, another one unpacks, and a pipe leads from one to the other. What crosses it is a
 * tar archive, so a tree that means harm is met with by `native/unpack.h`, on either side.
 */
import { closeSync } from "node:fs";
import { EngineError } from "../error";
import {
  type Files,
  HelperError,
  type Mappings,
  type Packed,
  pipe,
  type Unpacked,
  type UnpackOwners,
} from "../helper";
import type { ContainerRow, Context } from "../state";
import {
  cleanPath,
  type Destination,
  type End,
  findDestination,
  findSource,
  isDirectory,
  type Source,
} from "./copy-rules";
import { tell } from "./journal";
import { mappingsOf, openContainerFiles, openHostFiles } from "./root-files";

/** One side of a copy. `path` of the host is absolute. */
export type Place =
  | { kind: "container"; row: ContainerRow; path: string }
  | { kind: "host"; path: string }
  /** A tar archive on a descriptor. */
  | { kind: "stream"; fd: number };

export type CopyOptions = {
  /** Owners are kept: as the ids that a container has. */
  archive: boolean;
  followLink: boolean;
  /** A directory gives way to a file, and the other way round. */
  overwrite: boolean;
};

export type Copied = {
  /** Of the archive. */
  sizeBytes: number;
  /** Where it went to. */
  path: string;
};

type Opened = { files: Files; close(): void };

/** Copy FROM to TO; not both are of the host. Throws `not-found`, `invalid`, HelperError. */
export async function copyFiles(
  context: Context,
  from: Place,
  to: Place,
  options: CopyOptions,
): Promise<Copied> {
  const ends = from.kind !== "stream" && to.kind !== "stream" ? pipe() : null;
  const input = to.kind === "stream" ? undefined : from.kind === "stream" ? from.fd : ends?.read;
  const output = from.kind === "stream" ? undefined : to.kind === "stream" ? to.fd : ends?.write;
  const opened: Opened[] = [];
  const ids = idsOf(context, from, to);
  const open = async (place: Place, fd: number | undefined, isTarget: boolean): Promise<Files | null> => {
    if (place.kind === "stream") return null;
    const one = await openPlace(context, place, fd, ids, isTarget && options.archive);
    opened.push(one);
    return one.files;
  };
  try {
    const target = await open(to, input, true);
    const source = await open(from, output, false);
    if (ends) closeBoth(ends); // the helpers have their own: an end is seen as such
    return run(context, { place: from, files: source }, { place: to, files: target }, options);
  } finally {
    if (ends) closeBoth(ends);
    for (const one of opened.reverse()) one.close();
  }
}

function closeBoth(ends: { read: number; write: number }): void {
  for (const key of ["read", "write"] as const) {
    if (ends[key] >= 0) closeSync(ends[key]);
    ends[key] = -1;
  }
}

async function openPlace(
  context: Context,
  place: Exclude<Place, { kind: "stream" }>,
  dataFd: number | undefined,
  ids: Mappings,
  givesAway: boolean,
): Promise<Opened> {
  const data = dataFd === undefined ? {} : { dataFd };
  if (place.kind === "container") return openContainerFiles(context, place.row, data);
  const files = openHostFiles(context, ids, givesAway, dataFd);
  return { files, close: () => files.close() };
}

/** The id map of the container that takes part. */
function idsOf(context: Context, from: Place, to: Place): Mappings {
  const place = from.kind === "container" ? from : to;
  return place.kind === "container" ? mappingsOf(context, place.row) : context.host().mappings;
}

type Side = { place: Place; files: Files | null };

function run(context: Context, from: Side, to: Side, options: CopyOptions): Copied {
  if (to.place.kind === "stream") {
    const source = findSource(endOf(from), options.followLink);
    ask(from, source, source.name, "keep");
    const packed = from.files?.hear<Packed>();
    told(context, from, to);
    return { sizeBytes: packed?.sizeBytes ?? 0, path: "-" };
  }
  const end = endOf(to);
  if (from.place.kind === "stream") {
    const seen = end.stat(end.path, true);
    if (!seen || !isDirectory(seen)) {
      throw new EngineError(
        "invalid",
        "cp",
        end.path,
        `destination "${textOf(to.place)}" must be a directory`,
        { exitCode: 1 },
      );
    }
    askUnpack(to, end.path, ownersFor(context, from, to, options), options, true);
    const unpacked = inWords(to, () => to.files?.hear<Unpacked>());
    told(context, from, to);
    return { sizeBytes: unpacked?.sizeBytes ?? 0, path: end.path };
  }
  const source = findSource(endOf(from), options.followLink);
  const destination = findDestination(end, source);
  refuseItself(from, to, source, destination);
  const isIn = from.place.kind === "host";
  ask(from, source, destination.name, !isIn ? "keep" : options.archive ? "map" : "root");
  askUnpack(to, destination.directory, ownersFor(context, from, to, options), options, false);
  const copied = hearBoth(from, to);
  told(context, from, to);
  return { sizeBytes: copied.sizeBytes, path: end.path };
}

/** The unpacker first: when it has failed the packer finds nobody reading, and when the packer fails the unpacker finds the end. */
function hearBoth(from: Side, to: Side): Packed {
  let failed: unknown;
  try {
    inWords(to, () => to.files?.hear<Unpacked>());
  } catch (error) {
    failed = error;
  }
  try {
    const packed = from.files?.hear<Packed>();
    if (failed !== undefined) throw failed;
    return packed as Packed;
  } catch (error) {
    // a broken pipe only follows from what the other one says
    if (failed === undefined || !(error instanceof HelperError) || error.facts.errno !== "EPIPE") throw error;
    throw failed;
  }
}

function inWords<T>(to: Side, hear: () => T): T {
  try {
    return hear();
  } catch (error) {
    if (!(error instanceof HelperError) || error.facts.errno !== "EROFS" || to.place.kind !== "container")
      throw error;
    throw new EngineError(
      "invalid",
      "cp",
      textOf(to.place),
      "container rootfs, or the volume there, is marked read-only",
      {
        exitCode: 1,
      },
    );
  }
}

function ask(from: Side, source: Source, base: string, owners: "keep" | "root" | "map"): void {
  from.files?.ask({ do: "pack", path: source.path, base, follow: source.follow, owners });
}

function askUnpack(
  to: Side,
  path: string,
  owners: UnpackOwners,
  options: CopyOptions,
  foreign: boolean,
): void {
  to.files?.ask({ do: "unpack", path, owners, replace: options.overwrite, foreign });
}

/** What comes to the host is the caller's, unless it is asked for otherwise; what is in a container has the owners of the archive. */
function ownersFor(context: Context, _from: Side, to: Side, options: CopyOptions): UnpackOwners {
  if (to.place.kind === "host") return options.archive ? "entry" : "mine";
  return context.host().kind === "single" ? "root" : "entry";
}

function endOf({ place, files }: Side): End {
  if (place.kind === "stream" || files === null) throw new Error("a stream has no path");
  return {
    path: cleanPath(place.path),
    stat: (path, follow) => files.stat(path, follow),
    missing: (path) => missing(place, path),
  };
}

function missing(place: Exclude<Place, { kind: "stream" }>, path: string): EngineError {
  if (place.kind === "container") {
    const why = `Could not find the file ${path} in container ${place.row.name}`;
    return new EngineError("not-found", "cp", textOf(place), why, { exitCode: 1 });
  }
  return new EngineError("not-found", "cp", path, "no such file or directory", { exitCode: 1 });
}

function textOf(place: Place): string {
  if (place.kind === "stream") return "-";
  return place.kind === "container" ? `${place.row.name}:${place.path}` : place.path;
}

export { textOf as textOfPlace };

/** A directory cannot go into itself: there would be no end. */
function refuseItself(from: Side, to: Side, source: Source, destination: Destination): void {
  if (
    from.place.kind !== "container" ||
    to.place.kind !== "container" ||
    from.place.row.id !== to.place.row.id
  )
    return;
  const inside = source.path === "/" ? "/" : `${source.path.replace(/\/\.?$/, "")}/`;
  if (!`${destination.directory.replace(/\/$/, "")}/`.startsWith(inside)) return;
  throw new EngineError("invalid", "cp", textOf(to.place), "a directory cannot be copied into itself", {
    exitCode: 1,
  });
}

/** Docker's events. */
function told(context: Context, from: Side, to: Side): void {
  if (from.place.kind === "container")
    tell(context, from.place.row, "archive-path", { path: from.place.path });
  if (to.place.kind === "container") tell(context, to.place.row, "extract-to-dir", { path: to.place.path });
}
