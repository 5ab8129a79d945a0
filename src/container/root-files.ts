/**
 * The files of a container as seen from outside: through its own mount namespace while it runs, else through a mount of its root that lasts as long as the
 * conversation. Nothing of the container is executed, and no path is resolved outside of its root (`native/files.h`).
 */
import { closeSync, existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";
import { Files, type Mappings, pidfdOpen, type Rootfs } from "../helper";
import type { OciMount, RuntimeConfig } from "../oci";
import { type ContainerRow, type Context, makePrivateDirectory } from "../state";
import type { RootSource } from "../storage";
import { type Alive, openAlive } from "./alive";
import { lockContainer } from "./lock";
import { containerDirectory, rootfsFile, runDirectory } from "./places";
import { specOf } from "./spec";

export type RootOptions = {
  /** Where the archive goes to or comes from; the caller closes it. */
  dataFd?: number;
  /** The container's own root alone, without what is mounted in it, and not to be written. */
  onlyRoot?: boolean;
};

/** Begin a conversation about the files of ROW's container. `close()` ends it and gives the container back. */
export async function openContainerFiles(
  context: Context,
  row: ContainerRow,
  options: RootOptions = {},
): Promise<{ files: Files; close(): void }> {
  const startedAt = context.now();
  for (;;) {
    const alive = openAlive(context, row);
    if (alive) return openRunning(context, row, options, alive);
    const lock = lockContainer(context, row.id);
    if (lock !== null) return openStopped(context, row, options, lock);
    // it is being started, or begins another life, or ends: all of that is over in a moment
    if (context.now() - startedAt > 10_000) {
      throw new EngineError(
        "in-use",
        "files",
        row.name,
        "the container is being started or stopped, or its files are used",
        { exitCode: 1 },
      );
    }
    await Bun.sleep(20);
  }
}

function openRunning(
  context: Context,
  row: ContainerRow,
  options: RootOptions,
  alive: Alive,
): { files: Files; close(): void } {
  const { dataFd, onlyRoot = false } = options;
  const isOwn = specOf(context, row).HostConfig.Runtime === "";
  const inner = isOwn ? null : innerProcess(alive);
  try {
    // another runtime's process stands outside of the container, where its root lies in the bundle
    const path = isOwn || inner ? "/" : join(containerDirectory(context, row.id), "rootfs");
    const root = { kind: "running" as const, pid: inner?.pid ?? alive.pid, path, onlyRoot };
    const request = { root, mappings: mappingsOf(context, row), oneMount: onlyRoot };
    const files = Files.start(context.paths.cache, request, dataFd, inner?.pidfd ?? alive.pidfd);
    return { files, close: () => files.close() };
  } finally {
    closeSync(alive.pidfd);
    if (inner) closeSync(inner.pidfd);
  }
}

/** The first process of a container that another runtime has made: the child of the one that runs it. */
function innerProcess(alive: Alive): { pid: number; pidfd: number } | null {
  const tasks = `/proc/${alive.pid}/task`;
  // a child is its thread's
  const first = (): number =>
    Number.parseInt(
      readdirSync(tasks)
        .map((task) => readFileSync(`${tasks}/${task}/children`, "utf8"))
        .join(""),
      10,
    );
  try {
    const pid = first();
    const pidfd = pidfdOpen(pid);
    if (first() === pid) return { pid, pidfd }; // it was still that one when it was opened
    closeSync(pidfd);
  } catch {
    // none, or it has just ended
  }
  return null;
}

/** The lock is held meanwhile: a container that starts would find its root mounted twice. */
async function openStopped(
  context: Context,
  row: ContainerRow,
  options: RootOptions,
  lock: number,
): Promise<{ files: Files; close(): void }> {
  const { dataFd, onlyRoot = false } = options;
  try {
    const directory = containerDirectory(context, row.id);
    const { rootfs, config, mappings, isFirst } = await storedRoot(context, row);
    if ("tmpfs" in rootfs) {
      throw new EngineError("unsupported", "files", row.name, "they were kept in memory, and went with it", {
        exitCode: 1,
        hint: "while the container runs they are there",
      });
    }
    const root = {
      kind: "stopped" as const,
      bundle: directory,
      target: join(directory, "rootfs"),
      rootfs: durable(rootfs),
      mounts: onlyRoot ? [] : shownMounts(config?.mounts ?? [], isFirst),
      mappings,
      onlyRoot,
      readonly: onlyRoot || specOf(context, row).HostConfig.ReadonlyRootfs,
    };
    const files = Files.start(context.paths.cache, { root, mappings, oneMount: onlyRoot }, dataFd);
    return {
      files,
      close: () => {
        files.close();
        rmSync(runDirectory(context, row.id), { recursive: true, force: true });
        closeSync(lock);
      },
    };
  } catch (error) {
    closeSync(lock);
    throw error;
  }
}

/** A conversation about the host's files; IDS is the map of the container they go to or come from. `givesAway`: as root of a user namespace that has it. */
export function openHostFiles(context: Context, ids: Mappings, givesAway: boolean, dataFd?: number): Files {
  const root = { kind: "host" as const, mappings: givesAway ? ids : null };
  return Files.start(context.paths.cache, { root, mappings: ids, oneMount: false }, dataFd);
}

export type StoredRoot = {
  rootfs: Rootfs;
  config: RuntimeConfig | null;
  mappings: Mappings;
  /** It has never run: its volumes are still as they were made. */
  isFirst: boolean;
};

/** How the container's root was mounted when it was started last, or would be. Makes its writable layer where it has none yet. */
export async function storedRoot(context: Context, row: ContainerRow): Promise<StoredRoot> {
  const directory = containerDirectory(context, row.id);
  const config = readJson<RuntimeConfig>(join(directory, "config.json"));
  const mappings = mappingsIn(config) ?? context.host().mappings;
  const stored = readJson<Rootfs>(rootfsFile(context, row.id));
  if (config && stored && areThere(stored)) return { rootfs: stored, config, mappings, isFirst: false };
  const { prepareContainer } = await import("./prepare");
  return prepareContainer(context, row);
}

/** The image's layers, or the directory, that a container's root is made of. */
export function rootSourceOf(context: Context, row: ContainerRow): RootSource {
  if (row.image_id !== null) return { kind: "image", image: { id: row.image_id } };
  return { kind: "directory", path: specOf(context, row).HostConfig.Rootfs };
}

function areThere(rootfs: Rootfs): boolean {
  if (rootfs.driver === "plain") return existsSync(rootfs.path);
  return rootfs.lower.every((path) => existsSync(path)) && (!("upper" in rootfs) || existsSync(rootfs.upper));
}

/** "volatile" is for those who lose everything at their end anyway: the kernel refuses such a layer a second time. */
function durable(rootfs: Rootfs): Rootfs {
  return "volatile" in rootfs ? { ...rootfs, volatile: false } : rootfs;
}

/** What lies in directories of the host: volumes and binds. What lives with the container is not there without it. */
function shownMounts(mounts: OciMount[], isFirst: boolean): OciMount[] {
  return mounts.flatMap((mount) => {
    const isBind =
      mount.type === "bind" || mount.options?.some((option) => option === "bind" || option === "rbind");
    if (!isBind || /^\/(dev|proc|sys)(\/|$)/.test(mount.destination)) return [];
    if (mount.proa?.overlay || (mount.source !== undefined && !existsSync(mount.source))) return [];
    if (isFirst) return [mount];
    const { proa, ...plain } = mount;
    if (proa === undefined) return [plain];
    const { owner: _owner, copyUp: _copyUp, ...rest } = proa; // both were done at the start
    return [Object.keys(rest).length === 0 ? plain : { ...plain, proa: rest }];
  });
}

/** Of the container's own id map. */
export function mappingsOf(context: Context, row: ContainerRow): Mappings {
  const config = readJson<RuntimeConfig>(join(containerDirectory(context, row.id), "config.json"));
  return mappingsIn(config) ?? context.host().mappings;
}

function mappingsIn(config: RuntimeConfig | null): Mappings | null {
  if (!config) return null;
  const { uidMappings, gidMappings } = config.linux;
  return uidMappings.length > 0 ? { uid: uidMappings, gid: gidMappings } : null;
}

function readJson<T>(path: string): T | null {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as T;
  } catch {
    return null;
  }
}

/** Where something is mounted in the container: what was made for that is no content of it. */
export function mountTargets(config: RuntimeConfig | null): string[] {
  const made = ["/proc", "/sys", "/dev", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];
  const all = new Set([...made, ...(config?.mounts ?? []).map(({ destination }) => destination)]);
  return [...all].map((path) => path.replace(/\/+/g, "/").replace(/(.)\/$/, "$1"));
}

/** The bare beginnings of a container that has never been started. */
export function makeContainerDirectory(context: Context, id: string): string {
  const directory = containerDirectory(context, id);
  makePrivateDirectory(join(directory, "rootfs"), context.uid);
  return directory;
}
