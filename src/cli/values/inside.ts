/** What a container or an image has inside: users, groups, programs, paths. */
import { type Look, lookIntoContainer, lookIntoImage, specOf } from "../../container";
import { configOf, lookUpImage } from "../../image";
import { parseGroup, parsePasswd } from "../../oci";
import { type ContainerName, type ContainerRow, containerByName, containerNames } from "../../state";
import type { App } from "../app";
import {
  type Candidate,
  type CompletionRequest,
  cutFirst,
  offer,
  openWith,
  type Provider,
  told,
} from "./candidates";
import { containersOf } from "./containers";
import { database } from "./database";
import { areMany, entryCandidates, isProgram, isShown, type Wanted } from "./entries";
import { hostPaths } from "./host";

/** Commands whose first positional is an image. */
const OF_IMAGES = new Set(["container run", "container create"]);

/** What is looked into, and the directories of its PATH. */
type Inside = { look: Look; path: string[]; isImage: boolean };

const USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Ask about the inside of what the command is for, which may stand behind the cursor; nothing where it is not there. */
function lookInto<T>(request: CompletionRequest, see: (inside: Inside) => T, otherwise: T): T {
  const name = request.before[0] ?? request.after[0];
  const inside = name === undefined ? null : insideOf(request.app, request.path, name);
  if (inside === null) return otherwise;
  try {
    return see(inside);
  } finally {
    inside.look.close();
  }
}

function insideOf(app: App, path: string, name: string): Inside | null {
  if (database(app) === null) return null;
  if (!OF_IMAGES.has(path)) {
    const row = containerNamed(app, name);
    if (row === null) return null;
    const env = specOf(app.context, row).Env;
    return { look: lookIntoContainer(app.context, row), path: pathOf(env), isImage: false };
  }
  const image = lookUpImage(app.context, name);
  if (image === null) return null;
  const env = configOf(app.context, image).config.Env ?? [];
  return { look: lookIntoImage(app.context, image.id), path: pathOf(env), isImage: true };
}

function pathOf(env: readonly string[]): string[] {
  const line = env.find((each) => each.startsWith("PATH="))?.slice("PATH=".length) ?? USUAL_PATH;
  return line.split(":").filter((each) => each.startsWith("/"));
}

/** By name, or the beginning of an id. Its row is taken as it stands: nothing is mended at a key press. */
export function containerNamed(app: App, name: string): ContainerRow | null {
  const db = app.context.db();
  const direct = containerByName(db, name);
  if (direct !== null || !/^[0-9a-f]{2,64}$/.test(name)) return direct;
  const fitting = containerNames(db).filter(({ id }: ContainerName) => id.startsWith(name));
  return fitting.length === 1 ? containerByName(db, fitting[0]?.name ?? "") : null;
}

/** USER[:GROUP]. */
export const users: Provider = (request) =>
  lookInto(
    request,
    ({ look }) => {
      const cut = cutFirst(request.prefix, ":");
      if (cut !== undefined) return groupsIn(look).map((each) => ({ ...each, value: cut[0] + each.value }));
      return parsePasswd(look.read("/etc/passwd") ?? "").map(({ name, uid }) => told(name, `uid ${uid}`));
    },
    [],
  );

export const groups: Provider = async (request) => [
  ...(await lookInto(request, ({ look }) => groupsIn(look), [])),
  ...(OF_IMAGES.has(request.path) ? [told("keep-groups", "the groups of who runs proa")] : []),
];

function groupsIn(look: Look): Candidate[] {
  return parseGroup(look.read("/etc/group") ?? "").map(({ name, gid }) => told(name, `gid ${gid}`));
}

/** A program of the PATH inside, or one by its path; behind it, arguments may be paths. */
export const commands: Provider = (request) =>
  lookInto(
    request,
    ({ look, path }) => {
      const { prefix, before } = request;
      const isArgument = before.length > 1;
      if (prefix.startsWith("/")) return pathsIn(look, prefix, isArgument ? "all" : "programs");
      if (isArgument || prefix.includes("/")) return [];
      const found = new Map<string, string>();
      for (const directory of path) {
        const entries = look.list(directory, (name) => name.startsWith(prefix) && !found.has(name));
        const isMany = areMany(entries);
        for (const entry of entries) if (isProgram(entry, isMany)) found.set(entry.name, directory);
      }
      return [...found.keys()].sort().map((name) => told(name, found.get(name)));
    },
    [],
  );

/** Absolute paths; directories are open. */
function pathsIn(look: Look, typed: string, wanted: Wanted = "all"): Candidate[] {
  const directory = typed.slice(0, typed.lastIndexOf("/") + 1);
  const base = typed.slice(directory.length);
  const entries = look.list(directory || "/", (name) => isShown(name, base));
  return entryCandidates(entries, directory, wanted);
}

/** A directory inside, absolute. */
export const directoriesInside: Provider = async (request) => {
  if (request.prefix === "") return offer(["/"]);
  return lookInto(request, ({ look }) => pathsIn(look, request.prefix, "directories"), []);
};

/** A path inside, absolute. */
export const pathsInside: Provider = async (request) => {
  if (request.prefix === "") return offer(["/"]);
  return lookInto(request, ({ look }) => pathsIn(look, request.prefix), []);
};

/** [CONTAINER:]PATH. */
export const copyPaths: Provider = async (request) => {
  const { app, prefix } = request;
  const cut = /^[./~]/.test(prefix) ? undefined : cutFirst(prefix, ":");
  if (cut === undefined) {
    const named = /^[./~]/.test(prefix) ? [] : openWith(":", await containersOf("any")(request));
    return [...named, ...hostPaths(app.env, prefix)];
  }
  const [head, typed] = cut;
  if (typed === "") return offer([`${head}/`]);
  const inside = insideOf(app, "", head.slice(0, -1));
  if (inside === null) return [];
  try {
    return pathsIn(inside.look, typed).map((each) => ({ ...each, value: head + each.value }));
  } finally {
    inside.look.close();
  }
};

/** Ports that the image says its programs listen at, `80/tcp`. */
export function exposedPorts({ app, before, after }: CompletionRequest): string[] {
  const name = before[0] ?? after[0];
  if (name === undefined || database(app) === null) return [];
  const image = lookUpImage(app.context, name);
  return image === null ? [] : configOf(app.context, image).config.ExposedPorts;
}
