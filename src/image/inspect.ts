import { familiarRepository } from "../oci";
import {
  type Context,
  imageConfig,
  imageById as imageRowById,
  layersOfImage,
  repositoryDigestsOfImage,
  tagsOfImage,
} from "../state";
import { layerKind, layerPath, selectDriver } from "../storage";
import { familiarName } from "./list";
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
};

const neverTagged = "0001-01-01T00:00:00Z"; // Go's zero time, as docker prints it

/** @throws EngineError `not-found` when it has been removed meanwhile */
export async function inspectImage(context: Context, image: StoredImage): Promise<ImageInspect> {
  const db = context.db();
  const row = imageRowById(db, image.id);
  const text = imageConfig(db, image.id);
  if (row === null || text === null) throw notFound("inspect image", image.id);
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
