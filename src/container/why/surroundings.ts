/** What a container needs of its host, and whether it is there: its image, its mounts, its ports, room on the disk. */
import { existsSync, readFileSync, statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Facts, Rootfs } from "../../helper";
import type { ContainerSpec } from "../../oci";
import { type ContainerRow, type Context, imageById, volumeByName } from "../../state";
import { containerDirectory, rootfsFile } from "../places";
import { parseHeldPort, portHolder } from "../port-holder";
import { type Claim, seen } from "./claim";

/** Bytes with which nothing can be started, and those with which what has failed for want of room is no wonder. */
const NO_SPACE = 1 << 20;
const LITTLE_SPACE = 64 << 20;

/** FAILED: how its last start failed in the helper, if it did. */
export function surroundingClaims(
  context: Context,
  row: ContainerRow,
  spec: ContainerSpec,
  failed: Facts | null,
): Claim[] {
  return [
    ...imageClaims(context, row),
    ...mountClaims(context, row, spec),
    ...kindClaims(spec, failed),
    ...portClaims(context, failed),
    ...spaceClaims(context, failed),
  ];
}

function imageClaims(context: Context, row: ContainerRow): Claim[] {
  const directory = containerDirectory(context, row.id);
  if (row.status === "exited" && !existsSync(directory))
    return [
      {
        claim: "its files are gone",
        evidence: [seen("there is no such directory", directory)],
        mend: `proa rm ${row.name}, and run it again`,
      },
    ];
  if (row.image_id !== null && !imageById(context.db(), row.image_id))
    return [
      {
        claim: `its image ${row.image_ref} is gone`,
        evidence: [seen(`no image ${row.image_id}`, "the state database")],
        mend: `proa pull ${row.image_ref}`,
      },
    ];
  const rootfs = storedRootfs(rootfsFile(context, row.id));
  const missing = rootfs && "lower" in rootfs ? rootfs.lower.find((layer) => !existsSync(layer)) : undefined;
  if (missing === undefined) return [];
  return [
    {
      claim: "a layer of its image is gone",
      evidence: [seen("there is no such directory", missing)],
      mend: "proa system check --repair",
    },
  ];
}

function storedRootfs(path: string): Rootfs | null {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return null; // never started
  }
}

function mountClaims(context: Context, row: ContainerRow, spec: ContainerSpec): Claim[] {
  return (spec.MountPoints ?? []).flatMap(({ Type, Source, Name, Destination, CreateSource }): Claim[] => {
    if (Type === "bind" && !CreateSource && Source.startsWith("/") && !existsSync(Source))
      return [
        {
          claim: `what is mounted at ${Destination} is gone from the host`,
          evidence: [
            seen(`-v ${Source}:${Destination}`, "settings of the container"),
            seen("nothing is there", Source),
          ],
          mend: `mkdir -p ${Source}, or make another container without it`,
        },
      ];
    if (Type === "volume" && Name !== "" && row.status === "exited" && !volumeByName(context.db(), Name))
      return [
        {
          claim: `the volume at ${Destination} is gone`,
          evidence: [seen(`no volume ${Name}`, "the state database")],
          mend: `proa volume create ${Name}`,
        },
      ];
    return [];
  });
}

/** A directory cannot be mounted on a file, nor a file on a directory: what is on the host has become another. */
function kindClaims(spec: ContainerSpec, failed: Facts | null): Claim[] {
  if (failed?.step !== "create mount point" || !["ENOTDIR", "EISDIR"].includes(failed.errno)) return [];
  const mount = (spec.MountPoints ?? []).find(
    ({ Type, Destination }) => Type === "bind" && Destination.replace(/(.)\/+$/, "$1") === failed.object,
  );
  const found = mount && statSync(mount.Source, { throwIfNoEntry: false });
  if (!mount || !found) return [];
  const { Source, Destination } = mount;
  const [is, other] = found.isDirectory() ? ["a directory", "a file"] : ["a file", "a directory"];
  return [
    {
      claim: `${Source} is ${is}, and ${Destination} in the container is ${other}`,
      evidence: [
        seen(`-v ${Source}:${Destination}`, "settings of the container"),
        seen(is, Source),
        seen(`${failed.step}: ${failed.object}: ${failed.errno}`, "exit.json of the container"),
      ],
      mend: found.isDirectory()
        ? `rmdir ${Source}, and put the file there that it was: where nothing is, -v makes a directory`
        : "mount a directory there, or choose another place in the container",
    },
  ];
}

function portClaims(context: Context, failed: Facts | null): Claim[] {
  if (failed?.step !== "publish port") return [];
  const held = parseHeldPort(failed.object);
  const holder = held && portHolder(context, held);
  if (!held) return [];
  const step = seen(`${failed.step}: ${failed.object}: ${failed.errno}`, "exit.json of the container");
  if (failed.errno !== "EADDRINUSE") return [];
  if (holder === null)
    return [
      {
        claim: `the port ${failed.object} was in use, and nobody who can be seen has it now`,
        evidence: [step, seen("no socket listens there", "/proc/net")],
        mend: "start it again, or look as root: ss -lntup",
      },
    ];
  return [
    {
      claim: `the port ${failed.object} is held by ${holder}`,
      evidence: [
        step,
        seen(`${holder} has it now`, holder.startsWith("container") ? "its ports.json" : "/proc/net"),
      ],
      mend: holder.startsWith("container ")
        ? `proa stop ${holder.slice(10)}`
        : "end it, or publish another port",
    },
  ];
}

function spaceClaims({ paths }: Context, failed: Facts | null): Claim[] {
  const isFull = failed?.errno === "ENOSPC" || failed?.errno === "EDQUOT";
  return [paths.data, paths.runtime].flatMap((path): Claim[] => {
    const free = freeBytes(path);
    if (free === null || free >= (isFull ? LITTLE_SPACE : NO_SPACE)) return [];
    return [
      {
        claim: `the disk is full: ${Math.floor(free / 1024)} KiB are free`,
        evidence: [
          ...(isFull && failed
            ? [seen(`${failed.step}: ${failed.object}: ${failed.errno}`, "exit.json of the container")]
            : []),
          seen(`${free} bytes free`, path),
        ],
        mend: "proa system prune",
      },
    ];
  });
}

function freeBytes(path: string): number | null {
  try {
    const { bavail, bsize } = statfsSync(existsSync(path) ? path : join(path, ".."));
    return bavail * bsize;
  } catch {
    return null;
  }
}
