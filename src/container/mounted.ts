/** The door to `mounts.ts`, which only containers with mounts load. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Mappings } from "../helper";
import type { ContainerSpec, OciMount, ResolvedUser } from "../oci";
import type { Context } from "../state";
import type { MountPlan } from "./mounts";

function asksForMounts({ HostConfig: host, Volumes }: ContainerSpec): boolean {
  const lists = [
    host.Binds,
    host.Mounts ?? [],
    host.VolumesFrom ?? [],
    Object.keys(host.Tmpfs),
    Object.keys(Volumes ?? {}),
  ];
  return (
    lists.some(({ length }) => length > 0) || host.ImageVolumes === "tmpfs" || host.VolumeDriver !== undefined
  );
}

/** What a new container mounts, worked out. */
export async function mountPlanFor(
  context: Context,
  spec: ContainerSpec,
  imageId: string | null,
): Promise<MountPlan> {
  if (!asksForMounts(spec)) return { spec: { ...spec, MountPoints: [] }, claim: () => [], told: () => {} };
  return (await import("./mounts")).planMounts(context, spec, imageId);
}

/** The mounts of a container that is being started, in the runtime's words. `directory` is the container's, which is there. */
export async function mountsFor(
  context: Context,
  spec: ContainerSpec,
  user: ResolvedUser,
  mappings: Mappings,
  directory: string,
): Promise<OciMount[]> {
  const { Binds, Tmpfs } = spec.HostConfig;
  const count = spec.MountPoints?.length ?? Binds.length + Object.keys(Tmpfs).length;
  if (count === 0) return [];
  return (await import("./mounts")).prepareMounts(context, { spec, user, mappings, directory });
}

/** Names of the volumes that it mounts. */
export function volumesIn({ MountPoints = [] }: ContainerSpec): string[] {
  return MountPoints.flatMap(({ Type, Name }) => (Type === "volume" ? [Name] : []));
}

/** What the supervisor says of volumes that it mounts and unmounts, in the run directory, which is there. */
export function noteVolumes(runDirectory: string, spec: ContainerSpec): void {
  const volumes = spec.MountPoints?.filter(({ Type }) => Type === "volume") ?? [];
  if (volumes.length === 0) return;
  const noted = volumes.map(({ Name, Destination, Propagation, RW }) => ({
    name: Name,
    destination: Destination,
    propagation: Propagation,
    writable: RW,
  }));
  writeFileSync(join(runDirectory, "volumes.json"), JSON.stringify(noted), { mode: 0o600 });
}
