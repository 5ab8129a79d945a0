import { statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { EngineError } from "../error";
import { familiarRepository, hasDomain, parseReference, type Reference, repositoryOf } from "../oci";
import type { Credentials, RegistryOptions } from "./_access";
import { hostOf, isLoopback } from "./_endpoint";
import { findCredentials } from "./auth-files";
import { entryFor, type RegistriesConf, readRegistriesConf, relocated } from "./registries-conf";

/** From a name to the registries that can be asked for it, as registries.conf, certs.d, the log-ins and the command line have it. */

/** What the user says about a registry with a command. */
export type RegistryFlags = {
  /** False: plain HTTP and unknown certificates too. Undefined: as registries.conf has it. */
  tlsVerify?: boolean | undefined;
  /** `USER[:PASSWORD]` */
  credentials?: Credentials | undefined;
  authFile?: string | undefined;
  certDir?: string | undefined;
  retry?: RegistryOptions["retry"];
  /** Which images are accepted: a policy.json in place of the usual one. */
  signaturePolicy?: string | undefined;
};

/** One place to ask: a registry, and the repository there. */
export type Source = {
  domain: string;
  path: string;
  options: RegistryOptions;
  isMirror: boolean;
};

type Environment = Readonly<Record<string, string | undefined>>;

export type Connecting = {
  env: Environment;
  userAgent: string;
  flags: RegistryFlags;
  signal?: AbortSignal | undefined;
  conf?: RegistriesConf;
};

/** Where to pull REFERENCE from: its mirrors, then itself. Throws `unauthorized` where it is blocked. */
export function pullSources(reference: Reference, connecting: Connecting): Source[] {
  const conf = connecting.conf ?? readRegistriesConf(connecting.env);
  const repository = repositoryOf(reference);
  const entry = entryFor(conf, repository);
  if (entry === undefined) return [sourceOf(repository, false, false, connecting)];
  refuseBlocked(entry.isBlocked, reference);
  const kind = reference.digest === undefined ? "tag-only" : "digest-only";
  const mirrors = entry.mirrors.filter(({ pulls }) => pulls === "all" || pulls === kind);
  return [
    ...mirrors.map((mirror) =>
      sourceOf(relocated(entry, mirror.location, repository), mirror.isInsecure, true, connecting),
    ),
    sourceOf(relocated(entry, entry.location, repository), entry.isInsecure, false, connecting),
  ];
}

/** Where to push REFERENCE to: itself, never a mirror. */
export function pushTarget(reference: Reference, connecting: Connecting): Source {
  const conf = connecting.conf ?? readRegistriesConf(connecting.env);
  const repository = repositoryOf(reference);
  const entry = entryFor(conf, repository);
  if (entry === undefined) return sourceOf(repository, false, false, connecting);
  refuseBlocked(entry.isBlocked, reference);
  return sourceOf(relocated(entry, entry.location, repository), entry.isInsecure, false, connecting);
}

function refuseBlocked(isBlocked: boolean, reference: Reference): void {
  if (!isBlocked) return;
  const why = "registries.conf has it blocked";
  throw new EngineError("unauthorized", "registry", repositoryOf(reference), why);
}

function sourceOf(
  repository: string,
  isInsecure: boolean,
  isMirror: boolean,
  connecting: Connecting,
): Source {
  const slash = repository.indexOf("/");
  const domain = slash < 0 ? repository : repository.slice(0, slash);
  const path = slash < 0 ? "" : repository.slice(slash + 1);
  // What the user has typed for a registry is not for its mirrors.
  const theirs = isMirror
    ? { ...connecting, flags: { ...connecting.flags, credentials: undefined } }
    : connecting;
  return { domain, path, isMirror, options: registryOptions(domain, isInsecure, theirs) };
}

/** How to speak to one registry. */
export function registryOptions(
  domain: string,
  isInsecureByFile: boolean,
  { env, userAgent, flags, signal }: Connecting,
): RegistryOptions {
  const certificates = flags.certDir === undefined ? certificateDirectories(domain, env) : [flags.certDir];
  const isInsecure = flags.tlsVerify === undefined ? isInsecureByFile : !flags.tlsVerify;
  const { credentials, authFile } = flags;
  return {
    env: { ...env },
    userAgent,
    signal,
    retry: flags.retry,
    certificates,
    isInsecure,
    // What has certificates of its own, or is asked for with them, is no registry in the clear.
    isTls: isLoopback(hostOf(domain)) && (flags.tlsVerify === true || certificates.length > 0),
    credentials: (repository) =>
      credentials === undefined
        ? findCredentials({ env, authFile }, domain, repository)
        : Promise.resolve(credentials),
  };
}

/** `certs.d/HOST[:PORT]` of the user, of the system, and docker's. */
function certificateDirectories(domain: string, env: Environment): string[] {
  const home = env["HOME"] || homedir();
  const config = env["XDG_CONFIG_HOME"] || join(home, ".config");
  const roots = [join(config, "containers"), "/etc/containers", "/etc/docker", join(home, ".docker")];
  const found = roots
    .map((root) => join(root, "certs.d", domain))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false);
  return found.slice(0, 1);
}

/**
 * What a name without a registry may mean, in the order in which it is tried: its alias; else the registries that are searched; Docker Hub where nobody has named any.
 */
export function candidatesOf(text: string, env: Environment, conf?: RegistriesConf): Reference[] {
  const usual = parseReference(text);
  if (hasDomain(text)) return [usual];
  const { aliases, search } = conf ?? readRegistriesConf(env);
  const name = familiarRepository(repositoryOf(usual));
  const alias = aliases.get(name);
  if (alias !== undefined && hasDomain(alias)) {
    const { domain, path } = parseReference(alias);
    return [{ ...usual, domain, path }];
  }
  if (search === undefined || search.length === 0) return [usual];
  return search.map((registry) => {
    const { domain, path } = parseReference(`${registry}/${name}`);
    return { ...usual, domain, path };
  });
}
