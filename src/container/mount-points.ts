/** What a container mounts, as it was worked out when it was created. */
import {
  type ContainerSpec,
  checkTmpfsOptions,
  cleanTarget,
  type MountPoint,
  parseBind,
  readMountWords,
} from "../oci";
import type { ContainerRow, Context } from "../state";
import { mountpointOf } from "../volume";

export const UNUSED: MountPoint = {
  Type: "bind",
  Name: "",
  Source: "",
  Destination: "",
  RW: true,
  Mode: "",
  Propagation: "",
  Anonymous: false,
  Options: [],
  Subpath: "",
  CreateSource: false,
};

/** What lies in another mount comes after it. */
export function byDepth(a: MountPoint, b: MountPoint): number {
  const depth = ({ Destination }: MountPoint) => Destination.split("/").length;
  return depth(a) - depth(b);
}

export function pointOfBind(bind: string): MountPoint {
  const { source, target, words } = parseBind(bind);
  const { readonly, propagation, options } = readMountWords(words, bind);
  const common = { ...UNUSED, Destination: target, RW: !readonly, Options: options };
  if (!source.startsWith("/")) return { ...common, Type: "volume", Name: source, Mode: words || "z" };
  return {
    ...common,
    Source: source,
    Mode: words,
    Propagation: propagation || "rprivate",
    CreateSource: true,
  };
}

export function pointOfTmpfs(target: string, options: string): MountPoint {
  const words = checkTmpfsOptions(options, `${target}:${options}`);
  return {
    ...UNUSED,
    Type: "tmpfs",
    Destination: cleanTarget(target),
    RW: !words.includes("ro"),
    Options: words,
    IsHidden: true,
  };
}

/** All that a container mounts, of records of older versions too. */
export function mountPointsOf(spec: ContainerSpec): MountPoint[] {
  if (spec.MountPoints !== undefined) return spec.MountPoints;
  const { Binds, Tmpfs } = spec.HostConfig;
  const tmpfs = Object.entries(Tmpfs).map(([target, options]) => pointOfTmpfs(target, options));
  return [...tmpfs, ...Binds.map(pointOfBind)].sort(byDepth);
}

/** Docker's list of the mounts of a container, `Mounts`. */
export function mountPoints(
  context: Context,
  _row: ContainerRow,
  spec: ContainerSpec,
): Record<string, unknown>[] {
  return mountPointsOf(spec)
    .filter(({ IsHidden }) => IsHidden !== true)
    .map(({ Type, Name, Source, Destination, Mode, RW, Propagation }) =>
      Type === "volume"
        ? {
            Type,
            Name,
            Source: mountpointOf(context, Name),
            Destination,
            Driver: "local",
            Mode,
            RW,
            Propagation,
          }
        : { Type, Source, Destination, Mode, RW, Propagation },
    );
}
