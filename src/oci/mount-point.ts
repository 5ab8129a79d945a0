/** What is mounted in a container: as it is asked for, and as it has been worked out. */
import { EngineError } from "../error";

/** A mount as `--mount` and the Docker Engine API ask for it (`Mount`). */
export type MountSpec = {
  /** proa adds `devpts` and `ramfs`, which podman has, and `glob`: each path that the pattern in Source names. */
  Type: "bind" | "volume" | "tmpfs" | "image" | "devpts" | "ramfs" | "glob";
  /** A path, the name of a volume, or an image; absent for an anonymous volume and what has none. */
  Source?: string;
  Target: string;
  ReadOnly?: boolean;
  Consistency?: string;
  BindOptions?: {
    Propagation?: string;
    NonRecursive?: boolean;
    CreateMountpoint?: boolean;
    ReadOnlyNonRecursive?: boolean;
    ReadOnlyForceRecursive?: boolean;
  };
  VolumeOptions?: {
    NoCopy?: boolean;
    Labels?: Record<string, string>;
    DriverConfig?: { Name?: string; Options?: Record<string, string> };
    Subpath?: string;
  };
  /** Mode: as a number, 0o1777 is 1023. */
  TmpfsOptions?: { SizeBytes?: number; Mode?: number; Options?: string[][] };
  ImageOptions?: { Subpath?: string };
  /** proa: further options in the words of `--volume` and, of a file system in memory, of mount(8). */
  Options?: string[];
};

/** A mount of a container, worked out when it is created. */
export type MountPoint = {
  Type: "bind" | "volume" | "tmpfs" | "image" | "devpts" | "ramfs";
  /** Of the volume; "" for the others. */
  Name: string;
  /** A path of the host, or the image as it was named; "" for a volume, whose place follows from its name. */
  Source: string;
  Destination: string;
  RW: boolean;
  /** As it was written. */
  Mode: string;
  /** "" where it means nothing. */
  Propagation: string;
  /** A volume that was made for this mount, and goes with the container. */
  Anonymous: boolean;
  /** In the words of `--volume`, without those that the other fields tell; what the file system itself is told. */
  Options: string[];
  /** A part of the volume or image; "" for all. */
  Subpath: string;
  /** A directory of the host that is not there is made. */
  CreateSource: boolean;
  /** Id of the image. */
  Image?: string;
  /** For a volume that is to be made. */
  Labels?: Record<string, string>;
  DriverOptions?: Record<string, string>;
  /** Of those that are no part of docker's list of mounts: `--tmpfs`. */
  IsHidden?: boolean;
};

/** Words of which a mount can have one: of each line. The last line's are taken and mean nothing here. */
const EXCLUSIVE: readonly (readonly string[])[] = [
  ["ro", "rw", "rro"],
  ["nosuid", "suid"],
  ["nodev", "dev"],
  ["noexec", "exec"],
  ["private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable"],
  ["bind", "rbind"],
  ["nocopy", "copy"],
  ["z", "Z"],
  ["consistent", "cached", "delegated", "default"],
  ["U"],
  ["O"],
  ["idmap"],
  ["upperdir"],
  ["workdir"],
];

/** z and Z ask for SELinux labels, which a user namespace cannot set; the others say what is so in any case. */
const WITHOUT_EFFECT = new Set([
  "z",
  "Z",
  "rw",
  "consistent",
  "cached",
  "delegated",
  "default",
  "copy",
  "rbind",
]);

const PROPAGATION = /^r?(private|shared|slave|unbindable)$/;

export type MountWords = { readonly: boolean; propagation: string; options: string[] };

/**
 * The options behind a target: `ro,Z,rslave`.
 *
 * @param subject what the user wrote, for the message
 * @throws EngineError `invalid` for a word that is unknown or contradicts another
 */
export function readMountWords(text: string, subject: string): MountWords {
  const words = text.split(",").filter(Boolean);
  const seen = new Map<number, string>();
  for (const word of words) {
    const name = word.replace(/=.*$/s, "");
    const line = EXCLUSIVE.findIndex((names) => names.includes(name));
    const takesValue = name === "idmap" || name === "upperdir" || name === "workdir";
    if (line < 0 || (word !== name && !takesValue)) throw wrong(subject, `unknown option "${word}"`);
    const other = seen.get(line);
    if (other !== undefined)
      throw wrong(subject, other === word ? `"${word}" twice` : `"${other}" and "${word}"`);
    seen.set(line, word);
  }
  const overlaid = words.includes("O");
  if (words.some((word) => /^(upper|work)dir=/.test(word)) && !overlaid)
    throw wrong(subject, "upperdir and workdir are of an overlay: with O");
  return {
    readonly: words.includes("ro") || words.includes("rro"),
    propagation: words.find((word) => PROPAGATION.test(word)) ?? "",
    options: words.filter(
      (word) => !WITHOUT_EFFECT.has(word) && !PROPAGATION.test(word) && word !== "ro" && word !== "rro",
    ),
  };
}

function wrong(subject: string, why: string): EngineError {
  return new EngineError("invalid", "volume", subject, why);
}

export type ParsedBind = { source: string; target: string; words: string };

/** `SOURCE:TARGET[:OPTIONS]`, as Docker's `Binds` have it: SOURCE an absolute path or the name of a volume. Throws `invalid`. */
export function parseBind(bind: string): ParsedBind {
  const [source = "", target = "", words = "", ...rest] = bind.split(":");
  if (source === "" || !target.startsWith("/") || rest.length > 0) {
    const hint =
      source.startsWith("/") && target !== "" && rest.length === 0
        ? "an anonymous volume takes no options"
        : undefined;
    throw new EngineError(
      "invalid",
      "volume",
      bind,
      "expected SOURCE:TARGET[:OPTIONS] with an absolute target",
      { hint },
    );
  }
  readMountWords(words, bind);
  return { source, target: cleanTarget(target), words };
}

/** The path without doubled slashes, `.` and `..`. Throws `invalid` for one that is not absolute, or the root. */
export function cleanTarget(target: string): string {
  if (!target.startsWith("/"))
    throw new EngineError("invalid", "mount", target || '""', "the target must be an absolute path");
  const parts: string[] = [];
  for (const part of target.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  if (parts.length === 0)
    throw new EngineError("invalid", "mount", target, "the root itself cannot be mounted over");
  return `/${parts.join("/")}`;
}

const VOLUME_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
const NAME_MOST = 255; // bytes of a file's name

/** What a volume may be called. Throws `invalid`. */
export function checkVolumeName(name: string, exitCode = 125): void {
  if (VOLUME_NAME.test(name) && name.length <= NAME_MOST) return;
  const why =
    name.length > NAME_MOST
      ? `the name is longer than ${NAME_MOST} bytes`
      : "a name begins with a letter or a digit and holds only those, '_', '.' and '-'";
  throw new EngineError("invalid", "volume", name || '""', why, {
    exitCode,
    hint: name.includes("/")
      ? "to mount a directory of the host give its absolute path, or one that begins with ./"
      : undefined,
  });
}

/** Words that the file systems in memory are told; all else is of the mount. */
const TMPFS_DATA = /^(size|nr_blocks|nr_inodes|mode|uid|gid|huge|noswap|inode32|inode64)(=|$)/;
const TMPFS_MOUNT =
  /^(ro|rw|nosuid|suid|nodev|dev|noexec|exec|noatime|nodiratime|relatime|strictatime|tmpcopyup|notmpcopyup|U|r?(private|shared|slave))$/;

/** The options of a tmpfs, as `--tmpfs` has them. Throws `invalid`. */
export function checkTmpfsOptions(options: string, subject: string): string[] {
  const words = options.split(",").filter(Boolean);
  for (const word of words) {
    if (!TMPFS_DATA.test(word) && !TMPFS_MOUNT.test(word))
      throw new EngineError("invalid", "tmpfs", subject, `unknown option "${word}"`);
    if (/^mode=/.test(word) && !/^mode=[0-7]{1,4}$/.test(word))
      throw new EngineError("invalid", "tmpfs", subject, `"${word}" is not a mode in octal`);
    if (/^size=/.test(word) && !/^size=\d+[kKmMgGtT%]?[bB]?$/.test(word))
      throw new EngineError("invalid", "tmpfs", subject, `"${word}" is not a size`);
  }
  return words;
}
