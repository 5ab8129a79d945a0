/** Devices of the host, and what `--privileged` and CDI bring with them. */
import { accessSync, constants, readdirSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";
import {
  type ContainerSpec,
  type DeviceMapping,
  type DeviceRequest,
  isolationOf,
  type OciMount,
} from "../oci";
import type { Context } from "../state";

export type DeviceEdits = { mounts: OciMount[]; env: string[]; additionalGids: number[] };

/** Throws `not-found`, `unsupported`, `invalid`. */
export async function deviceEdits(context: Context, spec: ContainerSpec): Promise<DeviceEdits> {
  const { Devices, DeviceRequests } = isolationOf(spec.HostConfig);
  const edits: DeviceEdits = { mounts: [], env: [], additionalGids: [] };
  if (spec.HostConfig.Privileged) edits.mounts.push(...hostDevices().map((path) => deviceMount(path, path)));
  for (const device of Devices) edits.mounts.push(...deviceMounts(device));
  const names = DeviceRequests.flatMap(cdiNamesOf);
  if (names.length > 0) {
    const { cdiEdits } = await import("./cdi");
    const found = await cdiEdits(context, names);
    edits.mounts.push(...found.mounts);
    edits.env.push(...found.env);
    edits.additionalGids.push(...found.additionalGids);
  }
  return { ...edits, mounts: withoutTwice(edits.mounts) };
}

/** The last one of those with the same target counts. */
function withoutTwice(mounts: OciMount[]): OciMount[] {
  return [...new Map(mounts.map((mount) => [mount.destination, mount])).values()];
}

/** A bind of the node. A device can be opened for writing on a read-only mount, too: what permissions leave out is not taken away by it. */
function deviceMount(source: string, destination: string): OciMount {
  return { destination, type: "bind", source, options: ["bind", "nosuid", "noexec", "rprivate"] };
}

/** A node, or all that are below a directory. */
function deviceMounts({ PathOnHost, PathInContainer, CgroupPermissions }: DeviceMapping): OciMount[] {
  const stat = statDevice(PathOnHost);
  if (!stat.isDirectory()) {
    checkDevice(PathOnHost, stat, CgroupPermissions);
    return [deviceMount(PathOnHost, PathInContainer)];
  }
  const found = nodesBelow(PathOnHost, 8).filter((path) => canOpen(path));
  if (found.length === 0)
    throw new EngineError(
      "not-found",
      "device",
      PathOnHost,
      "no device in this directory can be opened by you",
    );
  return found.map((path) => deviceMount(path, join(PathInContainer, path.slice(PathOnHost.length))));
}

function statDevice(path: string): Stats {
  try {
    return statSync(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // docker's words
    throw new EngineError(
      code === "ENOENT" ? "not-found" : "io",
      "error gathering device information while adding custom device",
      `"${path}"`,
      code === "ENOENT" ? "no such file or directory" : error,
    );
  }
}

function checkDevice(path: string, stat: Stats, permissions: string): void {
  if (!stat.isCharacterDevice() && !stat.isBlockDevice())
    throw new EngineError(
      "invalid",
      "error gathering device information while adding custom device",
      `"${path}"`,
      "not a device node",
    );
  const wanted =
    (permissions.includes("r") ? constants.R_OK : 0) | (permissions.includes("w") ? constants.W_OK : 0);
  try {
    accessSync(path, wanted);
  } catch (error) {
    throw new EngineError("unsupported", "device", path, error, {
      hint: "a container opens what you may open yourself: become a member of the device's group, and give it to the container with --group-add keep-groups",
    });
  }
}

function canOpen(path: string): boolean {
  for (const mode of [constants.R_OK | constants.W_OK, constants.R_OK, constants.W_OK]) {
    try {
      accessSync(path, mode);
      return true;
    } catch {
      // perhaps less
    }
  }
  return false;
}

/** What each container has of its own in /dev, or must not get: terminals in use, and the directories that are mounts of their own. */
const OWN =
  /^\/dev\/(pts|shm|mqueue|hugepages|console|ptmx|fd|stdin|stdout|stderr|core|log|null|zero|full|random|urandom|tty|tty\d+|vcs.*)$/;

/** The host's devices that the caller may open. */
function hostDevices(): string[] {
  return nodesBelow("/dev", 4).filter((path) => !OWN.test(path) && canOpen(path));
}

function nodesBelow(directory: string, depth: number): string[] {
  let entries: import("node:fs").Dirent[];
  try {
    entries = readdirSync(directory, { withFileTypes: true });
  } catch {
    return []; // closed to the caller
  }
  return entries.flatMap((entry) => {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory()) return depth > 0 && !OWN.test(path) ? nodesBelow(path, depth - 1) : [];
    return entry.isCharacterDevice() || entry.isBlockDevice() ? [path] : [];
  });
}

/** The CDI names of a request: docker's `--gpus` means those of nvidia.com/gpu. */
function cdiNamesOf(request: DeviceRequest): string[] {
  if (request.Driver === "cdi") return request.DeviceIDs;
  const capabilities = request.Capabilities.map((set) => `[${set.join(" ")}]`).join(" ");
  const isGpu = request.Capabilities.some((set) => set.includes("gpu"));
  if (!isGpu || !["", "nvidia"].includes(request.Driver))
    throw new EngineError(
      "unsupported",
      `could not select device driver "${request.Driver}"`,
      "",
      `with capabilities: [${capabilities}]`,
    );
  if (request.DeviceIDs.length > 0) return request.DeviceIDs.map((id) => `nvidia.com/gpu=${id}`);
  if (request.Count < 0) return ["nvidia.com/gpu=all"];
  return Array.from({ length: request.Count }, (_, at) => `nvidia.com/gpu=${at}`);
}

/** What can be seen to be wrong at creation. */
export function checkDevices(spec: ContainerSpec): void {
  const { Devices, DeviceRequests } = isolationOf(spec.HostConfig);
  for (const { PathOnHost, CgroupPermissions } of Devices) {
    const stat = statDevice(PathOnHost);
    if (!stat.isDirectory()) checkDevice(PathOnHost, stat, CgroupPermissions);
  }
  for (const request of DeviceRequests) cdiNamesOf(request);
}
