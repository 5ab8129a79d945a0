import { type Digest, familiarRepository, type HistoryEntry, readManifest } from "../oci";
import {
  type Context,
  imageConfig,
  imageById as imageRowById,
  layersOfImage,
  manifestFacts,
  manifestsOfImage,
  namesHistory,
  repositoryDigestsOfImage,
  type TagRow,
  tagsOfImage,
} from "../state";
import { hasBlob, layerKind, layerPath, readBlob, selectDriver } from "../storage";
import { familiarName } from "./familiar";
import { configOf, notFound, type StoredImage } from "./stored";

/** `image inspect` in the shape of the Docker Engine API (GET /images/{name}/json). */

export type ImageInspect = {
  Id: string;
  RepoTags: string[];
  RepoDigests: string[];
  Parent: string;
  Comment: string;
  Created: string | undefined;
  DockerVersion: string;
  Author: string;
  /** `config` of the image's config, as it stands there. */
  Config: Record<string, unknown>;
  Architecture: string;
  Variant?: string;
  Os: string;
  OsVersion?: string;
  /** Bytes of the uncompressed layers. */
  Size: number;
  VirtualSize: number;
  GraphDriver: { Name: string; Data: Record<string, string> };
  RootFS: { Type: "layers"; Layers: string[] };
  Metadata: { LastTagTime: string };
  /** What podman tells beside. */
  Digest?: string;
  ManifestType?: string;
  Labels: Record<string, string> | null;
  Annotations: Record<string, string>;
  User: string;
  NamesHistory: string[];
  History: { created?: string; created_by: string; comment?: string; author?: string; empty_layer?: true }[];
  /** Of the manifest, as docker tells it. */
  Descriptor?: { mediaType: string; digest: string; size: number };
};

const neverTagged = "0001-01-01T00:00:00Z"; // Go's zero time, as docker prints it

/** @throws EngineError `not-found` when it has been removed meanwhile */
export async function inspectImage(context: Context, image: StoredImage): Promise<ImageInspect> {
  const db = context.db();
  const row = imageRowById(db, image.id);
  const text = imageConfig(db, image.id);
  if (row === null || text === null) throw notFound(image.id);
  const document = JSON.parse(text) as { config?: Record<string, unknown> | null };
  const config = configOf(context, image);
  const tags = tagsOfImage(db, image.id);
  const { driver } = await selectDriver(context);
  const kind = layerKind(context, driver);
  const layers = layersOfImage(db, image.id, kind).map((layer) => layerPath(context, kind, layer.chain_id));
  return {
    Id: image.id,
    RepoTags: tags.map((tag) => familiarName(tag.name)),
    RepoDigests: repositoryDigestsOfImage(db, image.id).map(
      ({ repository, digest }) => `${familiarRepository(repository)}@${digest}`,
    ),
    Parent: "",
    Comment: config.history.at(-1)?.comment ?? "",
    Created: config.created,
    DockerVersion: "",
    Author: config.author ?? "",
    Config: document.config ?? {},
    Architecture: config.platform.architecture,
    ...(config.platform.variant === undefined ? {} : { Variant: config.platform.variant }),
    Os: config.platform.os,
    ...(config.osVersion === undefined ? {} : { OsVersion: config.osVersion }),
    Size: row.size_bytes,
    VirtualSize: row.size_bytes,
    GraphDriver: { Name: driver.name, Data: driverData(layers) },
    RootFS: { Type: "layers", Layers: config.diffIds },
    Metadata: { LastTagTime: lastTagTime(tags.map((tag) => tag.tagged_ms)) },
    ...manifestPart(context, image, tags),
    Labels: (document.config?.["Labels"] as Record<string, string> | null | undefined) ?? null,
    User: config.config.User ?? "",
    NamesHistory: namesHistory(db, image.id).map(familiarName),
    History: config.history.map(historyEntry),
  };
}

/** Facts of the manifest that the image is known by: that of its name, else the first it came in. */
function manifestPart(
  context: Context,
  image: StoredImage,
  tags: readonly TagRow[],
): Pick<ImageInspect, "Digest" | "ManifestType" | "Annotations" | "Descriptor"> {
  const db = context.db();
  const named = tags.find((tag) => familiarName(tag.name) === image.name) ?? tags[0];
  const digest = named?.manifest ?? manifestsOfImage(db, image.id)[0];
  const facts = digest === undefined ? null : manifestFacts(db, digest);
  if (facts === null) return { Annotations: {} };
  return {
    Digest: facts.digest,
    ManifestType: facts.media_type,
    Annotations: annotationsOf(context, facts.digest as Digest),
    Descriptor: { mediaType: facts.media_type, digest: facts.digest, size: facts.size_bytes },
  };
}

function annotationsOf(context: Context, digest: Digest): Record<string, string> {
  if (!hasBlob(context, digest)) return {}; // dropped to save space; the image itself is whole
  return readManifest(`read manifest: ${digest}`, readBlob(context, digest)).annotations;
}

function historyEntry(entry: HistoryEntry): ImageInspect["History"][number] {
  return {
    ...(entry.created === undefined ? {} : { created: entry.created }),
    created_by: entry.createdBy,
    ...(entry.author === "" ? {} : { author: entry.author }),
    ...(entry.comment === "" ? {} : { comment: entry.comment }),
    ...(entry.emptyLayer ? { empty_layer: true as const } : {}),
  };
}

/** Docker's names: the top layer, and those below it, top first. LAYERS: lowest first. */
function driverData(layers: string[]): Record<string, string> {
  const [top, ...below] = layers.toReversed();
  if (top === undefined) return {};
  return { UpperDir: top, ...(below.length === 0 ? {} : { LowerDir: below.join(":") }) };
}

function lastTagTime(times: number[]): string {
  return times.length === 0 ? neverTagged : new Date(Math.max(...times)).toISOString();
}
