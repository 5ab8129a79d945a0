/** policy.json for people: what it says line by line, and changes of it. */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { EngineError } from "../error";
import { parseReference, withDefaultTag } from "../oci";
import { replaceFile } from "../state";
import {
  type Policy,
  parsePolicy,
  type Requirement,
  readPolicy,
  scopesOf,
  systemPolicyPath,
  userPolicyPath,
} from "./policy";

type Environment = Readonly<Record<string, string | undefined>>;

/** One requirement of one scope, under podman's names. */
export type TrustLine = {
  transport: string;
  name?: string;
  repo_name?: string;
  keys?: string[];
  type: string;
  gpg_id?: string;
  sigstore?: string;
};

const WORDS: Readonly<Record<string, string>> = { insecureAcceptAnything: "accept", signedBy: "signed" };

/** @param name only what counts for this registry or repository */
export function trustLines(policy: Policy, name?: string | undefined): TrustLine[] {
  const lines: TrustLine[] = [];
  const add = (transport: string, scope: string, requirements: readonly Requirement[], called = scope) => {
    for (const requirement of requirements) {
      const keys = "keyPaths" in requirement ? requirement.keyPaths : [];
      lines.push({
        transport,
        ...(called === "" ? {} : { name: called }),
        ...(scope === "" ? {} : { repo_name: scope }),
        ...(keys.length === 0 ? {} : { keys }),
        type: WORDS[requirement.type] ?? requirement.type,
        ...(requirement.type === "signedBy" || requirement.type === "sigstoreSigned"
          ? { gpg_id: "N/A" }
          : {}),
      });
    }
  };
  const wanted = name === undefined ? undefined : new Set(namesAbove(name));
  add("all", "default", policy.default, "* (default)");
  for (const [transport, scopes] of [...policy.transports].sort()) {
    const shown = transport === "docker" ? "repository" : transport;
    for (const [scope, requirements] of [...scopes].sort()) {
      if (wanted !== undefined && !(transport === "docker" && wanted.has(scope))) continue;
      add(shown, scope, requirements);
    }
  }
  return lines;
}

/** The scopes that count for a name, and the name as it was typed: `docker.io` is a registry, and no repository. */
function namesAbove(name: string): string[] {
  try {
    return [name, ...scopesOf(withDefaultTag(parseReference(name)))];
  } catch {
    return [name];
  }
}

export type TrustType = "accept" | "reject" | "signedBy" | "sigstoreSigned";

/**
 * Write what is asked of images of SCOPE (`default`: of all that is not named) into the user's policy.json, or into CHOSEN.
 *
 * @throws EngineError `invalid`, `io`
 */
export function setTrust(
  env: Environment,
  scope: string,
  type: TrustType,
  keys: readonly string[],
  chosen?: string | undefined,
): void {
  const path = chosen ?? userPolicyPath(env);
  const from = [path, ...(chosen === undefined ? [systemPolicyPath] : [])].find((each) => existsSync(each));
  const document =
    from === undefined ? { default: [{ type: "insecureAcceptAnything" }] } : documentAt(env, from);
  const requirement = requirementOf(type, keys);
  if (scope === "default") {
    document["default"] = requirement;
  } else {
    checkScope(scope);
    const transports = (document["transports"] ?? {}) as Record<string, object>;
    document["transports"] = { ...transports, docker: { ...transports["docker"], [scope]: requirement } };
  }
  const text = `${JSON.stringify(document, null, 4)}\n`;
  parsePolicy(text, path);
  try {
    mkdirSync(dirname(path), { recursive: true });
    replaceFile(path, text);
  } catch (error) {
    throw new EngineError("io", "write signature policy", path, error);
  }
}

/** What proa does not understand is not written anew. */
function documentAt(env: Environment, path: string): Record<string, unknown> {
  readPolicy(env, path);
  return JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
}

/** A registry, a namespace in it, a repository, a whole name, or `*.` and a domain. */
function checkScope(scope: string): void {
  if (/^\*\.[a-z0-9.-]+$/i.test(scope) || /^[a-z0-9.-]+(:\d+)?$/i.test(scope)) return;
  parseReference(scope);
}

function requirementOf(type: TrustType, keys: readonly string[]): object[] {
  if (type === "accept") return [{ type: "insecureAcceptAnything" }];
  if (type === "reject") return [{ type }];
  const paths = keys.map((key) => resolve(key));
  for (const path of paths)
    if (!existsSync(path)) throw new EngineError("not-found", "read public key", path, "no such file");
  if (type === "sigstoreSigned") return [{ type, keyPath: paths[0] }];
  const named = paths.length === 1 ? { keyPath: paths[0] } : { keyPaths: paths };
  return [{ type, keyType: "GPGKeys", ...named }];
}
