import { Checker, invalid, manifestLimitBytes, parseJson } from "./_check";
import {
  type Descriptor,
  isConfigType,
  isIndexType,
  isLayerType,
  mediaTypes,
  readDescriptor,
} from "./descriptor";

/** Manifests and indexes of the OCI image spec and of Docker's image manifest version 2, schema 2. */

export type Manifest = {
  kind: "manifest";
  mediaType: string;
  config: Descriptor;
  /** Lowest first. */
  layers: Descriptor[];
  annotations: Record<string, string>;
};

export type Index = {
  kind: "index";
  mediaType: string;
  manifests: Descriptor[];
  annotations: Record<string, string>;
};

/** Layers of one image: overlay refuses more than 500, and no registry's image has as many. */
export const layersLimit = 500;
const manifestsLimit = 10_000; // entries of an index

/**
 * Reads a manifest or an index, told by what it says of itself and by the registry's Content-Type, which must not contradict
 * each other: the same bytes read as two things is how one image is passed off as another (CVE-2021-41190).
 *
 * @throws EngineError `invalid`
 */
export function readManifest(what: string, bytes: Uint8Array, contentType?: string): Manifest | Index {
  const check = new Checker(what);
  const object = check.object(parseJson(what, bytes, manifestLimitBytes), "");
  if (object["schemaVersion"] === 1) {
    throw invalid(what, "schema 1 is not supported: push the image again with a tool of this decade");
  }
  if (object["schemaVersion"] !== 2) throw check.fail("schemaVersion", "not 2");
  const isIndex = "manifests" in object;
  if (isIndex && ("config" in object || "layers" in object)) {
    throw check.fail("", "both an index and a manifest");
  }
  const mediaType = typeOf(check, object["mediaType"], contentType, isIndex);
  const annotations = check.stringMap(object["annotations"], "annotations");
  if (isIndex) {
    const manifests = check
      .array(object["manifests"], "manifests", manifestsLimit)
      .map((entry, at) => readDescriptor(check, entry, `manifests[${at}]`));
    return { kind: "index", mediaType, manifests, annotations };
  }
  const config = readDescriptor(check, object["config"], "config");
  const layers = check
    .array(object["layers"], "layers", layersLimit)
    .map((entry, at) => readDescriptor(check, entry, `layers[${at}]`));
  return { kind: "manifest", mediaType, config, layers, annotations };
}

/** Throws `unsupported` where the manifest is no image that could run (an artifact, a chart, an attestation). */
export function assertIsImage(what: string, manifest: Manifest): void {
  if (!isConfigType(manifest.config.mediaType)) {
    throw invalid(what, `not a container image: its config is "${manifest.config.mediaType.slice(0, 100)}"`);
  }
  for (const layer of manifest.layers) {
    if (!isLayerType(layer.mediaType)) {
      throw invalid(
        what,
        `layer ${layer.digest}: "${layer.mediaType.slice(0, 100)}" is no layer that can be unpacked`,
      );
    }
  }
}

/** The type by the document itself, else by the registry, else by the document's shape. */
function typeOf(check: Checker, said: unknown, contentType: string | undefined, isIndex: boolean): string {
  const inside = check.optionalString(said, "mediaType");
  const outside = contentType?.split(";", 1)[0]?.trim().toLowerCase();
  const known =
    outside !== undefined && (isIndexType(outside) || outside.includes(".manifest.")) ? outside : undefined;
  const mediaType = inside ?? known ?? (isIndex ? mediaTypes.ociIndex : mediaTypes.ociManifest);
  if (inside !== undefined && known !== undefined && inside !== known) {
    throw check.fail("mediaType", `"${inside.slice(0, 100)}", but the registry calls it "${known}"`);
  }
  const allowed: readonly string[] = isIndex
    ? [mediaTypes.ociIndex, mediaTypes.dockerIndex]
    : [mediaTypes.ociManifest, mediaTypes.dockerManifest];
  if (!allowed.includes(mediaType)) {
    throw check.fail("mediaType", `"${mediaType.slice(0, 100)}" on ${isIndex ? "an index" : "a manifest"}`);
  }
  return mediaType;
}
