import { familiarRepository, formatPlatform } from "../oci";
import {
  allBareRepositories,
  allImageNames,
  allImages,
  allRepositoryDigests,
  allTags,
  type Context,
  countImageRows,
  type ImageNameRow,
  imagesUpon,
  namesHistory,
} from "../state";
import { familiarName } from "./familiar";

/** What lists show of images: from rows alone, however many there are. */

export type ImageSummary = {
  /** `sha256:…` */
  id: string;
  /** Familiar names, `debian:bookworm`. Empty: the image is dangling, or was pulled by digest. */
  tags: string[];
  /** `debian@sha256:…` */
  repositoryDigests: string[];
  /** Milliseconds since the epoch; 0 where the image does not say. */
  createdMs: number;
  /** Bytes of the uncompressed layers together. */
  sizeBytes: number;
  labels: Record<string, string>;
  /** `linux/amd64` */
  platform: string;
  /** How many containers were made of it. */
  containers: number;
};

/** Every image, newest first. Three queries, whatever their number. */
export function listImages(context: Context): ImageSummary[] {
  const db = context.db();
  const tags = groupBy(allTags(db), (row) => familiarName(row.name));
  const digests = groupBy(
    allRepositoryDigests(db),
    (row) => `${familiarRepository(row.repository)}@${row.digest}`,
  );
  return allImages(db).map((row) => ({
    id: row.id,
    tags: tags.get(row.id) ?? [],
    repositoryDigests: digests.get(row.id) ?? [],
    createdMs: row.created_ms,
    sizeBytes: row.size_bytes,
    labels: labelsOf(row.labels),
    platform: formatPlatform({
      os: row.os,
      architecture: row.architecture,
      variant: row.variant || undefined,
    }),
    containers: row.containers,
  }));
}

/** An image under one of its names, for tables: what `listImages()` knows of it takes three times as long. */
export type NamedImage = {
  id: string;
  /** Familiar. Empty, as the tag, where it has no name. */
  repository: string;
  /** Empty where it was pulled by digest. */
  tag: string;
  createdMs: number;
  sizeBytes: number;
};

/** Every image under each of its names, those without one too; newest first. */
export function listNamedImages(context: Context): NamedImage[] {
  const db = context.db();
  const bare = new Map<string, string[]>();
  for (const [id, repository] of allBareRepositories(db)) {
    const known = bare.get(id);
    if (known === undefined) bare.set(id, [repository]);
    else known.push(repository);
  }
  const list: NamedImage[] = [];
  const addBare = (id: string, createdMs: number, sizeBytes: number): boolean => {
    const repositories = bare.get(id);
    for (const repository of repositories ?? [])
      list.push({ id, repository: familiarRepository(repository), tag: "", createdMs, sizeBytes });
    return repositories !== undefined;
  };
  const rows = allImageNames(db);
  for (let at = 0; at < rows.length; at++) {
    const [id, createdMs, sizeBytes, name] = rows[at] as ImageNameRow;
    if (name !== null) {
      const familiar = familiarName(name);
      const cut = familiar.lastIndexOf(":"); // a port stands before a slash, and every name here has its tag
      const repository = familiar.slice(0, cut);
      list.push({ id, repository, tag: familiar.slice(cut + 1), createdMs, sizeBytes });
    }
    if (bare.size > 0 && rows[at + 1]?.[0] !== id && addBare(id, createdMs, sizeBytes)) continue; // behind its last tag
    if (name === null) list.push({ id, repository: "", tag: "", createdMs, sizeBytes });
  }
  return list;
}

export function countImages(context: Context): number {
  return countImageRows(context.db());
}

function labelsOf(text: string): Record<string, string> {
  return text === "{}" ? {} : (JSON.parse(text) as Record<string, string>);
}

function groupBy<Row extends { image_id: string }>(
  rows: Row[],
  text: (row: Row) => string,
): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const row of rows) {
    const group = groups.get(row.image_id);
    if (group === undefined) groups.set(row.image_id, [text(row)]);
    else group.push(text(row));
  }
  return groups;
}

/** Every name that an image has or had, the newest first. */
export function namesOfImage(context: Context, id: string): string[] {
  return namesHistory(context.db(), id).map(familiarName);
}

/** Whether another image is made of the layers of this one and more. */
export function isBelowAnother(context: Context, id: string): boolean {
  return imagesUpon(context.db(), id).size > 0;
}
