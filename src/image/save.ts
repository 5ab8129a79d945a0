import { closeSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";
import {
  type Descriptor,
  type Digest,
  Digester,
  digestOf,
  formatReference,
  hexOf,
  type Manifest,
  mediaTypes,
  mismatch,
  parsePlatform,
  readImageConfig,
  readManifest,
  runsOn,
} from "../oci";
import { type Context, emit, imageConfig, layerSizesOfImage, manifestsOfImage, tagByName } from "../state";
import {
  blobPath,
  compressStream,
  hasBlob,
  hintForSpace,
  packingOf,
  readBlob,
  readPieces,
  sizeOf,
  unpacked,
  whileKept,
} from "../storage";
import { hasFormat, type LayerFormat, manifestBytes, type Recompressed, recompress } from "./_recompress";
import { tarEnd, tarHeader, tarPadding } from "./_tar";
import { completeImage } from "./refetch";
import { lookUp, notFound } from "./stored";

/** Images out of the store, in the forms that docker, podman and skopeo read. */

export type SaveFormat = "docker-archive" | "oci-archive" | "docker-dir" | "oci-dir";

export type SaveOptions = {
  format: SaveFormat;
  /** `docker-dir`: layers that are not compressed are, with gzip. */
  compress?: boolean;
  /** OCI's forms: layers that are compressed otherwise are compressed so. */
  compression?: LayerFormat | undefined;
  level?: number | undefined;
  /** Only images for it may be saved. */
  platform?: string | undefined;
  /** `oci-archive`: told of all layers, it says which of them are to be in the archive; all where it is absent. */
  lacking?: (layers: readonly Descriptor[]) => Promise<ReadonlySet<Digest>>;
  /** Names in place of those that they were called by; what is put into the archive as it stands. */
  names?: string[];
  signal?: AbortSignal | undefined;
};

/** An image to be saved: its documents, and the names that it keeps, in full. */
type Saved = {
  id: Digest;
  names: string[];
  manifest: Manifest;
  manifestBytes: Uint8Array;
  config: Uint8Array;
  diffIds: Digest[];
  /** Bytes of each uncompressed layer; 0 where that is not known. */
  sizes: number[];
};

/**
 * Write images to an archive. Nothing is written where one of them is not there.
 *
 * @param write takes everything it is given before it returns
 */
export async function saveArchive(
  context: Context,
  images: readonly string[],
  options: SaveOptions,
  write: (bytes: Uint8Array) => void,
): Promise<void> {
  await whileKept(context, async () => {
    const saved = await collect(context, images, options);
    const tar = new TarFile(write, context.now());
    if (options.format === "docker-archive") await writeDockerArchive(context, saved, tar, options.signal);
    else await writeLayout(context, saved, tar, options);
    tar.end();
    for (const { id, names } of saved) told(context, id, names);
  });
}

/** Write images into a directory that is made, or empty. What a failure has left there is removed. */
export async function saveDirectory(
  context: Context,
  images: readonly string[],
  options: SaveOptions,
  directory: string,
): Promise<void> {
  await whileKept(context, async () => {
    const saved = await collect(context, images, options);
    const [first, second] = saved;
    if (options.format === "docker-dir" && second !== undefined)
      throw failure("docker-dir", "it holds one image only", "use --format docker-archive");
    const made = makeDirectory(directory);
    const target = new Directory(directory);
    try {
      if (options.format === "oci-dir") await writeLayout(context, saved, target, options);
      else if (first !== undefined) await writeDockerDirectory(context, first, target, options);
    } catch (error) {
      for (const name of made ? ["."] : readdirSync(directory))
        rmSync(join(directory, name), { recursive: true, force: true });
      throw error;
    }
    for (const { id, names } of saved) told(context, id, names);
  });
}

function told(context: Context, id: string, names: string[]): void {
  emit(context, { Type: "image", Action: "save", ID: id, Attributes: { name: names[0] ?? id } });
}

function failure(on: string, why: unknown, hint?: string): EngineError {
  return new EngineError("invalid", "save image", on, why, { exitCode: 1, hint });
}

/** The images that are meant, each once with all the names it was called by. */
async function collect(context: Context, texts: readonly string[], options: SaveOptions): Promise<Saved[]> {
  const all = new Map<string, Saved>(); // by manifest
  for (const text of texts) {
    const found = lookUp(context, text);
    if (found === null) throw notFound(text);
    const name = found.by === "tag" ? formatReference(found.reference) : undefined;
    const tagged = name === undefined ? undefined : tagByName(context.db(), name)?.manifest;
    await completeImage(context, found.id, options.signal === undefined ? {} : { signal: options.signal });
    const saved = contentOf(context, text, found.id, tagged);
    if (options.platform !== undefined) {
      const { platform } = readImageConfig(`save image: ${text}`, saved.config);
      if (!runsOn(platform, parsePlatform(options.platform)))
        throw failure(text, `it is not for ${options.platform}`, "pull it with --platform first");
    }
    const key = digestOf(saved.manifestBytes);
    const known = all.get(key) ?? saved;
    if (name !== undefined && !known.names.includes(name)) known.names.push(name);
    all.set(key, known);
  }
  const { names } = options;
  return [...all.values()].map((saved) => (names === undefined ? saved : { ...saved, names }));
}

function contentOf(context: Context, text: string, id: Digest, tagged: string | undefined): Saved {
  const db = context.db();
  const config = imageConfig(db, id);
  if (config === null) throw notFound(text);
  const all = manifestsOfImage(db, id);
  for (const digest of tagged === undefined ? all : [tagged, ...all]) {
    if (!hasBlob(context, digest as Digest)) continue;
    const manifestBytes = readBlob(context, digest as Digest);
    const manifest = readManifest(`read manifest: ${digest}`, manifestBytes);
    if (manifest.kind !== "manifest") continue;
    if (!manifest.layers.every((layer) => hasBlob(context, layer.digest, layer.size))) continue;
    const bytes = new TextEncoder().encode(config);
    const { diffIds } = readImageConfig(`read config: ${id}`, bytes);
    return {
      id,
      names: [],
      manifest,
      manifestBytes,
      config: bytes,
      diffIds,
      sizes: layerSizesOfImage(db, id),
    };
  }
  throw failure(text, "its layers are no longer in the store", "pull the image again");
}

/** Where an archive's files go. */
interface Files {
  put(name: string, bytes: Uint8Array): void;
  /** Exactly `sizeBytes` come from the source. */
  stream(name: string, sizeBytes: number, source: AsyncIterable<Uint8Array>): Promise<void>;
  directory(name: string): void;
}

class TarFile implements Files {
  constructor(
    readonly write: (bytes: Uint8Array) => void,
    readonly nowMs: number,
  ) {}

  put(name: string, bytes: Uint8Array): void {
    this.write(tarHeader(name, bytes.length, 0));
    this.write(bytes);
    this.write(tarPadding(bytes.length));
  }

  async stream(name: string, sizeBytes: number, source: AsyncIterable<Uint8Array>): Promise<void> {
    this.write(tarHeader(name, sizeBytes, 0));
    let done = 0;
    for await (const chunk of source) {
      done += chunk.length;
      if (done > sizeBytes) break;
      this.write(chunk);
    }
    if (done !== sizeBytes) throw failure(name, `${done} bytes came, ${sizeBytes} were expected`);
    this.write(tarPadding(sizeBytes));
  }

  directory(name: string): void {
    this.write(tarHeader(`${name}/`, 0, 0));
  }

  end(): void {
    this.write(tarEnd);
  }
}

class Directory implements Files {
  constructor(readonly root: string) {}

  put(name: string, bytes: Uint8Array): void {
    this.#filled(name, (fd) => writeAll(fd, bytes));
  }

  async stream(name: string, _sizeBytes: number, source: AsyncIterable<Uint8Array>): Promise<void> {
    const fd = openSync(join(this.root, name), "wx", 0o644);
    try {
      for await (const chunk of source) writeAll(fd, chunk);
    } finally {
      closeSync(fd);
    }
  }

  directory(name: string): void {
    mkdirSync(join(this.root, name), { recursive: true });
  }

  #filled(name: string, fill: (fd: number) => void): void {
    const fd = openSync(join(this.root, name), "wx", 0o644);
    try {
      fill(fd);
    } finally {
      closeSync(fd);
    }
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
  } catch (error) {
    throw new EngineError("io", "save image", "", error, { exitCode: 1, ...hintForSpace(error) });
  }
}

/** Returns whether it was made. */
function makeDirectory(directory: string): boolean {
  try {
    const made = mkdirSync(directory, { recursive: true }) !== undefined;
    if (readdirSync(directory).length > 0) throw failure(directory, "the directory is not empty");
    return made;
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw new EngineError("io", "save image", directory, error, { exitCode: 1 });
  }
}

const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

/** Plain layers under their diff ids, configs, and manifest.json, which tells what is what. */
async function writeDockerArchive(
  context: Context,
  images: readonly Saved[],
  files: Files,
  signal: AbortSignal | undefined,
): Promise<void> {
  const written = new Set<string>();
  for (const image of images) {
    for (const [at, diffId] of image.diffIds.entries()) {
      const name = `${hexOf(diffId)}.tar`;
      const layer = image.manifest.layers[at];
      if (layer === undefined || written.has(name)) continue;
      written.add(name);
      const known = image.sizes[at] ?? 0;
      const sizeBytes = known > 0 ? known : await plainSize(context, layer, signal);
      await files.stream(name, sizeBytes, checked(plainLayer(context, layer, signal), diffId));
    }
    const name = `${hexOf(image.id)}.json`;
    if (!written.has(name)) files.put(name, image.config);
    written.add(name);
  }
  const manifest = images.map((image) => ({
    Config: `${hexOf(image.id)}.json`,
    RepoTags: image.names.length > 0 ? image.names : null,
    Layers: image.diffIds.map((diffId) => `${hexOf(diffId)}.tar`),
  }));
  files.put("manifest.json", json(manifest));
}

/** An OCI layout with the blobs as they are in the store. */
async function writeLayout(
  context: Context,
  images: readonly Saved[],
  files: Files,
  options: SaveOptions,
): Promise<void> {
  const written = new Set<string>();
  const nameOf = (digest: Digest) => `blobs/${digest.replace(":", "/")}`;
  const wanted = await options.lacking?.(images.flatMap(({ manifest }) => manifest.layers));
  files.put("oci-layout", json({ imageLayoutVersion: "1.0.0" }));
  files.directory("blobs");
  files.directory("blobs/sha256");
  if (images.some(({ manifest }) => manifest.layers.some(({ digest }) => digest.startsWith("sha512:"))))
    files.directory("blobs/sha512");
  const entries: object[] = [];
  for (const image of images) {
    const layers: Descriptor[] = [];
    for (const layer of image.manifest.layers) {
      if (wanted?.has(layer.digest) === false) continue;
      const made = await recompressedFor(context, layer, options);
      const { descriptor, path } = made ?? { descriptor: layer, path: blobPath(context, layer.digest) };
      layers.push(descriptor);
      try {
        if (written.has(descriptor.digest)) continue;
        written.add(descriptor.digest);
        const source = fileAt(path, options.signal);
        await files.stream(nameOf(descriptor.digest), descriptor.size, checked(source, descriptor.digest));
      } finally {
        made?.discard();
      }
    }
    const { mediaType, bytes } =
      options.compression === undefined
        ? ociManifest(image)
        : manifestBytes(image.manifestBytes, image.manifest, layers, "oci");
    const digest = digestOf(bytes);
    for (const [blob, content] of [
      [image.manifest.config.digest, image.config],
      [digest, bytes],
    ] as const) {
      if (!written.has(blob)) files.put(nameOf(blob), content);
      written.add(blob);
    }
    const entry = { mediaType, digest, size: bytes.length };
    for (const name of image.names) {
      const annotations = { "io.containerd.image.name": name, "org.opencontainers.image.ref.name": name };
      entries.push({ ...entry, annotations });
    }
    if (image.names.length === 0) entries.push(entry);
  }
  files.put("index.json", json({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: entries }));
}

/** The layer in another compression, in a file of its own; null where it is to stay as it is. */
async function recompressedFor(
  context: Context,
  layer: Descriptor,
  { compression, level }: SaveOptions,
): Promise<Recompressed | null> {
  if (compression === undefined || hasFormat(layer, compression)) return null;
  return recompress(context, layer, compression, level);
}

/** Byte for byte where it is OCI's already; Docker's becomes OCI's by other names for the same things. */
function ociManifest(image: Saved): { mediaType: string; bytes: Uint8Array } {
  const { manifest, manifestBytes } = image;
  if (manifest.mediaType === mediaTypes.ociManifest)
    return { mediaType: manifest.mediaType, bytes: manifestBytes };
  const layers = manifest.layers.map((layer) => ({ ...layer, mediaType: ociLayerType(layer.mediaType) }));
  const config = { ...manifest.config, mediaType: mediaTypes.ociConfig };
  const bytes = json({ schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers });
  return { mediaType: mediaTypes.ociManifest, bytes };
}

function ociLayerType(mediaType: string): string {
  if (/gzip$/.test(mediaType)) return mediaTypes.ociLayerGzip;
  return /zstd$/.test(mediaType) ? mediaTypes.ociLayerZstd : mediaTypes.ociLayer;
}

const dockerLayer = "application/vnd.docker.image.rootfs.diff.tar";

/** The form of `dir:`: a manifest, and every blob under its digest. */
async function writeDockerDirectory(
  context: Context,
  image: Saved,
  files: Files,
  options: SaveOptions,
): Promise<void> {
  const layers: Descriptor[] = [];
  const written = new Set<string>();
  files.put("version", new TextEncoder().encode("Directory Transport Version: 1.1\n"));
  for (const layer of image.manifest.layers) {
    const isPlain = !/(gzip|zstd)$/.test(layer.mediaType);
    if (/zstd$/.test(layer.mediaType))
      throw failure("docker-dir", "Docker's manifests know no zstd", "use --format oci-dir");
    const stored =
      isPlain && options.compress === true
        ? await compressedLayer(context, layer, options.signal)
        : {
            mediaType: isPlain ? dockerLayer : mediaTypes.dockerLayerGzip,
            digest: layer.digest,
            size: layer.size,
          };
    layers.push(stored);
    if (written.has(stored.digest)) continue;
    written.add(stored.digest);
    const source = storedLayer(context, layer, options.signal);
    const bytes = stored.digest === layer.digest ? source : gzipped(source);
    await files.stream(hexOf(stored.digest), stored.size, checked(bytes, stored.digest));
  }
  files.put(hexOf(image.id), image.config);
  const config = { mediaType: mediaTypes.dockerConfig, digest: image.id, size: image.config.length };
  const type = mediaTypes.dockerManifest;
  files.put("manifest.json", json({ schemaVersion: 2, mediaType: type, config, layers }));
}

async function* gzipped(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const { Readable, pipeline } = await import("node:stream");
  const through = await compressStream("gzip");
  pipeline(Readable.from(source, { objectMode: true }), through, () => undefined); // the error comes to the reader
  for await (const chunk of through) yield chunk as Uint8Array;
}

/** What a layer is when compressed; the same each time. */
async function compressedLayer(
  context: Context,
  layer: Descriptor,
  signal: AbortSignal | undefined,
): Promise<Descriptor> {
  const digester = new Digester();
  for await (const chunk of gzipped(storedLayer(context, layer, signal))) digester.update(chunk);
  const size = digester.sizeBytes;
  return { mediaType: mediaTypes.dockerLayerGzip, digest: digester.finish(), size };
}

async function* storedLayer(
  context: Context,
  layer: Descriptor,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void> {
  yield* fileAt(blobPath(context, layer.digest), signal);
}

async function* fileAt(path: string, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array, void> {
  const fd = openSync(path, "r");
  try {
    for await (const chunk of readPieces(fd, 0, sizeOf(fd))) {
      signal?.throwIfAborted();
      yield chunk;
    }
  } finally {
    closeSync(fd);
  }
}

async function* plainLayer(
  context: Context,
  layer: Descriptor,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void> {
  let head: Uint8Array = new Uint8Array(0);
  for await (const chunk of storedLayer(context, layer, signal)) {
    head = chunk.subarray(0, 6);
    break;
  }
  yield* unpacked(`read layer: ${layer.digest}`, packingOf(head), storedLayer(context, layer, signal));
}

async function plainSize(
  context: Context,
  layer: Descriptor,
  signal: AbortSignal | undefined,
): Promise<number> {
  let sizeBytes = 0;
  for await (const chunk of plainLayer(context, layer, signal)) sizeBytes += chunk.length;
  return sizeBytes;
}

/** What the store has on its disk may have been damaged since: it must not leave as something else. */
async function* checked(
  source: AsyncIterable<Uint8Array>,
  expected: Digest,
): AsyncGenerator<Uint8Array, void> {
  const digester = new Digester(expected.startsWith("sha512:") ? "sha512" : "sha256");
  for await (const chunk of source) {
    digester.update(chunk);
    yield chunk;
  }
  const came = digester.finish();
  if (came !== expected) {
    const wrong = mismatch("save image: read layer", expected, came, digester.sizeBytes);
    throw new EngineError(wrong.code, wrong.message, "", "", { exitCode: 1, hint: "pull the image again" });
  }
}
