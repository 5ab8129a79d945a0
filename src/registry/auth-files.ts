import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { EngineError } from "../error";
import { flock, LOCK_EX, LOCK_NB } from "../helper";
import type { Credentials } from "./_access";
import { eraseWithHelper, getFromHelper, storeWithHelper } from "./_credential-helper";

/**
 * Who has logged in where: podman's auth.json (containers-auth.json(5)) and docker's config.json, which have the same shape. Both are read; one is written, in the
 * user's configuration directory, where it outlives the session: for its user alone, and whole or not at all. What else a file holds is kept as it is.
 */

type Environment = Readonly<Record<string, string | undefined>>;

type Entry = { auth?: unknown; identitytoken?: unknown; username?: unknown; password?: unknown };

type AuthDocument = {
  auths?: Record<string, Entry>;
  credHelpers?: Record<string, string>;
  credsStore?: string;
} & Record<string, unknown>;

const limitBytes = 4 << 20;
const dockerHubKey = "https://index.docker.io/v1/"; // docker's name for Docker Hub

function homeOf(env: Environment): string {
  return env["HOME"] || homedir();
}

/** The file that log-ins are written to. */
export function usualAuthFile(env: Environment): string {
  const given = env["REGISTRY_AUTH_FILE"];
  if (given) return given;
  const config = env["XDG_CONFIG_HOME"] || join(homeOf(env), ".config");
  return join(config, "containers", "auth.json");
}

function dockerConfigFile(env: Environment): string {
  return join(env["DOCKER_CONFIG"] || join(homeOf(env), ".docker"), "config.json");
}

/** Every file that may have an entry, the one that counts first. */
function authFiles(env: Environment): string[] {
  const runtime = env["XDG_RUNTIME_DIR"];
  const podman = runtime ? [join(runtime, "containers", "auth.json")] : [];
  return [usualAuthFile(env), ...podman, dockerConfigFile(env)];
}

export type AuthPlace = {
  env: Environment;
  /** The one file that counts, by the user's word. */
  authFile?: string | undefined;
};

/**
 * The credentials for a repository: those for its longest prefix, of the first file that has one.
 *
 * @param repository path within the registry, "" for the registry itself
 * @throws EngineError `not-found` where the named file is not there; `invalid`, `io`
 */
export async function findCredentials(
  place: AuthPlace,
  domain: string,
  repository: string,
): Promise<Credentials | undefined> {
  const { env, authFile } = place;
  if (authFile !== undefined && !existsSync(authFile)) {
    throw new EngineError("not-found", "credentials", authFile, "no such file", { exitCode: 125 });
  }
  const keys = keysFor(domain, repository);
  for (const path of authFile === undefined ? authFiles(env) : [authFile]) {
    const document = readAuthFile(path);
    if (document === null) continue;
    for (const key of keys) {
      const found = await credentialsIn(document, key, path, env);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/** A file of credentials that is there. */
export type FoundAuthFile = {
  path: string;
  /** Why it cannot be used; "" where it can. */
  fault: string;
  /** Programs that keep the secrets: `docker-credential-NAME`. */
  helpers: string[];
  hasSecrets: boolean;
};

/** Those that are looked at, the one that counts first. */
export function foundAuthFiles(env: Environment): FoundAuthFile[] {
  const none = { fault: "", helpers: [], hasSecrets: false };
  return [...new Set(authFiles(env))].flatMap((path): FoundAuthFile[] => {
    let document: AuthDocument | null;
    try {
      document = readAuthFile(path);
    } catch (error) {
      return [{ ...none, path, fault: error instanceof Error ? error.message : String(error) }];
    }
    if (document === null) return [];
    const { credHelpers = {}, credsStore, auths = {} } = document;
    const helpers = [...Object.values(credHelpers), credsStore].filter(
      (name): name is string => typeof name === "string" && name !== "",
    );
    const hasSecrets = Object.values(auths).some((entry) => Object.keys(entry ?? {}).length > 0);
    return [{ path, fault: "", helpers: [...new Set(helpers)], hasSecrets }];
  });
}

/** `host/a/b`, `host/a`, `host`: the longest first. */
export function keysFor(domain: string, repository: string): string[] {
  const parts = repository === "" ? [] : repository.split("/");
  const paths = parts.map((_, at) => `${domain}/${parts.slice(0, parts.length - at).join("/")}`);
  return [...paths, domain];
}

async function credentialsIn(
  document: AuthDocument,
  key: string,
  path: string,
  env: Environment,
): Promise<Credentials | undefined> {
  const helper = document.credHelpers?.[key];
  if (typeof helper === "string" && helper !== "") return getFromHelper(helper, key, env);
  for (const [name, entry] of Object.entries(document.auths ?? {})) {
    if (normalised(name) !== key) continue;
    const found = credentialsOf(entry, name, path);
    if (found !== undefined) return found;
  }
  const store = document.credsStore;
  if (typeof store !== "string" || store === "" || key.includes("/")) return undefined;
  const asked = key === "docker.io" ? dockerHubKey : key;
  return getFromHelper(store, asked, env);
}

/** `https://host/v1/` as `host`, as old files have it. */
function normalised(key: string): string {
  const isUrl = /^https?:\/\//.test(key);
  const bare = key.replace(/^https?:\/\//, "").replace(/\/$/, "");
  const host = isUrl ? (bare.split("/", 1)[0] ?? "") : bare;
  return host === "index.docker.io" || host === "registry-1.docker.io" ? "docker.io" : host;
}

function credentialsOf(entry: Entry, key: string, path: string): Credentials | undefined {
  const { auth, identitytoken: identityToken } = entry ?? {};
  const token = typeof identityToken === "string" && identityToken !== "" ? identityToken : undefined;
  if (typeof auth !== "string" || auth === "") {
    const { username, password } = entry ?? {};
    if (typeof username === "string" && typeof password === "string") return { username, password };
    return token === undefined ? undefined : { username: "", password: "", identityToken: token };
  }
  const text = Buffer.from(auth, "base64").toString("utf8").replace(/\0+$/, "");
  const colon = text.indexOf(":");
  if (colon < 0) {
    throw new EngineError("invalid", "read credentials", path, `"auth" of "${key}" is not USER:PASSWORD`);
  }
  return { username: text.slice(0, colon), password: text.slice(colon + 1), identityToken: token };
}

function readAuthFile(path: string): AuthDocument | null {
  let text: string;
  try {
    if (statSync(path).size > limitBytes) {
      throw new EngineError("invalid", "read credentials", path, `larger than ${limitBytes} bytes`);
    }
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof EngineError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw new EngineError("io", "read credentials", path, error);
  }
  if (text.trim() === "") return {};
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw new EngineError("invalid", "read credentials", path, "it is not JSON"); // without its text: it holds secrets
  }
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw new EngineError("invalid", "read credentials", path, "it is no JSON object");
  }
  return document as AuthDocument;
}

/** The helper that keeps the secrets of KEY: the written file's, or else docker's. */
function helperFor(place: AuthPlace, path: string, key: string): string | undefined {
  const files = place.authFile === undefined ? [path, dockerConfigFile(place.env)] : [path];
  for (const each of files) {
    const document = readAuthFile(each);
    const helper = document?.credHelpers?.[key] || document?.credsStore;
    if (typeof helper === "string" && helper !== "") return helper;
  }
  return undefined;
}

/** Keep credentials for a registry or a part of it, `host[/path]`. */
export async function storeCredentials(
  place: AuthPlace,
  key: string,
  credentials: Credentials,
  isDockers = false,
): Promise<void> {
  const path = place.authFile ?? usualAuthFile(place.env);
  const helper = helperFor(place, path, key);
  if (helper !== undefined) {
    const server = key === "docker.io" ? dockerHubKey : key;
    return storeWithHelper(helper, server, credentials, place.env);
  }
  const { username, password, identityToken } = credentials;
  const auth = Buffer.from(`${username}:${identityToken === undefined ? password : ""}`).toString("base64");
  const entry: Entry = identityToken === undefined ? { auth } : { auth, identitytoken: identityToken };
  await changeAuthFile(path, (document) => {
    const kept = Object.entries(document.auths ?? {}).filter(([name]) => normalised(name) !== key);
    const name = isDockers && key === "docker.io" ? dockerHubKey : key;
    document.auths = { ...Object.fromEntries(kept), [name]: entry };
  });
}

/** Forget those of KEY. Returns whether there were any, or where they are instead. */
export async function removeCredentials(place: AuthPlace, key: string): Promise<"removed" | "none" | string> {
  const path = place.authFile ?? usualAuthFile(place.env);
  const files = place.authFile === undefined ? authFiles(place.env) : [path];
  let removed = false;
  const helper = helperFor(place, path, key);
  if (helper !== undefined) {
    const server = key === "docker.io" ? dockerHubKey : key;
    removed = await eraseWithHelper(helper, server, place.env);
  }
  if (hasEntry(path, key)) {
    await changeAuthFile(path, (document) => {
      const kept = Object.entries(document.auths ?? {}).filter(([name]) => normalised(name) !== key);
      document.auths = Object.fromEntries(kept);
    });
    removed = true;
  }
  if (removed) return "removed";
  return files.find((file) => file !== path && hasEntry(file, key)) ?? "none";
}

/** Forget all of the file that log-ins are written to, and of its helpers. */
export async function removeAllCredentials(place: AuthPlace): Promise<void> {
  const path = place.authFile ?? usualAuthFile(place.env);
  const document = readAuthFile(path);
  if (document === null) return;
  for (const [key, helper] of Object.entries(document.credHelpers ?? {})) {
    await eraseWithHelper(helper, key, place.env);
  }
  await changeAuthFile(path, (changed) => {
    changed.auths = {};
  });
}

/** The registries that somebody has logged in to, or that a helper keeps; what cannot be read has none. */
export function knownRegistries({ env, authFile }: AuthPlace): string[] {
  const files = authFile === undefined ? authFiles(env) : [authFile];
  const names = files.flatMap((file) => {
    try {
      const { auths = {}, credHelpers = {} } = readAuthFile(file) ?? {};
      return [...Object.keys(auths), ...Object.keys(credHelpers)].map(normalised);
    } catch {
      return [];
    }
  });
  return [...new Set(names)];
}

function hasEntry(path: string, key: string): boolean {
  const names = Object.keys(readAuthFile(path)?.auths ?? {});
  return names.some((name) => normalised(name) === key);
}

/** Two log-ins at once must both be in the file afterwards. */
async function changeAuthFile(path: string, change: (document: AuthDocument) => void): Promise<void> {
  const fail = (error: unknown) => new EngineError("io", "write credentials", path, error, { exitCode: 1 });
  let lock: number | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const target = existsSync(path) ? realpathSync(path) : path; // a link stays one
    lock = openSync(dirname(target), "r"); // the directory: the file itself is replaced
    for (let waitedMs = 0; !flock(lock, LOCK_EX | LOCK_NB); waitedMs += 5) {
      if (waitedMs > 10_000) throw new Error("another process holds its lock for too long");
      await Bun.sleep(5);
    }
    const document = readAuthFile(target) ?? {};
    change(document);
    replaceSecretFile(target, `${JSON.stringify(document, null, "\t")}\n`);
  } catch (error) {
    throw error instanceof EngineError ? error : fail(error);
  } finally {
    if (lock !== undefined) closeSync(lock);
  }
}

function replaceSecretFile(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  const fd = openSync(temporary, "w", 0o600);
  try {
    chmodSync(temporary, 0o600); // whatever lay there before
    writeSync(fd, text);
    fsyncSync(fd);
    renameSync(temporary, path);
  } catch (error) {
    unlinkSync(temporary);
    throw error;
  } finally {
    closeSync(fd);
  }
}

/** `https://Host/v1/` or `host/path` as the key that an entry has. Throws `invalid`. */
export function registryKey(text: string): string {
  const key = normalised(text.trim());
  const [host = ""] = key.split("/", 1);
  if (!/^(?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(?::\d+)?$/.test(host) || /[\s@]/.test(key)) {
    throw new EngineError("invalid", "registry", JSON.stringify(text), "it is no HOST[:PORT][/PATH]", {
      exitCode: 1,
    });
  }
  return key;
}
