/** What is mounted in a new container: options of `run` and `create`. */
import { EngineError } from "../../error";
import {
  checkTmpfsOptions,
  checkVolumeName,
  cleanTarget,
  type HostConfig,
  parseBind,
  readMountWords,
} from "../../oci";
import type { Args, Values } from "../tree";

export const mountArgs = {
  volume: {
    type: "string",
    alias: "v",
    multiple: true,
    valueHint: "SOURCE:TARGET[:OPTIONS]",
    value: "volume-mount",
    description: "Mount a volume, or a file or directory of the host",
    details: [
      "SOURCE is a path (absolute, or beginning with ./, ../ or ~/), which is made as a directory where it is not there, or the name of a volume, which is made as well, and at its first use filled with what the image has at TARGET. Without a SOURCE the volume is anonymous: it goes with --rm, and with rm -v.",
      "Options, separated by commas: ro, rw; nosuid, nodev, noexec and their contraries; U gives the source to the container's user; O lays an overlay over it, whose writes vanish with the container's end (upperdir=DIR and workdir=DIR keep them); nocopy leaves a new volume empty; bind takes no mounts below the source along; idmap shows the owners on the disk as they are in the container, where the kernel allows it: on this user's own file systems. With private (the default), slave or shared, each also with r in front, mounts made below the source later stay unseen or come in; nothing that a container mounts is ever seen on the host. z and Z are accepted and do nothing: a user namespace cannot set SELinux labels.",
    ].join(" "),
  },
  mount: {
    type: "string",
    multiple: true,
    valueHint: "KEY=VALUE[,...]",
    value: "mount",
    description: "Mount a volume, directory, image or file system in memory",
    details: [
      "type=bind|volume|tmpfs|image|glob|ramfs|devpts (volume without one), src, dst, ro, consistency, and of",
      "bind: bind-propagation, bind-recursive (enabled, disabled, writable: only the top is read-only, readonly), bind-create-src;",
      "volume: volume-nocopy, volume-subpath, volume-label, volume-driver, volume-opt=KEY=VALUE;",
      "tmpfs: tmpfs-size, tmpfs-mode, and the kernel's own options; image: image-subpath, rw=true (what is written vanishes);",
      "bind and volume: U, relabel (does nothing here), idmap, nosuid, nodev, noexec.",
      "A source of type=bind that is not there is an error. Values with commas are quoted as in CSV.",
    ].join(" "),
  },
  tmpfs: {
    type: "string",
    multiple: true,
    valueHint: "TARGET[:OPTIONS]",
    value: "tmpfs-mount",
    description: "Mount a file system in memory",
    details:
      "Options: size=BYTES, mode=OCTAL, uid=ID, gid=ID, ro, exec, suid, dev; tmpcopyup copies what the image has there.",
  },
  "volumes-from": {
    type: "string",
    multiple: true,
    valueHint: "CONTAINER[:OPTIONS]",
    value: "container-option",
    description: "Mount the volumes and directories that another container has",
    details: "Options: ro, rw, z.",
  },
  "volume-driver": {
    type: "string",
    valueHint: "DRIVER",
    value: { suggest: ["local"] },
    description: "Driver of the volumes that are made; only local",
  },
  "image-volume": {
    type: "string",
    valueHint: "KIND",
    value: { oneOf: ["anonymous", "bind", "tmpfs", "ignore"] },
    default: "anonymous",
    description: "What the image's volumes become",
    details: "Anonymous volumes (also called bind), file systems in memory, or nothing.",
  },
  "read-only": { type: "boolean", description: "Mount the container's root read-only" },
  "read-only-tmpfs": {
    type: "boolean",
    description: "With --read-only, mount file systems in memory on /run, /tmp and /var/tmp",
  },
} as const satisfies Args;

type MountValues = Values<typeof mountArgs>;

/** Only for those that mount something: its table of keys costs 0.2 ms. */
const mountFlag = () => require("./_mount-flag") as typeof import("./_mount-flag");

export type MountOptions = {
  /** Targets of anonymous volumes. */
  Volumes: Record<string, Record<string, never>>;
  HostConfig: Pick<HostConfig, "Binds" | "Tmpfs" | "ReadonlyRootfs"> & Partial<HostConfig>;
};

/** Throws `invalid`, `unsupported`. */
export function mountOptionsFrom(args: MountValues): MountOptions {
  const binds = args.volume.filter((text) => text.includes(":")).map(absoluteBind);
  const anonymous = args.volume.filter((text) => !text.includes(":")).map(cleanTarget);
  const mounts = args.mount.map((line) => mountFlag().parseMount(line));
  const tmpfs = args.tmpfs.map(parseTmpfs);
  const extra = args["read-only"] && args["read-only-tmpfs"] ? ["/run", "/tmp", "/var/tmp"] : [];
  const named = [
    ...binds.map((bind) => parseBind(bind).target),
    ...mounts.filter(({ Type }) => Type !== "glob").map(({ Target }) => Target),
    ...new Set(tmpfs.map(([target]) => target)), // docker's table of them: the last of one target counts
  ];
  refuseTwice(named);
  const taken = new Set([...named, ...anonymous]); // an anonymous volume gives way to what else is there
  const memory = extra.filter((path) => !taken.has(path)).map((path) => [path, "mode=1777"] as const);
  const driver = args["volume-driver"] ?? "";
  if (driver !== "" && driver !== "local")
    throw new EngineError(
      "unsupported",
      "volume driver",
      driver,
      "volume plugins are daemons of the host's root; proa has the driver local",
    );
  return {
    Volumes: Object.fromEntries(anonymous.map((target) => [target, {}])),
    HostConfig: {
      Binds: binds,
      Tmpfs: Object.fromEntries([...tmpfs, ...memory]),
      ReadonlyRootfs: args["read-only"],
      ...(mounts.length > 0 ? { Mounts: mounts } : {}),
      ...(args["volumes-from"].length > 0 ? { VolumesFrom: args["volumes-from"].map(checkFrom) } : {}),
      ...(driver === "" ? {} : { VolumeDriver: driver }),
      ...(/^(tmpfs|ignore)$/.test(args["image-volume"])
        ? { ImageVolumes: args["image-volume"] as "tmpfs" | "ignore" }
        : {}),
    },
  };
}

/** Of two mounts at one place the first would not be seen. Throws `invalid`. */
function refuseTwice(targets: readonly string[]): void {
  const seen = new Set<string>();
  for (const path of targets) {
    if (seen.has(path)) throw new EngineError("invalid", "mount", path, "several mounts have this target");
    seen.add(path);
  }
}

/** The bind with the absolute path of what begins with `.` or `~`. */
function absoluteBind(text: string): string {
  const { absolutePath, isPath } = mountFlag();
  const cut = text.indexOf(":");
  const source = text.slice(0, cut);
  const bind = `${isPath(source) ? absolutePath(source) : source}${text.slice(cut)}`;
  const { target, words } = parseBind(bind);
  const { options } = readMountWords(words, text);
  if (!isPath(source)) {
    checkVolumeName(source);
  } else if (options.includes("nocopy")) {
    throw new EngineError(
      "invalid",
      "volume",
      text,
      "nocopy is of volumes: nothing is copied into a directory of the host",
    );
  }
  return [isPath(source) ? absolutePath(source) : source, target, ...(words ? [words] : [])].join(":");
}

function parseTmpfs(text: string): [string, string] {
  const [target = "", options = "", ...rest] = text.split(":");
  if (rest.length > 0) throw new EngineError("invalid", "tmpfs", text, "expected TARGET[:OPTIONS]");
  if (!target.startsWith("/"))
    throw new EngineError("invalid", "tmpfs", text, "the target must be an absolute path");
  checkTmpfsOptions(options, text);
  return [cleanTarget(target), options];
}

/** `CONTAINER[:OPTIONS]`. */
function checkFrom(text: string): string {
  const [name = "", options = "", ...rest] = text.split(":");
  const wrong = options.split(",").find((word) => !/^(ro|rw|z|Z|)$/.test(word));
  if (name === "" || rest.length > 0 || wrong !== undefined)
    throw new EngineError("invalid", "volumes from", text, "expected CONTAINER[:ro|rw|z]");
  return text;
}
