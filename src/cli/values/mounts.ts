/** Values of --mount, --volume, --tmpfs and --device. */
import {
  ask,
  behind,
  type Candidate,
  type CompletionRequest,
  cutFirst,
  offer,
  type Provider,
} from "./candidates";
import { devicePaths, hostPaths } from "./host";

// each loaded where it is asked: a path of the host needs none of them
const images: Provider = async (request) => (await import("./images")).images(request);
const volumes: Provider = async (request) => (await import("./names")).volumes(request);
const pathsInside: Provider = async (request) => (await import("./inside")).pathsInside(request);

const WORDS = (
  "ro rw rro U O nocopy copy idmap bind rbind private rprivate shared rshared slave rslave nosuid suid nodev dev noexec exec " +
  "upperdir= workdir= z Z"
).split(" ");

const TMPFS_WORDS = (
  "size= mode= uid= gid= ro rw noexec exec nosuid suid nodev dev noatime nodiratime relatime strictatime noswap tmpcopyup " +
  "notmpcopyup"
).split(" ");

/** What is behind the last comma: words of a list, each once; behind an `=` a path of the host where one belongs. */
function options(request: CompletionRequest, text: string, words: readonly string[]): Candidate[] {
  const head = text.slice(0, text.lastIndexOf(",") + 1);
  const word = text.slice(head.length);
  const cut = cutFirst(word, "=");
  if (cut !== undefined) {
    return /^(upper|work)dir=$/.test(cut[0]) ? hostPaths(request.app.env, cut[1], "all", head + cut[0]) : [];
  }
  const named = head.split(",").map((each) => each.replace(/=.*/, "="));
  return behind(head, offer(words.filter((each) => !named.includes(each))));
}

/** A place to mount from: a volume, or a path of the host, which begins so that it can be no volume's name. */
async function sources(request: CompletionRequest): Promise<Candidate[]> {
  const { app, prefix } = request;
  if (/^[./~]/.test(prefix)) return hostPaths(app.env, prefix);
  return [...(await volumes(request)), ...(prefix === "" ? offer(["/", "./", "~/"]) : [])];
}

/** SOURCE:TARGET[:OPTIONS]; a TARGET alone is an anonymous volume's. */
export const volumeMount: Provider = async (request) => {
  const { prefix } = request;
  const source = cutFirst(prefix, ":");
  if (source === undefined) {
    const found = await sources(request);
    return found.map((each) =>
      each.isOpen === true ? each : { ...each, value: `${each.value}:`, isOpen: true },
    );
  }
  const [head, rest] = source;
  const target = cutFirst(rest, ":");
  if (target === undefined) return ask(pathsInside, request, head);
  const isPath = /^[./~]/.test(head);
  const fitting = WORDS.filter((word) =>
    isPath ? !/^(no)?copy$/.test(word) : !/^(O|upperdir=|workdir=)$/.test(word),
  );
  return behind(head + target[0], options(request, target[1], fitting));
};

/** TARGET[:OPTIONS]. */
export const tmpfsMount: Provider = (request) => {
  const cut = cutFirst(request.prefix, ":");
  return cut === undefined ? pathsInside(request) : behind(cut[0], options(request, cut[1], TMPFS_WORDS));
};

const TYPES = ["bind", "volume", "tmpfs", "image", "glob", "ramfs", "devpts"];

/** Keys of --mount by type; those without a value are said alone. */
const KEYS: Readonly<Record<string, readonly string[]>> = {
  "": ["target=", "readonly", "nosuid", "nodev", "noexec", "consistency="],
  bind: ["source=", "bind-propagation=", "bind-recursive=", "bind-create-src", "relabel=", "idmap", "U"],
  volume: [
    "source=",
    "volume-nocopy",
    "volume-subpath=",
    "volume-label=",
    "volume-driver=",
    "volume-opt=",
    "idmap",
    "U",
  ],
  tmpfs: ["tmpfs-size=", "tmpfs-mode=", "uid=", "gid=", "noatime", "tmpcopyup", "notmpcopyup", "noswap"],
  image: ["source=", "image-subpath=", "rw"],
  glob: ["source=", "bind-propagation=", "U"],
  ramfs: ["mode="],
  devpts: ["mode=", "uid=", "gid=", "max="],
};

const VALUES: Readonly<Record<string, readonly string[]>> = {
  type: TYPES,
  "bind-propagation": ["private", "rprivate", "shared", "rshared", "slave", "rslave"],
  "bind-recursive": ["enabled", "disabled", "writable", "readonly"],
  "bind-create-src": ["true", "false"],
  "volume-driver": ["local"],
  "volume-nocopy": ["true", "false"],
  readonly: ["true", "false"],
  ro: ["true", "false"],
  rw: ["true", "false"],
  relabel: ["shared", "private"],
  consistency: ["consistent", "cached", "delegated", "default"],
};

const SPELLINGS: Readonly<Record<string, string>> = {
  src: "source",
  dst: "target",
  destination: "target",
  ro: "readonly",
};

const spelled = (key: string): string => SPELLINGS[key] ?? key;

/** KEY=VALUE[,...]. */
export const mount: Provider = async (request) => {
  const { prefix, app } = request;
  const head = prefix.slice(0, prefix.lastIndexOf(",") + 1);
  const fields = head
    .split(",")
    .filter(Boolean)
    .map((field) => field.split("=", 2) as [string, string?]);
  const type = fields.findLast(([key]) => key === "type")?.[1] ?? (head === "" ? "" : "volume");
  const word = prefix.slice(head.length);
  const cut = cutFirst(word, "=");
  if (cut === undefined) {
    if (head === "") return offer(["type=", ...(word === "" ? [] : ["source=", "src=", "target=", "dst="])]);
    const named = new Set(fields.map(([key]) => spelled(key)));
    const keys = [...(KEYS[type] ?? []), ...(KEYS[""] ?? [])].filter(
      (key) => !named.has(key.replace("=", "")),
    );
    const short =
      word === ""
        ? []
        : ["src=", "dst=", "destination=", "ro"].filter((key) => !named.has(spelled(key.replace("=", ""))));
    const mine = short.filter(
      (key) => spelled(key.replace("=", "")) !== "source" || KEYS[type]?.includes("source="),
    );
    return behind(head, offer([...keys, ...mine]));
  }
  const [assigned, typed] = cut;
  const key = spelled(assigned.slice(0, -1));
  const front = head + assigned;
  if (key === "target") return ask(pathsInside, request, front);
  if (key === "source") {
    if (type === "image") return ask(images, request, front);
    if (type === "volume") return ask(volumes, request, front);
    if (typed === "" || typed === "~") return behind(front, offer(["/", "./", "~/"]));
    return hostPaths(app.env, typed, "all", front);
  }
  return behind(front, offer(VALUES[key] ?? []));
};

/** SOURCE[:TARGET[:rwm]]. */
export const device: Provider = (request) => {
  const { app, prefix } = request;
  const parts = prefix.split(":");
  const head = prefix.slice(0, prefix.lastIndexOf(":") + 1);
  if (parts.length === 1) return devicePaths(app.env, prefix);
  const permissions = offer(["r", "rw", "rwm", "rm", "w", "wm", "m"]);
  if (parts.length === 3) return behind(head, permissions);
  const typed = parts[1] ?? "";
  return behind(
    head,
    typed.startsWith("/") ? devicePaths(app.env, typed) : [...offer(["/dev/"]), ...permissions],
  );
};
