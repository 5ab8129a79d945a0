/**
 * policy.json (containers-policy.json(5)): which images may be brought here. For each place the requirements of the most specific scope count, all of
 * them. What the file says and proa does not know is an error: a rule that is not understood must not be passed over.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { EngineError } from "../error";
import { type Reference, repositoryOf } from "../oci";
import { type Identity, readIdentity } from "./_identity";

type Environment = Readonly<Record<string, string | undefined>>;

export type Requirement =
  | { type: "insecureAcceptAnything" }
  | { type: "reject" }
  | { type: "signedBy"; keyPaths: string[] }
  | { type: "sigstoreSigned"; keyPaths: string[]; keyData: string[]; identity: Identity };

export type Policy = {
  /** Where it was read; undefined: there is no file, and everything is accepted. */
  path: string | undefined;
  default: Requirement[];
  transports: Map<string, Map<string, Requirement[]>>;
};

const limitBytes = 4 << 20;

/** The user's own file. */
export function userPolicyPath(env: Environment): string {
  const config = env["XDG_CONFIG_HOME"] || join(env["HOME"] || homedir(), ".config");
  return join(config, "containers", "policy.json");
}

export const systemPolicyPath = "/etc/containers/policy.json";

/** The file that counts; undefined where there is none. */
export function policyPath(env: Environment, chosen?: string): string | undefined {
  if (chosen !== undefined) return chosen;
  return [userPolicyPath(env), systemPolicyPath].find((path) => existsSync(path));
}

/** Throws `invalid`, `io`: without its policy nothing is accepted. */
export function readPolicy(env: Environment, chosen?: string): Policy {
  const path = policyPath(env, chosen);
  if (path === undefined) {
    return { path, default: [{ type: "insecureAcceptAnything" }], transports: new Map() };
  }
  let text: string;
  try {
    if (statSync(path).size > limitBytes) throw new Error(`larger than ${limitBytes} bytes`);
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new EngineError("io", "read signature policy", path, error);
  }
  return parsePolicy(text, path);
}

export function parsePolicy(text: string, path: string): Policy {
  const fail = (why: string) => new EngineError("invalid", "read signature policy", path, why);
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw fail(`it is not JSON: ${error instanceof Error ? error.message : error}`);
  }
  const top = objectOf(document, "", fail);
  refuseOthers(top, ["default", "transports"], "", fail);
  const policy: Policy = {
    path,
    default: requirementsOf(top["default"], "default", fail),
    transports: new Map(),
  };
  for (const [transport, scopes] of Object.entries(objectOf(top["transports"] ?? {}, "transports", fail))) {
    const read = new Map<string, Requirement[]>();
    for (const [scope, list] of Object.entries(objectOf(scopes, `transports.${transport}`, fail)))
      read.set(scope, requirementsOf(list, `transports.${transport}.${JSON.stringify(scope)}`, fail));
    policy.transports.set(transport, read);
  }
  return policy;
}

type Fail = (why: string) => EngineError;

function objectOf(value: unknown, place: string, fail: Fail): Record<string, unknown> {
  if (value !== null && typeof value === "object" && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw fail(`${place || "the file"}: not an object`);
}

function refuseOthers(object: object, known: readonly string[], place: string, fail: Fail): void {
  const other = Object.keys(object).find((key) => !known.includes(key));
  if (other !== undefined)
    throw fail(`${place === "" ? "" : `${place}: `}unknown key ${JSON.stringify(other)}`);
}

function requirementsOf(value: unknown, place: string, fail: Fail): Requirement[] {
  if (!Array.isArray(value) || value.length === 0) throw fail(`${place}: not a list of requirements`);
  return value.map((each, at) => requirementOf(each, `${place}[${at}]`, fail));
}

function requirementOf(value: unknown, place: string, fail: Fail): Requirement {
  const object = objectOf(value, place, fail);
  const { type } = object;
  if (type === "insecureAcceptAnything" || type === "reject") {
    refuseOthers(object, ["type"], place, fail);
    return { type };
  }
  const texts = (...keys: string[]): string[] =>
    keys.flatMap((key) => {
      const given = object[key];
      if (given === undefined) return [];
      const list = Array.isArray(given) ? given : [given];
      if (list.length === 0 || !list.every((each) => typeof each === "string" && each !== ""))
        throw fail(`${place}.${key}: no text`);
      return list as string[];
    });
  if (type === "signedBy") {
    refuseOthers(
      object,
      ["type", "keyType", "keyPath", "keyPaths", "keyData", "signedIdentity"],
      place,
      fail,
    );
    if (object["keyType"] !== "GPGKeys") throw fail(`${place}.keyType: not "GPGKeys"`);
    return { type, keyPaths: texts("keyPath", "keyPaths") };
  }
  if (type === "sigstoreSigned") {
    for (const key of [
      "fulcio",
      "pki",
      "rekorPublicKeyPath",
      "rekorPublicKeyData",
      "rekorPublicKeyPaths",
      "rekorPublicKeyDatas",
    ])
      if (key in object)
        throw fail(`${place}: ${key} is not supported: proa verifies signatures by public keys`);
    refuseOthers(
      object,
      ["type", "keyPath", "keyPaths", "keyData", "keyDatas", "signedIdentity"],
      place,
      fail,
    );
    const [keyPaths, keyData] = [texts("keyPath", "keyPaths"), texts("keyData", "keyDatas")];
    if (["keyPath", "keyPaths", "keyData", "keyDatas"].filter((key) => key in object).length !== 1)
      throw fail(`${place}: exactly one of keyPath, keyPaths, keyData and keyDatas`);
    const identity = readIdentity(object["signedIdentity"], (why) => fail(`${place}.signedIdentity: ${why}`));
    return { type, keyPaths, keyData, identity };
  }
  throw fail(`${place}.type: ${JSON.stringify(type) ?? "none"} is no type of requirement`);
}

/** What an image of a registry must satisfy. */
export function requirementsFor(policy: Policy, reference: Reference): Requirement[] {
  const scopes = policy.transports.get("docker");
  for (const scope of scopesOf(reference)) {
    const found = scopes?.get(scope);
    if (found !== undefined) return found;
  }
  return scopes?.get("") ?? policy.default;
}

export function acceptsAnything(requirements: readonly Requirement[]): boolean {
  return requirements.every(({ type }) => type === "insecureAcceptAnything");
}

/** What an image from a file or directory must satisfy: the scope of its path, of a directory above, of the transport. */
export function localRequirements(policy: Policy, transport: string, path: string): Requirement[] {
  const scopes = policy.transports.get(transport);
  if (transport !== "docker-archive") {
    for (let scope = path; scope !== "/" && scope !== ""; scope = scope.slice(0, scope.lastIndexOf("/"))) {
      const found = scopes?.get(scope);
      if (found !== undefined) return found;
    }
  }
  return scopes?.get("") ?? policy.default;
}

/** From the whole name over its namespaces to the host, then the domains above. */
export function scopesOf(reference: Reference): string[] {
  const repository = repositoryOf(reference);
  const whole =
    reference.digest !== undefined ? `${repository}@${reference.digest}` : `${repository}:${reference.tag}`;
  const scopes = [whole];
  for (let scope = repository; scope !== ""; scope = scope.slice(0, Math.max(0, scope.lastIndexOf("/"))))
    scopes.push(scope);
  const host = reference.domain.replace(/:\d+$/, "");
  for (let dot = host.indexOf("."); dot >= 0; dot = host.indexOf(".", dot + 1))
    scopes.push(`*${host.slice(dot)}`);
  return scopes;
}
