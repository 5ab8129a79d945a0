/** Whether what a signature says that it signs is what was asked for (containers-policy.json(5), "signedIdentity"). */
import type { EngineError } from "../error";
import { formatReference, parseReference, type Reference, repositoryOf } from "../oci";

export type Identity =
  | { type: "matchExact" | "matchRepoDigestOrExact" | "matchRepository" }
  | { type: "exactReference"; dockerReference: string }
  | { type: "exactRepository"; dockerRepository: string }
  | { type: "remapIdentity"; prefix: string; signedPrefix: string };

const FIELDS: Readonly<Record<string, readonly string[]>> = {
  matchExact: [],
  matchRepoDigestOrExact: [],
  matchRepository: [],
  exactReference: ["dockerReference"],
  exactRepository: ["dockerRepository"],
  remapIdentity: ["prefix", "signedPrefix"],
};

export function readIdentity(value: unknown, fail: (why: string) => EngineError): Identity {
  if (value === undefined) return { type: "matchRepoDigestOrExact" };
  if (value === null || typeof value !== "object") throw fail("not an object");
  const object = value as Record<string, unknown>;
  const { type } = object;
  const fields = typeof type === "string" && Object.hasOwn(FIELDS, type) ? FIELDS[type] : undefined;
  if (fields === undefined) throw fail(`${JSON.stringify(type) ?? "none"} is no type of identity`);
  for (const key of Object.keys(object))
    if (key !== "type" && !fields.includes(key)) throw fail(`unknown key ${JSON.stringify(key)}`);
  for (const key of fields)
    if (typeof object[key] !== "string" || object[key] === "") throw fail(`${key}: no text`);
  return object as unknown as Identity;
}

/** @param signed as the signature has it */
export function isIdentity(identity: Identity, asked: Reference, signed: string): boolean {
  const said = parsed(signed);
  if (said === undefined) return false;
  switch (identity.type) {
    case "matchExact":
      return isExact(asked, said);
    case "matchRepoDigestOrExact":
      return isExactOrDigest(asked, said);
    case "matchRepository":
      return repositoryOf(asked) === repositoryOf(said);
    case "exactReference": {
      const wanted = parsed(identity.dockerReference);
      return wanted !== undefined && !isBare(wanted) && formatReference(wanted) === formatReference(said);
    }
    case "exactRepository": {
      const wanted = parsed(identity.dockerRepository);
      return wanted !== undefined && repositoryOf(wanted) === repositoryOf(said);
    }
    case "remapIdentity": {
      const remapped = remap(asked, identity.prefix, identity.signedPrefix);
      return remapped !== undefined && isExactOrDigest(remapped, said);
    }
  }
}

const isBare = ({ tag, digest }: Reference): boolean => tag === undefined && digest === undefined;

function isExact(asked: Reference, said: Reference): boolean {
  return !isBare(said) && formatReference(asked) === formatReference(said);
}

/** Asked for by its digest, an image is what it is whatever its tag: the repository must agree. */
function isExactOrDigest(asked: Reference, said: Reference): boolean {
  return asked.digest !== undefined ? repositoryOf(asked) === repositoryOf(said) : isExact(asked, said);
}

function remap(asked: Reference, prefix: string, signedPrefix: string): Reference | undefined {
  const repository = repositoryOf(asked);
  if (repository !== prefix && !repository.startsWith(`${prefix}/`)) {
    const whole = formatReference(asked);
    return whole === prefix ? parsed(signedPrefix) : asked;
  }
  const renamed = parsed(signedPrefix + repository.slice(prefix.length));
  return renamed === undefined ? undefined : { ...asked, domain: renamed.domain, path: renamed.path };
}

function parsed(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch {
    return undefined;
  }
}
