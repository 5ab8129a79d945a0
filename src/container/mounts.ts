/** What is mounted in a container: worked out when it is created, and said in the runtime's words when it is started. */
import { existsSync, fstatSync, mkdirSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";
import type { Mappings } from "../helper";
import { imageById, lookUpImage } from "../image";
import {
  type ContainerSpec,
  checkTmpfsOptions,
  cleanTarget,
  type MountPoint,
  type MountSpec,
  type OciMount,
  type ResolvedUser,
  readMountWords,
} from "../oci";
import { type Context, volumeByName } from "../state";
import { layerDirectories, selectDriver } from "../storage";
import {
  checkDriver,
  claimVolumes,
  hostIdOf,
  kindOf,
  makeMappedDirectory,
  mountpointOf,
  randomVolumeName,
  tellOf,
  volumeDirectory,
} from "../volume";
import { findContainer } from "./find";
import { byDepth, mountPointsOf, pointOfBind, pointOfTmpfs, UNUSED } from "./mount-points";
import { specOf } from "./spec";

export type MountPlan = {
  spec: ContainerSpec;
  /** To be called in the transaction that has written the container's row: makes the volumes that are not there. */
  claim(id: string): void;
  /** To be called when that is through: tells of what was made. */
  told(): void;
};

/**
 * Work out what the spec of a new container mounts, in docker's order: what it has from others, what it asks for, and
 * volumes where nothing else is.
 *
 * @throws EngineError `invalid` for two mounts at one place, `not-found`, `unsupported`
 */
export async function planMounts(
  context: Context,
  spec: ContainerSpec,
  imageId: string | null,
): Promise<MountPlan> {
  const host = spec.HostConfig;
  checkDriver(host.VolumeDriver ?? "");
  const inherited: MountPoint[] = [];
  for (const text of host.VolumesFrom ?? []) inherited.push(...(await pointsFrom(context, text)));
  const asked = [
    ...host.Binds.map(pointOfBind),
    ...(host.Mounts ?? []).flatMap((mount) => pointsOfMount(context, mount)),
    ...Object.entries(host.Tmpfs).map(([target, options]) => pointOfTmpfs(target, options)),
  ];
  const points = new Map<string, MountPoint>();
  for (const point of asked) {
    if (points.has(point.Destination))
      throw new EngineError("invalid", "mount", point.Destination, "several mounts have this target");
    points.set(point.Destination, point);
  }
  for (const point of inherited) if (!points.has(point.Destination)) points.set(point.Destination, point);
  const inMemory =
    host.ImageVolumes === "tmpfs" && imageId !== null ? imageById(context, imageId).config.Volumes : [];
  for (const target of inMemory.map(cleanTarget))
    if (!points.has(target)) points.set(target, { ...pointOfTmpfs(target, "exec"), IsHidden: true });
  for (const target of Object.keys(spec.Volumes ?? {}).map(cleanTarget)) {
    if (points.has(target)) continue;
    const Name = randomVolumeName();
    points.set(target, { ...UNUSED, Type: "volume", Name, Destination: target, Anonymous: true });
  }
  const MountPoints = [...points.values()].sort(byDepth);
  const uses = MountPoints.filter(({ Type }) => Type === "volume").map((point) => ({
    name: point.Name,
    destination: point.Destination,
    anonymous: point.Anonymous,
    labels: point.Labels ?? {},
    options: point.DriverOptions ?? {},
  }));
  let made: string[] = [];
  return {
    spec: { ...spec, MountPoints },
    claim: (id) => {
      made = claimVolumes(context, id, uses);
    },
    told: () => {
      for (const name of made) tellOf(context, "create", name);
    },
  };
}

/** The volumes and directories of `CONTAINER[:OPTIONS]`. */
async function pointsFrom(context: Context, text: string): Promise<MountPoint[]> {
  const [name = "", options = ""] = text.split(":");
  const row = await findContainer(context, "volumes from", name);
  const { readonly } = readMountWords(options, text);
  const shared = mountPointsOf(specOf(context, row)).filter(
    ({ Type }) => Type === "volume" || Type === "bind",
  );
  return shared.map((point) => ({
    ...point,
    RW: point.RW && !readonly,
    Mode: options || point.Mode,
    CreateSource: false,
  }));
}

function pointsOfMount(context: Context, mount: MountSpec): MountPoint[] {
  const { Type, Source = "", BindOptions = {}, VolumeOptions = {}, TmpfsOptions = {} } = mount;
  const words = mount.Options ?? [];
  const common = { ...UNUSED, RW: !mount.ReadOnly, Options: words };
  const Destination = mount.Target === "" ? "" : cleanTarget(mount.Target);
  if (Type === "bind" || Type === "glob") {
    const Options = [
      ...words,
      ...(BindOptions.NonRecursive ? ["bind"] : []),
      ...(BindOptions.ReadOnlyNonRecursive ? ["topOnly"] : []),
    ];
    const CreateSource = BindOptions.CreateMountpoint ?? false;
    const point = { ...common, Options, CreateSource, Propagation: BindOptions.Propagation || "rprivate" };
    if (Type === "glob") return globbed(mount, point);
    if (!CreateSource && !existsSync(Source)) throw noSource(Source);
    return [{ ...point, Source, Destination }];
  }
  if (Type === "volume") {
    const DriverOptions = VolumeOptions.DriverConfig?.Options ?? {};
    checkDriver(VolumeOptions.DriverConfig?.Name ?? "");
    kindOf(DriverOptions);
    const isAnonymous = Source === "";
    return [
      {
        ...common,
        Type: "volume",
        Name: Source || randomVolumeName(),
        Destination,
        Mode: isAnonymous ? "" : "z",
        Anonymous: isAnonymous,
        Options: [...words, ...(VolumeOptions.NoCopy ? ["nocopy"] : [])],
        Subpath: VolumeOptions.Subpath ?? "",
        Labels: VolumeOptions.Labels ?? {},
        DriverOptions,
      },
    ];
  }
  if (Type === "image") {
    const image = lookUpImage(context, Source);
    if (image === null)
      throw new EngineError("not-found", "mount image: No such image", Source, "image not known", {
        hint: `pull it first: proa pull ${Source}`,
      });
    const Subpath = mount.ImageOptions?.Subpath ?? "";
    const RW = words.includes("rw");
    return [{ ...common, Type, Source, Destination, RW, Image: image.id, Subpath }];
  }
  const { SizeBytes = 0, Mode } = TmpfsOptions;
  const data = [
    ...words,
    ...(SizeBytes > 0 ? [`size=${SizeBytes}`] : []),
    ...(Mode === undefined || Mode === 0 ? [] : [`mode=${Mode.toString(8)}`]),
    ...(TmpfsOptions.Options ?? []).map((pair) => pair.join("=")),
  ];
  if (Type === "tmpfs") checkTmpfsOptions(data.join(","), Destination);
  return [{ ...common, Type, Destination, Options: data }];
}

/** Each path that the pattern names: below the target, which is a directory, or without one at its own place. */
function globbed({ Source = "", Target }: MountSpec, point: MountPoint): MountPoint[] {
  const found = [
    ...new Bun.Glob(Source.slice(1)).scanSync({ cwd: "/", absolute: true, onlyFiles: false, dot: true }),
  ].sort();
  if (found.length === 0) throw new EngineError("not-found", "mount", Source, "no path matches the pattern");
  return found.map((path) => ({
    ...point,
    Source: path,
    Destination: cleanTarget(Target === "" ? path : join(Target, path.split("/").at(-1) ?? "")),
  }));
}

function noSource(path: string): EngineError {
  return new EngineError("not-found", "mount", path, "bind source path does not exist", {
    hint: "--volume makes a source that is not there, and so does bind-create-src in --mount",
  });
}

export type MountInput = {
  spec: ContainerSpec;
  user: ResolvedUser;
  mappings: Mappings;
  /** Of the container, which is there. */
  directory: string;
};

/**
 * Say in the runtime's words what is mounted, and make what has to be there for it: sources of binds, directories of overlays.
 *
 * @throws EngineError `not-found` for a source that is gone, `unsupported`, `io`
 */
export async function prepareMounts(context: Context, input: MountInput): Promise<OciMount[]> {
  const points = mountPointsOf(input.spec);
  const mounts: OciMount[] = [];
  for (const [at, point] of points.entries()) mounts.push(await ociMount(context, input, point, at));
  warnOfOwners(context, input, points);
  return mounts;
}

const isAttribute = (word: string): boolean => /^(no)?(suid|dev|exec)$/.test(word);

/** The place of a mount that has to be made before it can be bound. */
function scratchOf(context: Context, { directory }: MountInput, at: number): string {
  const parent = join(directory, "mounts");
  if (!existsSync(parent)) makeMappedDirectory(context, parent, 0o755);
  return join(parent, String(at));
}

async function ociMount(
  context: Context,
  input: MountInput,
  point: MountPoint,
  at: number,
): Promise<OciMount> {
  if (point.Type === "bind") {
    makeSource(point);
    return boundMount(context, input, point, at, point.Source, {});
  }
  if (point.Type === "volume") return volumeMount(context, input, point, at);
  if (point.Type === "image") return imageMount(context, input, point, at);
  return memoryMount(input, point);
}

/** A source of `--volume` that is not there becomes a directory, as Docker has it. */
function makeSource({ Source, CreateSource }: MountPoint): void {
  if (existsSync(Source)) return;
  if (!CreateSource) throw noSource(Source);
  try {
    mkdirSync(Source, { recursive: true });
  } catch (error) {
    throw new EngineError("io", "create source of volume", Source, error);
  }
}

type Own = NonNullable<OciMount["proa"]>;

/** A bind of SOURCE. OWN: what is to be done before, beside what the options ask for. */
function boundMount(
  context: Context,
  input: MountInput,
  point: MountPoint,
  at: number,
  source: string,
  own: Own,
): OciMount {
  const { Options, Destination, RW, Propagation, Subpath } = point;
  const idmap = Options.find((word) => word.startsWith("idmap"));
  if (idmap?.includes("="))
    throw new EngineError("unsupported", "mount", Destination, "an id map of its own needs the host's root", {
      hint: "idmap without a value shows the ids of the disk as those of the container",
    });
  if (idmap !== undefined && (Subpath !== "" || Options.includes("O")))
    throw new EngineError(
      "unsupported",
      "mount",
      Destination,
      "idmap is of whole sources without an overlay",
    );
  const before: Own = { ...own };
  if (Subpath !== "") before.subpath = Subpath;
  if (Options.includes("U")) before.owner = { uid: input.user.uid, gid: input.user.gid };
  if (Options.includes("topOnly")) before.topOnly = true;
  const needsPlace = before.subpath !== undefined || Options.includes("O");
  if (needsPlace || before.owner) before.from ??= source;
  if (needsPlace) before.scratch = scratchOf(context, input, at);
  if (Options.includes("O")) before.overlay = overlayOf(input, point, before.scratch ?? "", source);
  return {
    destination: Destination,
    type: "bind",
    source: before.scratch ?? source,
    options: [
      Options.includes("bind") ? "bind" : "rbind",
      Propagation || "rprivate",
      ...Options.filter(isAttribute),
      ...(idmap ? ["idmap"] : []),
      ...(RW ? [] : ["ro"]),
    ],
    ...(Object.keys(before).length > 0 ? { proa: before } : {}),
  };
}

/** `:O`: what is written vanishes, unless the user says where it goes. */
function overlayOf(
  { directory }: MountInput,
  { Type, Options, Destination }: MountPoint,
  scratch: string,
  source: string,
): NonNullable<Own["overlay"]> {
  const of = (key: string) => Options.find((word) => word.startsWith(`${key}=`))?.slice(key.length + 1);
  const [upper, work] = [of("upperdir"), of("workdir")];
  if (upper !== undefined || work !== undefined) {
    if (!upper?.startsWith("/") || !work?.startsWith("/"))
      throw new EngineError("invalid", "mount", Destination, "upperdir and workdir are two absolute paths");
    return { upper, work };
  }
  // overlay refuses an upper directory inside of the lower one
  if (
    Type === "bind" &&
    `${realpathSync(directory)}/`.startsWith(`${realpathSync(source).replace(/\/$/, "")}/`)
  )
    return { tmpfs: true };
  return freshOverlay(scratch);
}

function freshOverlay(scratch: string): NonNullable<Own["overlay"]> {
  return { upper: `${scratch}.upper`, work: `${scratch}.work`, fresh: true };
}

function volumeMount(context: Context, input: MountInput, point: MountPoint, at: number): OciMount {
  const volume = volumeByName(context.db(), point.Name); // null where it will be made together with the container's row
  const what = kindOf(volume?.options ?? point.DriverOptions ?? {});
  const isReadonly = what.options.includes("ro");
  const further = what.options.filter(isAttribute);
  const mounted = { ...point, RW: point.RW && !isReadonly, Options: [...further, ...point.Options] };
  if (what.kind === "tmpfs") {
    if (point.Subpath !== "" || point.Options.includes("O"))
      throw new EngineError(
        "unsupported",
        "mount volume",
        point.Name,
        "a volume in memory is mounted as a whole",
      );
    const copy = point.Options.includes("nocopy") ? [] : ["tmpcopyup"];
    const data = what.options.filter((word) => !isAttribute(word) && word !== "ro");
    return memoryMount(input, { ...mounted, Type: "tmpfs", Options: [...data, ...mounted.Options, ...copy] });
  }
  if (what.kind === "bind" && !existsSync(what.source)) throw noSource(what.source);
  const source = what.kind === "bind" ? what.source : mountpointOf(context, point.Name);
  const isFilled = !point.Options.includes("nocopy") && point.Subpath === "" && !isReadonly;
  const copyUp = {
    store: volumeDirectory(context, point.Name),
    marker: join(input.directory, "copied"),
    keepOwner: (volume?.uid ?? volume?.gid ?? null) !== null,
  };
  const ofHost = what.kind === "bind" ? { from: source, copyUp: { ...copyUp, within: true } } : { copyUp };
  const propagation = what.options.find((word) => /^r?(private|slave|shared)$/.test(word)) ?? "";
  return boundMount(
    context,
    input,
    { ...mounted, Propagation: propagation },
    at,
    source,
    isFilled ? ofHost : {},
  );
}

/** An image is seen through an overlay of its layers; what is written goes with the container's life. */
async function imageMount(
  context: Context,
  input: MountInput,
  point: MountPoint,
  at: number,
): Promise<OciMount> {
  const { driver } = await selectDriver(context);
  const lower = await layerDirectories(context, driver, imageById(context, point.Image ?? "").id);
  const scratch = scratchOf(context, input, at);
  const isWhole = driver.needsParent || (lower.length === 1 && driver.name !== "overlay");
  const options = ["rbind", "rprivate", ...point.Options.filter(isAttribute), ...(point.RW ? [] : ["ro"])];
  const subpath = point.Subpath === "" ? {} : { subpath: point.Subpath };
  const bound = { destination: point.Destination, type: "bind", source: scratch, options };
  if (driver.name === "overlay") {
    const overlay = {
      lower: lower.length > 0 ? lower : [emptyDirectory(context, scratch)],
      ...freshOverlay(scratch),
    };
    return { ...bound, proa: { scratch, ...subpath, overlay } };
  }
  if (isWhole && !point.RW && lower[0] !== undefined)
    return { ...bound, proa: { from: lower[0], scratch, subpath: point.Subpath || "." } };
  throw new EngineError(
    "unsupported",
    "mount image",
    point.Source,
    `it needs the kernel's overlay, and the driver is ${driver.name}`,
  );
}

function emptyDirectory(context: Context, scratch: string): string {
  const path = `${scratch}.empty`;
  if (!existsSync(path)) makeMappedDirectory(context, path, 0o755);
  return path;
}

/** tmpfs, ramfs, devpts. */
function memoryMount({ user }: MountInput, point: MountPoint): OciMount {
  const { Type, Destination, Options, RW } = point;
  const asked = Options.filter(
    (word) => word !== "U" && word !== "notmpcopyup" && word !== "ro" && word !== "rw",
  );
  const owner = Options.includes("U") ? [`uid=${user.uid}`, `gid=${user.gid}`] : [];
  if (Type === "devpts") {
    const options = [
      "nosuid",
      "noexec",
      "newinstance",
      "ptmxmode=0666",
      ...(asked.some((word) => /^mode=/.test(word)) ? [] : ["mode=0620"]),
    ];
    return {
      destination: Destination,
      type: "devpts",
      source: "devpts",
      options: [...options, ...asked, ...(RW ? [] : ["ro"])],
    };
  }
  const safe = ["nosuid", "nodev", "noexec"].filter(
    (word) => !asked.includes(word.slice(2)) && !asked.includes(word),
  );
  const kept = asked.filter((word) => !/^(suid|dev|exec)$/.test(word));
  return {
    destination: Destination,
    type: Type,
    source: Type,
    options: [...safe, ...kept, ...owner, ...(RW ? [] : ["ro"])],
  };
}

/**
 * A directory of the user's own is root's in the container: another user of the container's may not write to it. Said to who sits at a terminal,
 * where nothing else reads it.
 */
function warnOfOwners(context: Context, { user, mappings }: MountInput, points: readonly MountPoint[]): void {
  if (user.uid === 0) return;
  const uid = hostIdOf(mappings.uid, user.uid);
  const gids = [user.gid, ...user.additionalGids].map((gid) => hostIdOf(mappings.gid, gid));
  for (const { Type, Source, RW, Options } of points) {
    if (Type !== "bind" || !RW || Options.includes("U") || Options.includes("O")) continue;
    const stat = statSync(Source);
    const right = stat.uid === uid ? 0o200 : gids.includes(stat.gid) ? 0o020 : 0o002;
    if ((stat.mode & right) !== 0 || !isTerminal(2)) continue;
    context.warn(
      `${Source}: the container's user ${user.uid} may not write to it: with --userns=keep-id:uid=${user.uid},gid=${user.gid} that user is you`,
    );
  }
}

function isTerminal(fd: number): boolean {
  try {
    const stat = fstatSync(fd);
    const major = (stat.rdev >>> 8) & 0xfff;
    return stat.isCharacterDevice() && (major === 4 || major === 5 || (major >= 136 && major <= 143));
  } catch {
    return false; // closed
  }
}
