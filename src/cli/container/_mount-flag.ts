/** Reading `--mount`. */
import { EngineError } from "../../error";
import { checkTmpfsOptions, checkVolumeName, cleanTarget, type MountSpec, parseBytes } from "../../oci";

/** Whether a source is a path, and no name of a volume. */
export function isPath(source: string): boolean {
  return /^(\/|\.|~(\/|$))/.test(source);
}

/** The path of the host: in the current directory, or the user's home with `~`. */
export function absolutePath(path: string): string {
  const { homedir } = require("node:os") as typeof import("node:os");
  const { resolve } = require("node:path") as typeof import("node:path");
  return resolve(path.startsWith("~") ? `${process.env["HOME"] || homedir()}${path.slice(1)}` : path);
}

/** The fields of a line of comma-separated values: quoted ones may hold commas, and "" for a quote. */
export function splitCsv(line: string): string[] {
  const fields: string[] = [];
  for (let at = 0; at <= line.length; ) {
    if (line[at] === '"') {
      const quoted = /^"((?:[^"]|"")*)"(?=,|$)/s.exec(line.slice(at));
      if (!quoted)
        throw new EngineError("invalid", "mount", line, 'a value that begins with " does not end with it');
      fields.push((quoted[1] ?? "").replaceAll('""', '"'));
      at += quoted[0].length + 1;
    } else {
      const end = line.indexOf(",", at);
      fields.push(line.slice(at, end < 0 ? line.length : end));
      at = end < 0 ? line.length + 1 : end + 1;
    }
  }
  return fields;
}

const TYPES = ["bind", "volume", "tmpfs", "image", "devpts", "ramfs", "glob"] as const;

/** One `KEY=VALUE` of a `--mount` that is being read. */
type Reading = {
  mount: MountSpec;
  /** Options that have no field of docker's. */
  words: string[];
  key: string;
  /** The value; throws where there is none. */
  text(): string;
  /** A truth, which may be said by the key alone. */
  flag(): boolean;
  isAlone: boolean;
  invalid: Invalid;
};

type Key = { types?: readonly MountSpec["Type"][]; read(reading: Reading): void };

const ofBind: Key["types"] = ["bind", "glob"];
const ofFiles: Key["types"] = ["bind", "volume", "glob"];
const bind = ({ mount }: Reading, further: NonNullable<MountSpec["BindOptions"]>): void => {
  mount.BindOptions = { ...mount.BindOptions, ...further };
};
const volume = ({ mount }: Reading, further: NonNullable<MountSpec["VolumeOptions"]>): void => {
  mount.VolumeOptions = { ...mount.VolumeOptions, ...further };
};
const tmpfs = ({ mount }: Reading, further: NonNullable<MountSpec["TmpfsOptions"]>): void => {
  mount.TmpfsOptions = { ...mount.TmpfsOptions, ...further };
};
const image = ({ mount }: Reading, Subpath: string): void => {
  mount.ImageOptions = { Subpath };
};
/** What is said in the words of `--volume` or of mount(8). */
const word = ({ words, key, flag }: Reading): void => {
  if (flag()) words.push(key);
};
const setting = ({ words, key, text }: Reading): void => {
  words.push(`${key}=${text()}`);
};
const nothing = ({ text }: Reading): void => {
  text();
};

/** As docker's answers have it: absent where it is not so. */
function setReadOnly(mount: MountSpec, isReadonly: boolean): void {
  delete mount.ReadOnly;
  if (isReadonly) mount.ReadOnly = true;
}

const ATTRIBUTES = ["nosuid", "suid", "nodev", "dev", "noexec", "exec"];
const OF_MEMORY = ["noatime", "nodiratime", "relatime", "strictatime", "noswap", "tmpcopyup", "notmpcopyup"];

const KEYS: Readonly<Record<string, Key>> = {
  type: { read: nothing },
  source: {
    read: ({ mount, text }) => {
      mount.Source = text();
    },
  },
  target: {
    read: ({ mount, text }) => {
      mount.Target = cleanTarget(text());
    },
  },
  readonly: {
    read: ({ mount, flag }) => {
      setReadOnly(mount, flag());
    },
  },
  rw: {
    read: ({ mount, flag, words }) => {
      const isWritable = flag();
      setReadOnly(mount, !isWritable);
      if (mount.Type === "image" && isWritable) words.push("rw");
    },
  },
  consistency: {
    read: ({ mount, text }) => {
      mount.Consistency = text();
    },
  },
  "bind-propagation": {
    types: ofBind,
    read: (reading) => {
      const Propagation = reading.text();
      if (!/^r?(private|shared|slave)$/.test(Propagation))
        throw reading.invalid(`unknown propagation "${Propagation}"`);
      bind(reading, { Propagation });
    },
  },
  "bind-nonrecursive": {
    types: ofBind,
    read: (reading) => bind(reading, { NonRecursive: reading.flag() }),
  },
  "bind-recursive": {
    types: ofBind,
    read: (reading) => bind(reading, recursion(reading.text(), reading.invalid)),
  },
  "bind-create-src": {
    types: ["bind"],
    read: (reading) => bind(reading, { CreateMountpoint: reading.flag() }),
  },
  "volume-nocopy": { types: ["volume"], read: (reading) => volume(reading, { NoCopy: reading.flag() }) },
  "volume-label": {
    types: ["volume"],
    read: (reading) =>
      volume(reading, { Labels: { ...reading.mount.VolumeOptions?.Labels, ...pairOf(reading.text()) } }),
  },
  "volume-driver": {
    types: ["volume"],
    read: (reading) => {
      const Name = reading.text() || "local";
      if (Name !== "local")
        throw new EngineError("unsupported", "volume driver", Name, "proa has the driver local");
      volume(reading, { DriverConfig: { ...reading.mount.VolumeOptions?.DriverConfig, Name } });
    },
  },
  "volume-opt": {
    types: ["volume"],
    read: (reading) => {
      const config = reading.mount.VolumeOptions?.DriverConfig;
      const Options = { ...config?.Options, ...pairOf(reading.text()) };
      volume(reading, { DriverConfig: { Name: "local", ...config, Options } });
    },
  },
  "volume-subpath": {
    types: ["volume"],
    read: (reading) => volume(reading, { Subpath: subpath(reading.text(), reading.invalid) }),
  },
  "image-subpath": {
    types: ["image"],
    read: (reading) => image(reading, subpath(reading.text(), reading.invalid)),
  },
  subpath: {
    types: ["volume", "image"],
    read: (reading) => {
      const Subpath = subpath(reading.text().replace(/^\/+/, ""), reading.invalid); // podman's may begin with a slash
      if (reading.mount.Type === "image") image(reading, Subpath);
      else volume(reading, { Subpath });
    },
  },
  "tmpfs-size": {
    types: ["tmpfs"],
    read: (reading) => tmpfs(reading, { SizeBytes: parseBytes("mount: tmpfs-size", reading.text()) }),
  },
  "tmpfs-mode": {
    types: ["tmpfs"],
    read: (reading) => {
      const mode = reading.text();
      if (!/^[0-7]{1,4}$/.test(mode)) throw reading.invalid(`"${mode}" is not a mode in octal`);
      tmpfs(reading, { Mode: Number.parseInt(mode, 8) });
    },
  },
  relabel: {
    types: ofFiles,
    read: ({ text, invalid }) => {
      if (!/^(shared|private)$/.test(text())) throw invalid("relabel is shared or private");
    },
  },
  U: { types: ofFiles, read: word },
  idmap: {
    types: ofFiles,
    read: ({ words, isAlone, text }) => {
      words.push(isAlone ? "idmap" : `idmap=${text()}`);
    },
  },
  size: { types: ["tmpfs"], read: setting },
  mode: { types: ["tmpfs", "ramfs", "devpts"], read: setting },
  uid: { types: ["tmpfs", "devpts"], read: setting },
  gid: { types: ["tmpfs", "devpts"], read: setting },
  max: { types: ["devpts"], read: setting },
  ...Object.fromEntries(ATTRIBUTES.map((key) => [key, { read: word }])),
  ...Object.fromEntries(OF_MEMORY.map((key) => [key, { types: ["tmpfs"] as const, read: word }])),
};

const ALIASES: Readonly<Record<string, string>> = {
  src: "source",
  dst: "target",
  destination: "target",
  ro: "readonly",
  readwrite: "rw",
  chown: "U",
};

/** Types of others', and why proa has none of them. */
const FOREIGN: Readonly<Record<string, string>> = {
  npipe: "named pipes of Windows are not on Linux",
  cluster: "proa has no swarm, and so no cluster volumes",
  artifact: "proa has no store of artifacts",
};

/** `--mount`, as docker and podman have it. Throws `invalid`, `unsupported`. */
export function parseMount(line: string): MountSpec {
  const invalid: Invalid = (why, hint) => new EngineError("invalid", "mount", line, why, { hint });
  const fields = splitCsv(line).map(fieldOf);
  const type = (fields.findLast(([key]) => key === "type")?.[1] ?? "volume").toLowerCase();
  const foreign = FOREIGN[type];
  if (foreign !== undefined) throw new EngineError("unsupported", "mount", line, foreign);
  const Type = TYPES.find((each) => each === type);
  if (Type === undefined) throw invalid(`unknown type "${type}"`, `types: ${TYPES.join(", ")}`);

  const mount: MountSpec = { Type, Target: "" };
  const words: string[] = [];
  for (const [key, value] of fields) {
    const known = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined;
    if (known === undefined) throw invalid(`unknown key "${key}"`);
    const { types } = known;
    if (types !== undefined && !types.includes(Type))
      throw invalid(`"${key}" is of ${types.join(" and ")}, not of ${Type}`);
    known.read({
      mount,
      words,
      key,
      isAlone: value === undefined,
      text: () => {
        if (value === undefined) throw invalid(`"${key}" needs a value`);
        return value;
      },
      flag: () => {
        if (value === undefined || /^(1|t|true)$/i.test(value)) return true;
        if (/^(0|f|false)$/i.test(value)) return false;
        throw invalid(`"${key}" is true or false`);
      },
      invalid,
    });
  }
  if (words.length > 0) mount.Options = words;
  return checked(mount, line, invalid);
}

/** `KEY[=VALUE]`, the key as KEYS has it. */
function fieldOf(field: string): [key: string, value: string | undefined] {
  const cut = field.indexOf("=");
  const typed = cut < 0 ? field : field.slice(0, cut);
  const key = typed === "U" ? typed : typed.toLowerCase();
  return [ALIASES[key] ?? key, cut < 0 ? undefined : field.slice(cut + 1)];
}

type Invalid = (why: string, hint?: string) => EngineError;

function recursion(value: string, invalid: Invalid): NonNullable<MountSpec["BindOptions"]> {
  if (value === "enabled" || value === "true") return {};
  if (value === "disabled" || value === "false") return { NonRecursive: true };
  if (value === "writable") return { ReadOnlyNonRecursive: true };
  if (value === "readonly") return { ReadOnlyForceRecursive: true };
  throw invalid(`bind-recursive is enabled, disabled, writable or readonly, not "${value}"`);
}

function subpath(value: string, invalid: Invalid): string {
  if (value === "" || value.startsWith("/") || value.split("/").includes(".."))
    throw invalid(`the subpath "${value}" is not a path within`);
  return value;
}

function pairOf(text: string): Record<string, string> {
  const cut = text.indexOf("=");
  return cut < 0 ? { [text]: "" } : { [text.slice(0, cut)]: text.slice(cut + 1) };
}

function checked(mount: MountSpec, text: string, invalid: Invalid): MountSpec {
  const { Source = "", ...others } = mount;
  const { Type, BindOptions } = mount;
  if (mount.Target === "") {
    if (Type !== "devpts" && Type !== "glob") throw invalid("a target is missing");
    if (Type === "devpts") return { ...others, Target: "/dev/pts" };
  }
  if (/^(bind|image|glob)$/.test(Type) && Source === "") throw invalid("a source is missing");
  if (BindOptions?.ReadOnlyNonRecursive && !mount.ReadOnly)
    throw invalid("bind-recursive=writable needs readonly");
  if (BindOptions?.ReadOnlyForceRecursive && !mount.ReadOnly)
    throw invalid("bind-recursive=readonly needs readonly");
  if (/^(tmpfs|ramfs|devpts)$/.test(Type)) {
    if (Source !== "" && Source !== Type) throw invalid(`a ${Type} has no source`);
    if (Type === "tmpfs") checkTmpfsOptions((mount.Options ?? []).join(","), text);
    return others;
  }
  if (Type === "image") return mount;
  if (Type === "volume") {
    if (Source === "") return others;
    checkVolumeName(Source);
    return mount;
  }
  if (!isPath(Source) && !Source.includes("/"))
    throw invalid(`the source "${Source}" is not a path`, "of a volume the type is volume");
  return { ...others, Source: absolutePath(Source) };
}
