import { EngineError } from "../error";
import {
  type ArchivedImage,
  archiveManifestLimitBytes,
  choosePlatform,
  type Descriptor,
  type Digest,
  Digester,
  digestOf,
  formatPlatform,
  formatReference,
  hasDomain,
  hexOf,
  hostPlatform,
  type Manifest,
  mediaTypes,
  type Platform,
  parseReference,
  readArchiveManifest,
  readImageConfig,
  readManifest,
  verifyBytes,
  withDefaultTag,
} from "../oci";
import { packingOf } from "../storage";
import type { Box } from "./_box";
import type { LayerSource } from "./_layers";

/** Images in an archive or a directory: docker's form (`manifest.json`), an OCI layout (`index.json`), or what `dir:` makes. */

export type BoxedImage = {
  /** In full, with a tag; empty where the box gives it none. */
  names: string[];
  manifest: Manifest;
  manifestBytes: Uint8Array;
  /** Manifest and, where there is one, index: byte for byte. */
  documents: { bytes: Uint8Array; digest: Digest }[];
  config: Uint8Array;
  layers: LayerSource;
};

const manifestLimitBytes = 4 << 20;
const configLimitBytes = 8 << 20;

export type BoxForm = "docker-archive" | "oci" | "dir";

/** What kind of box it is. Docker's newer archives are OCI layouts as well; their manifest.json has the whole names. */
export function formOf(what: string, box: Box): BoxForm {
  if (box.size("manifest.json") !== null) {
    const bytes = box.read("manifest.json", archiveManifestLimitBytes);
    return readArchiveManifest(`${what}: manifest.json`, bytes) === null ? "dir" : "docker-archive";
  }
  if (box.size("index.json") !== null) return "oci";
  throw new EngineError("invalid", what, "", "neither manifest.json nor index.json is in it", {
    exitCode: 1,
    hint: "a container's files become an image with `proa import`",
  });
}

/**
 * The images in the box, one after another.
 *
 * @param reference only that of this name, or of this place (`@0`)
 */
export async function* imagesIn(
  what: string,
  box: Box,
  form: BoxForm,
  platform: Platform | undefined,
  reference: string | undefined,
): AsyncGenerator<BoxedImage, void> {
  if (form === "dir") yield dirImage(what, box);
  else if (form === "oci") yield* layoutImages(what, box, platform, reference);
  else yield* archivedImages(what, box, reference);
}

/* docker-archive */

async function* archivedImages(
  what: string,
  box: Box,
  reference: string | undefined,
): AsyncGenerator<BoxedImage, void> {
  const bytes = box.read("manifest.json", archiveManifestLimitBytes);
  const all = readArchiveManifest(`${what}: manifest.json`, bytes) ?? [];
  if (all.length === 0) throw invalid(what, "there is no image in it");
  for (const image of chosen(what, all, reference)) yield await archivedImage(what, box, image);
}

function chosen(what: string, all: ArchivedImage[], reference: string | undefined): ArchivedImage[] {
  if (reference === undefined) return all;
  if (/^@\d+$/.test(reference)) {
    const image = all[Number(reference.slice(1))];
    if (image === undefined)
      throw invalid(what, `there are ${all.length} images in it, none at ${reference}`);
    return [image];
  }
  const wanted = fullName(reference);
  const image = all.find(({ repoTags }) => repoTags.some((tag) => fullName(tag) === wanted));
  if (image === undefined) throw invalid(what, `no image in it is called "${reference}"`);
  return [{ ...image, repoTags: [wanted] }];
}

function fullName(text: string): string {
  return formatReference(withDefaultTag(parseReference(text)));
}

async function archivedImage(what: string, box: Box, image: ArchivedImage): Promise<BoxedImage> {
  const names = image.repoTags.map((tag) => {
    const reference = withDefaultTag(parseReference(tag));
    if (reference.digest !== undefined) throw invalid(what, `"${tag}" is no name with a tag`);
    return formatReference(reference);
  });
  const config = box.read(plain(image.config), configLimitBytes);
  const { diffIds } = readImageConfig(`${what}: config`, config);
  if (diffIds.length !== image.layers.length)
    throw invalid(what, `${diffIds.length} diff ids in the config, but ${image.layers.length} layers`);
  const files = new Map<string, string>(); // by digest
  const layers: Descriptor[] = [];
  for (const [at, name] of image.layers.entries()) {
    const layer = await layerOf(what, box, plain(name), diffIds[at] as Digest);
    files.set(layer.digest, plain(name));
    layers.push(layer);
  }
  const descriptor = { mediaType: mediaTypes.ociConfig, digest: digestOf(config), size: config.length };
  const manifestBytes = new TextEncoder().encode(
    JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociManifest, config: descriptor, layers }),
  );
  return boxed(what, box, {
    names,
    manifestBytes,
    config,
    fileOf: (digest) => files.get(digest) ?? "",
  });
}

const plain = (name: string): string => name.replace(/^(?:\.\/)+/, "");

/** Usually a plain tar, whose digest is the diff id; some tools put compressed layers into such archives. */
async function layerOf(what: string, box: Box, name: string, diffId: Digest): Promise<Descriptor> {
  const size = box.size(name);
  if (size === null) throw invalid(what, `the layer "${name.slice(0, 200)}" is missing in it`);
  let head: Uint8Array = new Uint8Array(0);
  for await (const chunk of box.stream(name)) {
    head = chunk.subarray(0, 6);
    break;
  }
  const packing = packingOf(head);
  if (packing !== "gzip" && packing !== "zstd")
    return { mediaType: mediaTypes.ociLayer, digest: diffId, size };
  const digester = new Digester();
  for await (const chunk of box.stream(name)) digester.update(chunk);
  const mediaType = packing === "gzip" ? mediaTypes.ociLayerGzip : mediaTypes.ociLayerZstd;
  return { mediaType, digest: digester.finish(), size };
}

/* OCI layouts */

const nameAnnotations = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

async function* layoutImages(
  what: string,
  box: Box,
  platform: Platform | undefined,
  reference: string | undefined,
): AsyncGenerator<BoxedImage, void> {
  const top = readManifest(`${what}: index.json`, box.read("index.json", manifestLimitBytes));
  if (top.kind !== "index") throw invalid(what, "its index.json is no index");
  const entries = entriesOf(what, top.manifests, reference);
  // Entries without names are the platforms of one image, unless there is only one.
  const anonymous = entries.filter((entry) => nameOf(entry) === undefined);
  const several = anonymous.length > 1 && anonymous.every((entry) => entry.platform !== undefined);
  const only = several ? pick(what, anonymous, platform) : undefined;
  for (const entry of entries) {
    if (several && nameOf(entry) === undefined && entry !== only) continue;
    yield layoutImage(what, box, entry, platform, reference);
  }
}

function entriesOf(what: string, all: Descriptor[], reference: string | undefined): Descriptor[] {
  if (all.length === 0) throw invalid(what, "there is no image in it");
  if (reference === undefined) return [...new Map(all.map((entry) => [entryKey(entry), entry])).values()];
  if (/^@\d+$/.test(reference)) {
    const entry = all[Number(reference.slice(1))];
    if (entry === undefined)
      throw invalid(what, `there are ${all.length} images in it, none at ${reference}`);
    return [entry];
  }
  const found = all.find(({ annotations }) =>
    nameAnnotations.some((key) => annotations?.[key] === reference),
  );
  if (found === undefined) throw invalid(what, `no image in it is called "${reference}"`);
  return [found];
}

const entryKey = (entry: Descriptor): string => `${entry.digest} ${nameOf(entry) ?? ""}`;

function nameOf(entry: Descriptor): string | undefined {
  return nameAnnotations
    .map((key) => entry.annotations?.[key])
    .find((name) => name !== undefined && name !== "");
}

/** What an image is called that an annotation names so: no registry is implied, as podman has it. */
function layoutName(text: string): string[] {
  try {
    const reference = withDefaultTag(parseReference(hasDomain(text) ? text : `localhost/${text}`));
    return reference.digest === undefined ? [formatReference(reference)] : [];
  } catch {
    return []; // an annotation may hold anything
  }
}

function pick(what: string, all: Descriptor[], platform: Platform | undefined): Descriptor {
  const wanted = platform ?? hostPlatform();
  const found = choosePlatform(all, (each) => each.platform, wanted);
  if (found === undefined) throw invalid(what, `there is no image for ${formatPlatform(wanted)} in it`);
  return found;
}

function layoutImage(
  what: string,
  box: Box,
  entry: Descriptor,
  platform: Platform | undefined,
  reference: string | undefined,
): BoxedImage {
  const documents: Uint8Array[] = [];
  let at = entry;
  let bytes = readDocument(what, box, at);
  let document = readManifest(`${what}: ${at.digest}`, bytes, at.mediaType);
  if (document.kind === "index") {
    documents.push(bytes);
    at = pick(what, document.manifests, platform);
    bytes = readDocument(what, box, at);
    document = readManifest(`${what}: ${at.digest}`, bytes, at.mediaType);
  }
  if (document.kind === "index") throw invalid(what, `${at.digest}: an index within an index`);
  const { config } = document;
  const configBytes = box.read(blobName(config.digest), configLimitBytes);
  verifyBytes(`${what}: config`, configBytes, config.digest, config.size);
  const name = nameOf(entry) ?? (reference?.startsWith("@") ? undefined : reference);
  return boxed(what, box, {
    names: name === undefined ? [] : layoutName(name),
    manifestBytes: bytes,
    above: documents,
    config: configBytes,
    fileOf: blobName,
  });
}

function readDocument(what: string, box: Box, { digest, size }: Descriptor): Uint8Array {
  const bytes = box.read(blobName(digest), manifestLimitBytes);
  verifyBytes(`${what}: manifest`, bytes, digest, size);
  return bytes;
}

const blobName = (digest: Digest): string => `blobs/${digest.replace(":", "/")}`;

/* dir */

function dirImage(what: string, box: Box): BoxedImage {
  const manifestBytes = box.read("manifest.json", manifestLimitBytes);
  const manifest = readManifest(`${what}: manifest.json`, manifestBytes);
  if (manifest.kind === "index") throw invalid(what, "a directory of several platforms is not supported");
  const { config } = manifest;
  const bytes = box.read(hexOf(config.digest), configLimitBytes);
  verifyBytes(`${what}: config`, bytes, config.digest, config.size);
  return boxed(what, box, { names: [], manifestBytes, config: bytes, fileOf: hexOf });
}

function boxed(
  what: string,
  box: Box,
  image: {
    names: string[];
    manifestBytes: Uint8Array;
    above?: Uint8Array[];
    config: Uint8Array;
    fileOf: (digest: Digest) => string;
  },
): BoxedImage {
  const manifest = readManifest(`${what}: manifest`, image.manifestBytes);
  if (manifest.kind !== "manifest") throw invalid(what, "no manifest");
  return {
    names: image.names,
    manifest,
    manifestBytes: image.manifestBytes,
    documents: [...(image.above ?? []), image.manifestBytes].map((bytes) => ({
      bytes,
      digest: digestOf(bytes),
    })),
    config: image.config,
    layers: {
      async *streamBlob(_repository, blob, signal) {
        const name = image.fileOf(blob.digest);
        const size = box.size(name);
        if (size === null) throw invalid(what, `the layer ${blob.digest} is missing in it`);
        if (size !== blob.size)
          throw invalid(what, `the layer ${blob.digest} has ${size} bytes, ${blob.size} were announced`);
        for await (const chunk of box.stream(name)) {
          signal?.throwIfAborted();
          yield chunk;
        }
      },
    },
  };
}

function invalid(what: string, why: string): EngineError {
  return new EngineError("invalid", what, "", why, { exitCode: 1 });
}
