import { EngineError } from "../error";
import { type Digest, isDigest, parseDigest } from "./digest";

/**
 * Names of images, as people type them and as registries know them. The grammar and the defaults are those of
 * github.com/distribution/reference (docker.io and library/ are implied), so that a name means the same image everywhere.
 */

/** A name with its defaults filled in: `domain/path[:tag][@digest]`. */
export type Reference = {
  /** Host, and port when it was given: `docker.io`, `localhost:5000`, `[::1]:5000`. */
  domain: string;
  /** The repository within the registry: `library/debian`. */
  path: string;
  tag: string | undefined;
  digest: Digest | undefined;
};

export const defaultDomain = "docker.io";
const officialPrefix = "library/";
const legacyDomain = "index.docker.io";
export const defaultTag = "latest";

const pathLimit = 255; // characters of a repository, distribution/reference RepositoryNameTotalLengthMax
const referenceLimit = 4096; // characters looked at: keeps every pattern below cheap on hostile input

const domainForm =
  /^(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?$/;
const componentForm = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/;
const tagForm = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const idForm = /^[a-f0-9]{64}$/;

/**
 * Reads a name as `docker pull` would.
 *
 * @example parseReference("debian") // { domain: "docker.io", path: "library/debian", tag: undefined, … }
 * @throws EngineError `invalid`
 */
export function parseReference(text: string): Reference {
  const fail = (why: string) => new EngineError("invalid", "invalid reference", quoted(text), why);
  if (text === "") throw fail("it is empty");
  if (text.length > referenceLimit) throw fail(`it is longer than ${referenceLimit} characters`);
  if (idForm.test(text)) throw fail("64 hexadecimal digits are an image id, not a name");

  const at = text.indexOf("@");
  const beforeDigest = at < 0 ? text : text.slice(0, at);
  const digest = at < 0 ? undefined : digestIn(text.slice(at + 1), fail);

  const { name, tag } = splitTag(beforeDigest);
  if (tag !== undefined && !tagForm.test(tag)) {
    throw fail(tag.length > 128 ? "the tag is longer than 128 characters" : `"${quoted(tag)}" is not a tag`);
  }

  const { domain, path } = splitDomain(name);
  if (!domainForm.test(domain)) throw fail(`"${quoted(domain)}" is not a registry's host[:port]`);
  if (Number(/:(\d+)$/.exec(domain)?.[1] ?? 1) > 65535)
    throw fail(`"${quoted(domain)}" has no port that there can be`);
  checkPath(path, fail);
  return { domain, path, tag, digest };
}

/** The reference with the tag "latest" where it has neither a tag nor a digest. */
export function withDefaultTag(reference: Reference): Reference {
  if (reference.tag !== undefined || reference.digest !== undefined) return reference;
  return { ...reference, tag: defaultTag };
}

/** Registry and repository: `docker.io/library/debian`. */
export function repositoryOf(reference: Reference): string {
  return `${reference.domain}/${reference.path}`;
}

/** The whole name with nothing left out: `docker.io/library/debian:bookworm`. */
export function formatReference(reference: Reference): string {
  return repositoryOf(reference) + suffixOf(reference);
}

/** The name as people know it, without what is implied: `debian:bookworm`. */
export function familiarReference(reference: Reference): string {
  return familiarRepository(repositoryOf(reference)) + suffixOf(reference);
}

/** `docker.io/library/debian` as `debian`, `docker.io/a/b` as `a/b`; other registries' stay as they are. */
export function familiarRepository(repository: string): string {
  if (!repository.startsWith(`${defaultDomain}/`)) return repository;
  const path = repository.slice(defaultDomain.length + 1);
  const short = path.startsWith(officialPrefix) ? path.slice(officialPrefix.length) : path;
  // A shortened name must read back as itself: `docker.io/library/a/b` is not what `a/b` means.
  if (short !== path && short.includes("/")) return path;
  // Likewise for a first component that would be read as a host.
  const slash = path.indexOf("/");
  return short === path && slash > 0 && isHostLike(path.slice(0, slash)) ? repository : short;
}

/** Whether TEXT names its registry itself, so that none is implied. */
export function hasDomain(text: string): boolean {
  const slash = text.indexOf("/");
  return slash > 0 && isHostLike(text.slice(0, slash));
}

function suffixOf(reference: Reference): string {
  const tag = reference.tag === undefined ? "" : `:${reference.tag}`;
  return reference.digest === undefined ? tag : `${tag}@${reference.digest}`;
}

function digestIn(text: string, fail: (why: string) => EngineError): Digest {
  if (isDigest(text)) return text;
  try {
    return parseDigest(text);
  } catch (error) {
    throw fail(error instanceof EngineError ? `digest: ${String(error.cause)}` : String(error));
  }
}

/** A colon behind the last slash starts a tag; one before it belongs to a port. */
function splitTag(text: string): { name: string; tag: string | undefined } {
  const colon = text.lastIndexOf(":");
  if (colon <= text.lastIndexOf("/")) return { name: text, tag: undefined };
  return { name: text.slice(0, colon), tag: text.slice(colon + 1) };
}

function splitDomain(name: string): { domain: string; path: string } {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  const hosted = slash > 0 && isHostLike(first);
  let domain = hosted ? first : defaultDomain;
  if (domain === legacyDomain) domain = defaultDomain;
  const path = hosted ? name.slice(slash + 1) : name;
  const official = domain === defaultDomain && path !== "" && !path.includes("/");
  return { domain, path: official ? officialPrefix + path : path };
}

/** The first component is a host when it has a dot, a port or an upper-case letter, or is `localhost`. */
function isHostLike(first: string): boolean {
  return /[.:]/.test(first) || first === "localhost" || first !== first.toLowerCase();
}

function checkPath(path: string, fail: (why: string) => EngineError): void {
  if (path === "") throw fail("the repository is missing");
  if (path.length > pathLimit) throw fail(`the repository is longer than ${pathLimit} characters`);
  if (path !== path.toLowerCase()) throw fail("the repository must be lower case");
  for (const component of path.split("/")) {
    if (!componentForm.test(component))
      throw fail(`"${quoted(component)}" is not a part of a repository's name`);
  }
}

function quoted(text: string): string {
  const short = text.length > 200 ? `${text.slice(0, 200)}...` : text;
  return JSON.stringify(short).slice(1, -1);
}
