import { EngineError, type ErrorCode, reasonOf } from "../error";
import {
  assertIsImage,
  chainIdsOf,
  choosePlatform,
  type Descriptor,
  type Digest,
  familiarReference,
  formatPlatform,
  formatReference,
  hostPlatform,
  type ImageConfig,
  type Manifest,
  type Platform,
  parsePlatform,
  type Reference,
  readImageConfig,
  readManifest,
  repositoryOf,
  runsOn,
  withDefaultTag,
} from "../oci";
import {
  type Connecting,
  candidatesOf,
  pullSources,
  RegistryClient,
  type RegistryFlags,
  type RegistryOptions,
  readRegistriesConf,
  type Source,
} from "../registry";
import { type Context, emit, insertDropped, insertImage } from "../state";
import {
  announceContent,
  type BlobWriter,
  collectGarbage,
  type Driver,
  ensureLayout,
  hasBlob,
  hintForSpace,
  LayerWriter,
  projectIndex,
  readBlob,
  removeAbandoned,
  selectDriver,
  shareFresh,
  syncBlobNames,
  whileKept,
  writeBlob,
} from "../storage";
import { turn } from "./_gate";
import { fetchLayers, type LayerSource } from "./_layers";
import { imageRow, layerRows } from "./_rows";
import { embeddedImage } from "./embedded";
import { acceptsAnything, readPolicy, requirementsFor } from "./policy";
import type { PullProgress } from "./progress";
import type { AskedImage } from "./signatures";
import { lookUpImage, type StoredImage, suits } from "./stored";

/** From a name to an image in the store. */

/** When the registry is asked: always, if the image is not here, never, or always but without an error if it cannot be reached. */
export type PullPolicy = "always" | "missing" | "never" | "newer";

export type PullOptions = {
  /** Default: always. */
  policy?: PullPolicy;
  /** `os/architecture[/variant]`; default: the host's. */
  platform?: string | undefined;
  onProgress?: (progress: PullProgress) => void;
  signal?: AbortSignal | undefined;
  /** Plain HTTP and unknown certificates are accepted. */
  isInsecure?: boolean;
  /** What else the user says about the registry. */
  flags?: RegistryFlags | undefined;
  /** What the registry sees of us: `proa/0.1.0`. */
  userAgent?: string;
  /** Asked when the image is known, and before its layers are fetched: who lets containers start meanwhile (`lazy-fetcher.ts`). */
  onKnown?: (known: KnownImage) => Promise<Beforehand | null>;
  /** For tests. */
  retry?: RegistryOptions["retry"];
};

/** An image of which all is known but its layers. */
export type KnownImage = {
  context: Context;
  driver: Driver;
  client: RegistryClient;
  /** Path within the registry. */
  repository: string;
  reference: Reference;
  imageId: Digest;
  manifestDigest: Digest;
  layers: readonly Descriptor[];
  config: ImageConfig;
  platform: Platform | undefined;
  signal: AbortSignal | undefined;
  /** Record it as one whose blobs can be fetched again, SIZEBYTES large. */
  record: (sizeBytes: number) => Promise<void>;
};

/** What becomes of a pull whose image was recorded before its layers were there. */
export type Beforehand = {
  /** In place of the registry's own. */
  source: LayerSource;
  onBlob: (blob: BlobWriter) => void;
  /** All layers are here, SIZEBYTES large. Throws where they are not wanted any more. */
  finish: (sizeBytes: number) => void;
};

const configLimitBytes = 8 << 20;

/**
 * The image that TEXT names, from the store or from its registry as the policy says.
 *
 * @throws EngineError, its text beginning `pull image: NAME`; `interrupted` after the signal
 */
export async function pullImage(
  context: Context,
  text: string,
  options: PullOptions = {},
): Promise<StoredImage> {
  const policy = options.policy ?? "always";
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
  const local = policy === "always" ? null : lookUpImage(context, text);
  const isUsable = local !== null && suits(local, platform);
  if (isUsable && policy !== "newer") return local;
  const embedded = await embeddedImage(context, text);
  if (embedded !== null) return embedded;
  if (policy === "never") throw neverPulled(text, local, platform);
  const conf = readRegistriesConf(context.env);
  const references = candidatesOf(text, context.env, conf).map(withDefaultTag);
  for (const reference of policy === "missing" ? references : []) {
    const known = lookUpImage(context, formatReference(reference)); // a short name that means another than Docker Hub's
    if (known !== null && suits(known, platform)) return known;
  }
  const connecting: Connecting = {
    env: context.env,
    userAgent: options.userAgent ?? "proa",
    flags: {
      ...options.flags,
      tlsVerify: options.flags?.tlsVerify ?? (options.isInsecure ? false : undefined),
      retry: options.retry ?? options.flags?.retry,
    },
    signal: options.signal,
    conf,
  };
  let failure: { reference: Reference; error: unknown } | undefined;
  let isTidy = false;
  const tidy = async (): Promise<void> => {
    if (isTidy) return;
    isTidy = true;
    await removeAbandoned(context); // what a pull that was killed has left
  };
  for (const reference of references) {
    try {
      const image = await whileKept(context, () =>
        pullFromAny(context, reference, platform, options, connecting, tidy),
      );
      await collectGarbage(context).catch((error: unknown) => context.warn(`clean up: ${reasonOf(error)}`));
      const name = familiarReference(reference);
      emit(context, { Type: "image", Action: "pull", ID: name, Attributes: { name } });
      return image;
    } catch (error) {
      // Finished layers stay for another try, but not on a disk that is full.
      if (error instanceof EngineError && error.code === "io")
        await collectGarbage(context).catch(() => undefined);
      if (options.signal?.aborted) throw interruption(reference, options.signal.reason);
      if (isUsable && isOfRegistry(error)) {
        context.warn(`${familiarReference(reference)} is used as it is here: ${reasonOf(error)}`);
        return local;
      }
      failure = { reference, error };
      if (!isOfRegistry(error)) break;
    }
  }
  if (failure === undefined) throw new RangeError("a name without a candidate");
  throw wrap(failure.reference, failure.error);
}

/** Another registry may have it, or be in better health. */
function isOfRegistry(error: unknown): boolean {
  return error instanceof EngineError && ["registry", "not-found", "unauthorized"].includes(error.code);
}

/** From a mirror where there is one that has it, else from the registry itself, whose words count where all fail. */
async function pullFromAny(
  context: Context,
  reference: Reference,
  platform: Platform | undefined,
  options: PullOptions,
  connecting: Connecting,
  tidy: () => Promise<void>,
): Promise<StoredImage> {
  const sources = pullSources(reference, connecting);
  for (const source of sources) {
    try {
      return await pull(context, reference, source, platform, options, tidy);
    } catch (error) {
      if (!source.isMirror || options.signal?.aborted || !(isOfRegistry(error) || isSpoilt(error)))
        throw error;
      context.warn(`mirror ${source.domain}/${source.path}: ${reasonOf(error)}`);
    }
  }
  throw new RangeError("a name without a registry");
}

function isSpoilt(error: unknown): boolean {
  return error instanceof EngineError && (error.code === "digest-mismatch" || error.code === "invalid");
}

function neverPulled(text: string, local: StoredImage | null, platform: Platform | undefined): EngineError {
  if (local === null || platform === undefined) {
    return new EngineError("not-found", "No such image", text, "image not known", {
      hint: `pull it: proa pull ${text}`,
    });
  }
  const why = `the image here is for ${formatPlatform(local.platform)}, not ${formatPlatform(platform)}`;
  return new EngineError("not-found", "find image", text, why, {
    hint: `pull it: proa pull --platform … ${text}`,
  });
}

/**
 * The order is that of time: while the registry works on an answer, what does not need it is done, and what comes next is asked for as soon as its name is known.
 *
 * @param tidy has no part in the pull itself, and is done meanwhile
 */
async function pull(
  context: Context,
  reference: Reference,
  source: Source,
  platform: Platform | undefined,
  options: PullOptions,
  tidy: () => Promise<void>,
): Promise<StoredImage> {
  ensureLayout(context);
  const client = new RegistryClient(source.domain, source.options);
  const resolving = resolve(client, reference, source.path, platform, options.signal);
  resolving.catch(() => undefined); // awaited below
  await turn();
  const { driver } = await selectDriver(context);
  const spare = await spareWriter(context, driver, reference, options);
  try {
    await tidy();
    const resolved = await resolving;
    return await bring({ context, driver, client, reference, source, platform, options, spare }, resolved);
  } finally {
    await spare.drop();
  }
}

type Spare = { take(): LayerWriter | undefined; drop(): Promise<void> };

/** A helper whose namespaces are made while the registry answers; only where it is as good as certain that there will be a layer to unpack. */
async function spareWriter(
  context: Context,
  driver: Driver,
  reference: Reference,
  { onKnown }: PullOptions,
): Promise<Spare> {
  const isWanted =
    onKnown === undefined && !driver.needsParent && lookUpImage(context, formatReference(reference)) === null;
  const start = () => LayerWriter.start(context, driver, undefined, "stream");
  let writer = isWanted ? await start().catch(() => undefined) : undefined; // why not, the next one says
  const take = (): LayerWriter | undefined => {
    const taken = writer;
    writer = undefined;
    return taken;
  };
  return { take, drop: async () => take()?.abandon() };
}

type Bringing = {
  context: Context;
  driver: Driver;
  client: RegistryClient;
  reference: Reference;
  source: Source;
  platform: Platform | undefined;
  options: PullOptions;
  spare: Spare;
};

/** What the manifest names: config and layers at once, and the image's row when all are here. */
async function bring(
  { context, driver, client, reference, source, platform, options, spare }: Bringing,
  resolved: Resolved,
): Promise<StoredImage> {
  const { onProgress = () => undefined } = options;
  const { manifest } = resolved;
  onProgress({ kind: "resolved", reference: formatReference(reference), digest: resolved.named });
  await checkPolicy(
    context,
    { reference, digest: resolved.digest, client, repository: source.path, signal: options.signal },
    options,
  );
  const blobs = [manifest.config, ...manifest.layers, ...resolved.documents].map(({ digest }) => digest);
  announceContent(context, blobs, []);
  const stop = new AbortController();
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
  const knowing = (async (): Promise<FetchedConfig> => {
    const known = await fetchConfig(context, client, source.path, manifest.config, signal);
    announceContent(context, [], chainIdsOf(known.config.diffIds));
    checkConfig(context, reference, manifest, known.config, platform);
    return known;
  })();
  const keeping = (async (): Promise<void> => {
    await turn(); // the requests go out
    for (const { bytes, digest } of resolved.documents) writeBlob(context, bytes, { digest });
  })();
  for (const task of [knowing, keeping]) task.catch(() => undefined); // awaited below
  const keep = async (config: FetchedConfig, sizeBytes: number): Promise<void> => {
    await keeping;
    syncBlobNames(context);
    record(context, reference, resolved, config, blobs, sizeBytes);
    await projectIndex(context);
  };
  const known = options.onKnown === undefined ? undefined : await knowing;
  const beforehand =
    known &&
    (await options.onKnown?.({
      context,
      driver,
      client,
      repository: source.path,
      reference,
      imageId: manifest.config.digest,
      manifestDigest: resolved.digest,
      layers: manifest.layers,
      config: known.config,
      platform,
      signal: options.signal,
      record: async (sizeBytes) => {
        for (const { digest, size } of manifest.layers)
          if (!hasBlob(context, digest, size)) insertDropped(context.db(), digest, size);
        await keep(known, sizeBytes);
      },
    }));
  const fetching = fetchLayers({
    context,
    driver,
    client: beforehand?.source ?? client,
    repository: source.path,
    layers: manifest.layers,
    diffIds: known?.config.diffIds ?? knowing.then(({ config }) => config.diffIds),
    takeSpare: spare.take,
    onProgress,
    signal,
    onBlob: beforehand?.onBlob,
  });
  const [sizeBytes, config] = await allOrStopped(stop, [fetching, knowing, keeping]);
  if (beforehand) beforehand.finish(sizeBytes);
  else await keep(config, sizeBytes);
  await shareFresh(context).catch((error: unknown) => context.warn(`share files: ${reasonOf(error)}`));
  const { platform: runs, config: run } = config.config;
  return { id: manifest.config.digest, platform: runs, config: run, name: familiarReference(reference) };
}

/** Like `Promise.all()`, but the first failure stops the others, and is thrown when all have ended. */
async function allOrStopped<T extends readonly unknown[]>(
  stop: AbortController,
  tasks: { [K in keyof T]: Promise<T[K]> },
): Promise<T> {
  for (const task of tasks) task.catch((error: unknown) => stop.abort(error));
  await Promise.allSettled(tasks);
  if (stop.signal.aborted) throw stop.signal.reason;
  return (await Promise.all(tasks)) as unknown as T;
}

/** Before anything but documents is fetched. */
async function checkPolicy(context: Context, asked: AskedImage, { flags }: PullOptions): Promise<void> {
  const policyFile = flags?.signaturePolicy;
  const requirements = requirementsFor(readPolicy(context.env, policyFile), asked.reference);
  if (acceptsAnything(requirements)) return;
  await (await import("./signatures")).assertAccepted(context, { ...asked, policyFile });
}

type Resolved = {
  manifest: Manifest;
  digest: Digest;
  sizeBytes: number;
  /** What the name stands for: the digest of the index where there is one, else of the manifest. */
  named: Digest;
  /** Index and manifest, byte for byte. */
  documents: { bytes: Uint8Array; digest: Digest }[];
};

/** The manifest for the platform, through an index where the name stands for one. */
async function resolve(
  client: RegistryClient,
  reference: Reference,
  repository: string,
  platform: Platform | undefined,
  signal: AbortSignal | undefined,
): Promise<Resolved> {
  const name = formatReference(reference);
  const first = await client.fetchManifest(repository, reference.digest ?? reference.tag ?? "latest", signal);
  const named = first.digest;
  const outer = readManifest(`read manifest: ${name}`, first.bytes, first.contentType);
  if (outer.kind === "manifest") {
    assertIsImage(`read manifest: ${name}`, outer);
    const { digest, bytes } = first;
    return { manifest: outer, digest, sizeBytes: bytes.length, named, documents: [{ bytes, digest }] };
  }
  const chosen = chooseFrom(outer.manifests, platform ?? hostPlatform(), name);
  const second = await client.fetchManifest(repository, chosen.digest, signal);
  if (second.bytes.length !== chosen.size) {
    const why = `${second.bytes.length} bytes came, the index announces ${chosen.size}`;
    throw new EngineError("digest-mismatch", "fetch manifest", chosen.digest, why);
  }
  const inner = readManifest(`read manifest: ${chosen.digest}`, second.bytes, second.contentType);
  if (inner.kind !== "manifest") {
    throw new EngineError("invalid", "read manifest", chosen.digest, "an index within an index");
  }
  assertIsImage(`read manifest: ${chosen.digest}`, inner);
  return {
    manifest: inner,
    digest: second.digest,
    sizeBytes: second.bytes.length,
    named,
    documents: [first, second].map(({ bytes, digest }) => ({ bytes, digest })),
  };
}

function chooseFrom(manifests: readonly Descriptor[], wanted: Platform, name: string): Descriptor {
  const chosen = choosePlatform(manifests, (manifest) => manifest.platform, wanted);
  if (chosen !== undefined) return chosen;
  const available = manifests
    .flatMap(({ platform }) =>
      platform === undefined || platform.os === "unknown" ? [] : [formatPlatform(platform)],
    )
    .filter((text, at, all) => all.indexOf(text) === at);
  const list = available.slice(0, 30).join(", ") || "none";
  throw new EngineError("not-found", "choose platform", formatPlatform(wanted), "the image has none for it", {
    hint: `${name} is there for: ${list}`,
  });
}

type FetchedConfig = { config: ImageConfig; bytes: Uint8Array };

async function fetchConfig(
  context: Context,
  client: RegistryClient,
  repository: string,
  descriptor: Descriptor,
  signal: AbortSignal | undefined,
): Promise<FetchedConfig> {
  const { digest, size } = descriptor;
  const isHere = hasBlob(context, digest, size);
  const bytes = isHere
    ? readBlob(context, digest)
    : await client.fetchBlob(repository, descriptor, configLimitBytes, signal);
  const config = readImageConfig(`read config: ${digest}`, bytes);
  if (!isHere) writeBlob(context, bytes, { digest });
  return { config, bytes };
}

/** What the manifest says and what the config says must fit together, and with what was asked for. */
function checkConfig(
  context: Context,
  reference: Reference,
  manifest: Manifest,
  config: ImageConfig,
  platform: Platform | undefined,
): void {
  if (config.diffIds.length !== manifest.layers.length) {
    const why = `${config.diffIds.length} diff ids, but the manifest has ${manifest.layers.length} layers`;
    throw new EngineError("invalid", "read config", manifest.config.digest, why);
  }
  const runs = formatPlatform(config.platform);
  if (platform !== undefined && !runsOn(config.platform, platform)) {
    const wanted = formatPlatform(platform);
    throw new EngineError("not-found", "choose platform", wanted, "the image has none for it", {
      hint: `${formatReference(reference)} is there for: ${runs}`,
    });
  }
  if (platform === undefined && !runsOn(config.platform, hostPlatform())) {
    context.warn(
      `${familiarReference(reference)} is for ${runs}, this host is ${formatPlatform(hostPlatform())}`,
    );
  }
}

/** Everything is in place: say so, in one transaction. */
function record(
  context: Context,
  reference: Reference,
  resolved: Resolved,
  { config, bytes }: FetchedConfig,
  blobs: readonly Digest[],
  sizeBytes: number,
): void {
  const { manifest } = resolved;
  const repository = repositoryOf(reference);
  insertImage(context.db(), {
    image: imageRow(manifest.config.digest, config, sizeBytes),
    config: Buffer.from(bytes).toString("utf8"),
    layers: layerRows(config),
    manifest: { digest: resolved.digest, mediaType: manifest.mediaType, sizeBytes: resolved.sizeBytes },
    blobs: [...new Set(blobs)],
    tags: reference.digest === undefined ? [{ name: formatReference(reference), repository }] : [],
    repositoryDigests: [{ repository, digest: resolved.named }],
    nowMs: context.now(),
  });
}

/** The signal's own reason where that is one of ours. */
function interruption(reference: Reference, reason: unknown): Error {
  if (reason instanceof EngineError) return reason;
  return new EngineError("interrupted", "pull image", formatReference(reference), "interrupted", {
    exitCode: 130,
  });
}

function wrap(reference: Reference, error: unknown): Error {
  const isOurs = error instanceof EngineError;
  const code: ErrorCode = isOurs ? error.code : "io";
  const more = isOurs ? { hint: error.hint } : hintForSpace(error);
  return new EngineError(code, "pull image", formatReference(reference), error, more);
}
