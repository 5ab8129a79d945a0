/** podman's `HostConfig.IDMappings`, of a container whose ids are not the usual ones and that was started. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { IdMapping, Mappings } from "../helper";
import { type ContainerSpec, isolationOf, mergeRanges, rangesOf } from "../oci";
import { allContainers, type Context, containerSpec } from "../state";
import { forgetMappedLayers } from "../storage";
import { containerDirectory } from "./places";
import { readSpec } from "./spec";

/** Whether a container's map may be another than the usual one. */
function mayHaveOwnIds(spec: ContainerSpec): boolean {
  const { UsernsMode, IdMapLines, PidMode, IpcMode, UTSMode, CgroupnsMode } = isolationOf(spec.HostConfig);
  const modes = [PidMode, IpcMode, UTSMode, CgroupnsMode, spec.HostConfig.NetworkMode];
  return (
    !["", "host", "private"].includes(UsernsMode) ||
    IdMapLines.uid.length + IdMapLines.gid.length > 0 ||
    modes.some((mode) => /^(container|ns):/.test(mode))
  );
}

/** The id map of a container by what it was started with last; the usual one for those that have it, or were never started. */
export function mappingsOf(context: Context, id: string, spec: ContainerSpec): Mappings {
  const usual = context.host().mappings;
  if (!mayHaveOwnIds(spec)) return usual;
  try {
    const text = readFileSync(join(containerDirectory(context, id), "config.json"), "utf8");
    const { linux } = JSON.parse(text) as { linux: { uidMappings: IdMapping[]; gidMappings: IdMapping[] } };
    return { uid: linux.uidMappings, gid: linux.gidMappings };
  } catch {
    return usual; // not started yet
  }
}

/** Put layers aside that were made for maps which no container has any more; the collector of garbage removes them. */
export function forgetUnusedMaps(context: Context): void {
  const { mappings: usual } = context.host();
  const used = allContainers(context.db()).flatMap((row) => {
    const spec = readSpec(containerSpec(context.db(), row.id) ?? "{}");
    if (!mayHaveOwnIds(spec)) return [];
    try {
      const { uid, gid } = mappingsOf(context, row.id, spec);
      return [{ uid: mergeRanges(rangesOf(uid, usual.uid)), gid: mergeRanges(rangesOf(gid, usual.gid)) }];
    } catch {
      return []; // with ids that are the caller's no more
    }
  });
  forgetMappedLayers(context, used);
}

/** `{"IDMappings":{"UidMap":["CONTAINER:FROM:SIZE"],…}}`, or nothing. */
export function shownIdMappings(
  context: Context,
  id: string,
  spec: ContainerSpec,
): { IDMappings?: { UidMap: string[]; GidMap: string[] } } {
  if (!mayHaveOwnIds(spec)) return {};
  const { mappings: usual } = context.host();
  const mappings = mappingsOf(context, id, spec);
  const shown = (kind: "uid" | "gid"): string[] =>
    mergeRanges(rangesOf(mappings[kind], usual[kind])).map(
      ({ containerID, parentID, size }) => `${containerID}:${parentID}:${size}`,
    );
  try {
    return { IDMappings: { UidMap: shown("uid"), GidMap: shown("gid") } };
  } catch {
    return {}; // ids that are the caller's no more
  }
}
