/** A volume in the shape of `GET /volumes/{name}` of the Docker Engine API, and the fields that podman adds. */
import { type Context, type Volume, volumeUseCounts } from "../state";
import { mountpointOf } from "./places";

const orNull = (record: Record<string, string>) => (Object.keys(record).length > 0 ? record : null);

export function inspectVolume(context: Context, volume: Volume): Record<string, unknown> {
  return {
    CreatedAt: new Date(volume.createdMs).toISOString().replace(/\.\d+Z$/, "Z"),
    Driver: volume.driver,
    Labels: orNull(volume.labels),
    Mountpoint: mountpointOf(context, volume.name),
    Name: volume.name,
    Options: orNull(volume.options),
    Scope: "local",
    UID: volume.uid ?? 0,
    GID: volume.gid ?? 0,
    Anonymous: volume.anonymous,
    MountCount: volumeUseCounts(context.db()).get(volume.name) ?? 0,
  };
}
