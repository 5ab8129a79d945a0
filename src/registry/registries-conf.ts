import { readdirSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { EngineError } from "../error";

/**
 * registries.conf, version 2 (containers-registries.conf(5)): where registries are, which may not be asked, and what short names mean. A user's own file takes the place of
 * the system's; files of `registries.conf.d` come on top, in the order of their names, the user's after the system's.
 */

type Environment = Readonly<Record<string, string | undefined>>;

export type Mirror = {
  location: string;
  isInsecure: boolean;
  /** What it is asked for. */
  pulls: "all" | "digest-only" | "tag-only";
};

export type RegistryEntry = {
  /** What names begin with for which this counts; `*.example.com` is every host below. */
  prefix: string;
  /** What takes the prefix's place. */
  location: string;
  isInsecure: boolean;
  isBlocked: boolean;
  mirrors: Mirror[];
};

export type RegistriesConf = {
  entries: RegistryEntry[];
  /** Where short names are looked for; undefined: nobody has said. */
  search: string[] | undefined;
  aliases: Map<string, string>;
};

const limitBytes = 4 << 20;

/** Every file that counts, in order. */
function filesOf(env: Environment): string[] {
  const config = env["XDG_CONFIG_HOME"] || join(env["HOME"] || homedir(), ".config");
  const own = join(config, "containers");
  const chosen = env["CONTAINERS_REGISTRIES_CONF"];
  const main = chosen
    ? [chosen]
    : [
        join(own, "registries.conf"),
        "/etc/containers/registries.conf",
        "/usr/share/containers/registries.conf",
      ]
        .filter(isFile)
        .slice(0, 1);
  const dropIns = ["/etc/containers/registries.conf.d", join(own, "registries.conf.d")].flatMap(filesIn);
  return [...main, ...dropIns];
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function filesIn(directory: string): string[] {
  try {
    const names = readdirSync(directory).filter((name) => name.endsWith(".conf"));
    return names.sort().map((name) => join(directory, name));
  } catch {
    return [];
  }
}

/** What the files say together. Throws EngineError `invalid`, `io`. */
export function readRegistriesConf(env: Environment): RegistriesConf {
  const all: RegistriesConf = { entries: [], search: undefined, aliases: new Map() };
  for (const path of filesOf(env)) {
    const one = parseRegistriesConf(textOf(path), path);
    const replaced = new Set(one.entries.map(({ prefix }) => prefix));
    all.entries = [...all.entries.filter(({ prefix }) => !replaced.has(prefix)), ...one.entries];
    all.search = one.search ?? all.search;
    for (const [name, value] of one.aliases) all.aliases.set(name, value);
  }
  return all;
}

function textOf(path: string): string {
  try {
    if (statSync(path).size > limitBytes) throw new Error(`larger than ${limitBytes} bytes`);
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new EngineError("io", "read registries", path, error);
  }
}

export function parseRegistriesConf(text: string, path: string): RegistriesConf {
  const fail = (why: string) => new EngineError("invalid", "read registries", path, why);
  let document: Record<string, unknown>;
  try {
    document = Bun.TOML.parse(text) as Record<string, unknown>;
  } catch (error) {
    throw fail(`it is not TOML: ${error instanceof Error ? error.message : error}`);
  }
  const { registries } = document;
  if (registries !== undefined) {
    throw fail("it has the form of version 1, [registries.search]: write version 2, [[registry]]");
  }
  const flag = (value: unknown, name: string): boolean => {
    if (value !== undefined && typeof value !== "boolean") throw fail(`${name}: neither true nor false`);
    return value ?? false;
  };
  const place = (value: unknown, name: string): string => {
    if (typeof value !== "string" || value === "") throw fail(`${name}: no text`);
    if (/^[a-z]+:\/\//.test(value)) throw fail(`${name}: "${value}" is a URL: write HOST[:PORT][/PATH]`);
    return value.replace(/\/+$/, "");
  };
  const listOf = (value: unknown, name: string): Record<string, unknown>[] => {
    if (value === undefined) return [];
    if (!Array.isArray(value)) throw fail(`${name}: no list of tables`);
    return value as Record<string, unknown>[];
  };
  const entries = listOf(document["registry"], "registry").map((table): RegistryEntry => {
    const prefix = table["prefix"] || table["location"];
    if (prefix === undefined) throw fail("registry: neither prefix nor location");
    const isWild = typeof prefix === "string" && prefix.startsWith("*.");
    const location = table["location"] === undefined && isWild ? "" : (table["location"] ?? prefix);
    const byDigest = flag(table["mirror-by-digest-only"], "mirror-by-digest-only");
    return {
      prefix: place(prefix, "prefix"),
      location: location === "" ? "" : place(location, "location"),
      isInsecure: flag(table["insecure"], "insecure"),
      isBlocked: flag(table["blocked"], "blocked"),
      mirrors: listOf(table["mirror"], "mirror").map((mirror): Mirror => {
        const pulls = mirror["pull-from-mirror"] ?? (byDigest ? "digest-only" : "all");
        if (pulls !== "all" && pulls !== "digest-only" && pulls !== "tag-only") {
          throw fail('pull-from-mirror: none of "all", "digest-only", "tag-only"');
        }
        const isInsecure = flag(mirror["insecure"], "mirror: insecure");
        return { location: place(mirror["location"], "mirror: location"), isInsecure, pulls };
      }),
    };
  });
  const search = document["unqualified-search-registries"];
  if (search !== undefined && !(Array.isArray(search) && search.every((each) => typeof each === "string"))) {
    throw fail("unqualified-search-registries: no list of texts");
  }
  const aliases = new Map<string, string>();
  for (const [name, value] of Object.entries((document["aliases"] ?? {}) as Record<string, unknown>)) {
    if (typeof value !== "string") throw fail(`aliases: "${name}": no text`);
    aliases.set(name, value);
  }
  return { entries, search: search as string[] | undefined, aliases };
}

/** The entry with the longest prefix of `host/path`. */
export function entryFor(conf: RegistriesConf, repository: string): RegistryEntry | undefined {
  let best: RegistryEntry | undefined;
  for (const entry of conf.entries) {
    if (!hasPrefix(repository, entry.prefix)) continue;
    if (best === undefined || entry.prefix.length > best.prefix.length) best = entry;
  }
  return best;
}

function hasPrefix(repository: string, prefix: string): boolean {
  if (prefix.startsWith("*.")) return (repository.split("/", 1)[0] ?? "").endsWith(prefix.slice(1));
  return repository === prefix || repository.startsWith(`${prefix}/`);
}

/** The repository with LOCATION in the place of the entry's prefix. */
export function relocated(entry: RegistryEntry, location: string, repository: string): string {
  if (location === "") return repository;
  if (entry.prefix.startsWith("*.")) {
    const slash = repository.indexOf("/");
    return location + (slash < 0 ? "" : repository.slice(slash));
  }
  return location + repository.slice(entry.prefix.length);
}
