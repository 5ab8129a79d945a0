/** The content of a volume as a tar archive, with the owners that containers see. */
import { EngineError } from "../error";
import { Files } from "../helper";
import type { Context, Volume } from "../state";
import { kindOf } from "./options";
import { mountpointOf } from "./places";

/** Where the files of a volume are. Throws `unsupported` for one in memory, which is its container's alone. */
function placeOf(context: Context, what: string, volume: Volume): string {
  const kind = kindOf(volume.options);
  if (kind.kind === "bind") return kind.source;
  if (kind.kind === "directory") return mountpointOf(context, volume.name);
  throw new EngineError(
    "unsupported",
    what,
    volume.name,
    "it is in memory: its files are in the containers that mount it",
    {
      exitCode: 1,
    },
  );
}

function open(context: Context, dataFd: number): Files {
  const { mappings } = context.host();
  return Files.start(
    context.paths.cache,
    { root: { kind: "host", mappings }, mappings, oneMount: true },
    dataFd,
  );
}

/** Write the archive to `dataFd`, which stays the caller's. */
export function exportVolume(context: Context, volume: Volume, dataFd: number): void {
  const path = placeOf(context, "export volume", volume);
  const files = open(context, dataFd);
  try {
    files.ask({ do: "pack", path, base: ".", follow: false, owners: "keep" });
    files.hear();
  } finally {
    files.close();
  }
}

/** Unpack the archive from `dataFd`, which may be compressed, over what the volume holds. */
export function importVolume(context: Context, volume: Volume, dataFd: number): void {
  const path = placeOf(context, "import volume", volume);
  const files = open(context, dataFd);
  try {
    files.ask({ do: "unpack", path, owners: "entry", replace: true, foreign: true, top: true });
    files.hear();
  } finally {
    files.close();
  }
}
