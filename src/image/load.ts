import { statSync } from "node:fs";
import { resolve as resolvePath } from "node:path";
import { EngineError, type ErrorCode, reasonOf } from "../error";
import {
  assertIsImage,
  chainIdsOf,
  type Digest,
  familiarReference,
  formatPlatform,
  hostPlatform,
  type Platform,
  parsePlatform,
  parseReference,
  readImageConfig,
  repositoryOf,
  runsOn,
} from "../oci";
import { type Context, emit, insertImage } from "../state";
import {
  announceContent,
  collectGarbage,
  ensureLayout,
  projectIndex,
  removeAbandoned,
  selectDriver,
  shareFresh,
  syncBlobNames,
  whileKept,
  writeBlob,
} from "../storage";
import { openBox } from "./_box";
import { type BoxedImage, type BoxForm, formOf, imagesIn } from "./_boxed";
import { fetchLayers } from "./_layers";
import { imageRow, layerRows } from "./_rows";
import type { PullProgress } from "./progress";
import type { StoredImage } from "./stored";
import type { LocalTransport } from "./transport";

/** Images from archives and directories into the store. */

export type LoadOptions = {
  /** `os/architecture[/variant]` where an index leaves a choice; default: the host's. */
  platform?: string | undefined;
  onProgress?: (progress: PullProgress) => void;
  signal?: AbortSignal | undefined;
  /** Refuse an archive of several images. */
  single?: boolean;
  /** In place of the usual policy.json. */
  policyFile?: string | undefined;
};

export type LoadedImage = StoredImage & {
  /** The names that it has been given, in full. */
  names: string[];
};

/**
 * Every image in an archive or directory: docker's or an OCI one, packed or not.
 *
 * @param source path, or descriptor of a stream
 * @throws EngineError its text beginning `load image`; what has been loaded before stays
 */
export function loadImages(
  context: Context,
  source: string | number,
  options: LoadOptions = {},
): Promise<LoadedImage[]> {
  const what = `load image: ${typeof source === "number" ? "stdin" : source}`;
  return load(context, what, source, undefined, undefined, options);
}

/** The image that a transport leads to, or the first of several where it names none. Throws as `loadImages` does. */
export async function fetchLocal(
  context: Context,
  transport: LocalTransport,
  options: LoadOptions = {},
): Promise<LoadedImage[]> {
  const { kind, path, reference } = transport;
  const form: BoxForm = kind === "docker-archive" ? kind : kind === "dir" ? "dir" : "oci";
  return load(context, `pull image: ${kind}:${path}`, path, form, reference, options);
}

async function load(
  context: Context,
  what: string,
  source: string | number,
  form: BoxForm | undefined,
  reference: string | undefined,
  options: LoadOptions,
): Promise<LoadedImage[]> {
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
  await removeAbandoned(context);
  const loaded: LoadedImage[] = [];
  try {
    const box = await openBox(context, what, source, options.signal);
    try {
      const found = formOf(what, box);
      if (form !== undefined && form !== found && !(form === "oci" && box.size("index.json") !== null))
        throw new EngineError("invalid", what, "", `it is no ${form}, but ${found}`);
      (await import("./signatures")).assertLocalAccepted(
        context,
        transportOf(form ?? found, source),
        typeof source === "string" ? resolvePath(source) : "",
        options.policyFile,
      );
      if (options.single === true)
        await assertOne(what, imagesIn(what, box, form ?? found, platform, reference));
      for await (const image of imagesIn(what, box, form ?? found, platform, reference)) {
        loaded.push(await whileKept(context, () => adopt(context, what, image, platform, options)));
      }
    } finally {
      box.close();
    }
  } catch (error) {
    // Unlike a pull's, what came is no start for another try: the archive is at hand.
    await collectGarbage(context).catch(() => undefined);
    if (options.signal?.aborted && options.signal.reason instanceof EngineError) throw options.signal.reason;
    throw wrap(what, error);
  }
  await collectGarbage(context).catch((error: unknown) => context.warn(`clean up: ${reasonOf(error)}`));
  return loaded;
}

/** As policy.json calls it. */
function transportOf(form: BoxForm, source: string | number): string {
  if (form !== "oci") return form;
  const isDirectory =
    typeof source === "string" && (statSync(source, { throwIfNoEntry: false })?.isDirectory() ?? false);
  return isDirectory ? "oci" : "oci-archive";
}

async function assertOne(what: string, images: AsyncIterable<BoxedImage>): Promise<void> {
  const names: string[] = [];
  for await (const image of images) names.push(image.names[0] ?? image.manifest.config.digest);
  if (names.length < 2) return;
  throw new EngineError("ambiguous", what, "", `there are ${names.length} images in it`, {
    hint: `name one behind the path, such as :${names[0]}, or :@0 for the first`,
  });
}

/** Take an image with all its content into the store. To be called within `whileKept()`. */
async function adopt(
  context: Context,
  what: string,
  boxed: BoxedImage,
  platform: Platform | undefined,
  options: LoadOptions,
): Promise<LoadedImage> {
  const { manifest } = boxed;
  assertIsImage(what, manifest);
  ensureLayout(context);
  const config = readImageConfig(`${what}: config`, boxed.config);
  if (config.diffIds.length !== manifest.layers.length) {
    const why = `${config.diffIds.length} diff ids, but the manifest has ${manifest.layers.length} layers`;
    throw new EngineError("invalid", what, "", why);
  }
  if (platform !== undefined && !runsOn(config.platform, platform)) {
    const why = `it is for ${formatPlatform(config.platform)}, not ${formatPlatform(platform)}`;
    throw new EngineError("not-found", what, "", why);
  }
  const blobs = [manifest.config, ...manifest.layers, ...boxed.documents].map(({ digest }) => digest);
  announceContent(context, blobs, chainIdsOf(config.diffIds));
  const { driver } = await selectDriver(context);
  const sizeBytes = await fetchLayers({
    context,
    driver,
    client: boxed.layers,
    repository: "",
    layers: manifest.layers,
    diffIds: config.diffIds,
    onProgress: options.onProgress ?? (() => undefined),
    signal: options.signal,
  });
  writeBlob(context, boxed.config, { digest: manifest.config.digest });
  for (const { bytes, digest } of boxed.documents) writeBlob(context, bytes, { digest });
  const id = manifest.config.digest;
  syncBlobNames(context);
  insertImage(context.db(), {
    image: imageRow(id, config, sizeBytes),
    config: new TextDecoder().decode(boxed.config),
    layers: layerRows(config),
    manifest: {
      digest: boxed.documents.at(-1)?.digest as Digest,
      mediaType: manifest.mediaType,
      sizeBytes: boxed.manifestBytes.length,
    },
    blobs: [...new Set(blobs)],
    tags: boxed.names.map((name) => ({ name, repository: repositoryOf(parseReference(name)) })),
    repositoryDigests: [],
    nowMs: context.now(),
  });
  await projectIndex(context);
  await shareFresh(context).catch((error: unknown) => context.warn(`share files: ${reasonOf(error)}`));
  const first = boxed.names[0];
  const name = first === undefined ? undefined : familiarReference(parseReference(first));
  emit(context, { Type: "image", Action: "load", ID: id, Attributes: { name: name ?? id } });
  if (platform === undefined && !runsOn(config.platform, hostPlatform())) {
    const [runs, host] = [formatPlatform(config.platform), formatPlatform(hostPlatform())];
    context.warn(`${name ?? id} is for ${runs}, this host is ${host}`);
  }
  return { id, platform: config.platform, config: config.config, name, names: boxed.names };
}

function wrap(what: string, error: unknown): Error {
  const isOurs = error instanceof EngineError;
  const code: ErrorCode = isOurs ? error.code : "io";
  const hint = isOurs ? error.hint : undefined;
  const why = reasonOf(error);
  const bare = why.startsWith(`${what}: `) ? why.slice(what.length + 2) : why;
  return new EngineError(code, what, "", bare, { exitCode: 1, hint });
}
