/**
 * What tables of contents of layers have in common: zstd:chunked (containers/storage, pkg/chunked) and eStargz (stargz-snapshotter, docs/estargz.md). Both are layers
 * that anybody can read from front to end, with a list of the files, and where in the layer their bytes are, at the end.
 */

/** Of zstd:chunked, in the descriptor of a layer. */
export const chunkedAnnotations = {
  /** Digest of the compressed table. */
  checksum: "io.github.containers.zstd-chunked.manifest-checksum",
  /** `offset:compressed:uncompressed:type` of the table, in bytes; the type is 1. */
  position: "io.github.containers.zstd-chunked.manifest-position",
  tarSplit: "io.github.containers.zstd-chunked.tarsplit-position",
} as const;

/** Of eStargz: digest of the uncompressed table, and bytes of the uncompressed layer. */
export const stargzAnnotations = {
  digest: "containerd.io/snapshot/stargz/toc.digest",
  size: "io.containers.estargz.uncompressed-size",
} as const;

/** An entry, as both formats have it in JSON. */
export type RawEntry = {
  type: string;
  name: string;
  linkName?: string;
  mode?: number;
  size?: number;
  uid?: number;
  gid?: number;
  modtime?: string;
  devMajor?: number;
  devMinor?: number;
  /** Base 64. */
  xattrs?: Record<string, string>;
  digest?: string;
  offset?: number;
  endOffset?: number;
  innerOffset?: number;
  chunkSize?: number;
  chunkOffset?: number;
  chunkDigest?: string;
  chunkType?: string;
};

/** Skippable frames of zstd: four bytes of magic, four of length. */
export const SKIPPABLE = 0x184d2a50;
export const SKIPPABLE_HEADER_BYTES = 8;

/** The last frame of zstd:chunked: seven numbers of 64 bits, and eight letters. */
export const CHUNKED_FOOTER_BYTES = 64;
export const CHUNKED_MAGIC = "GNUlInUx";

/** eStargz ends in an empty gzip member whose extra field says where the table is. */
export const STARGZ_FOOTER_BYTES = 51;

/** Whether a layer says that it has a table of contents. */
export function hasContents(annotations: Record<string, string> | undefined): boolean {
  return (
    annotations !== undefined &&
    (annotations[chunkedAnnotations.position] !== undefined ||
      annotations[stargzAnnotations.digest] !== undefined)
  );
}

/** Annotations without those that say so. */
export function withoutContents(annotations: Record<string, string>): Record<string, string> {
  const own = new Set<string>([
    ...Object.values(chunkedAnnotations),
    ...Object.values(stargzAnnotations),
    "io.github.containers.zstd-chunked.tarsplit-checksum",
  ]);
  return Object.fromEntries(Object.entries(annotations).filter(([name]) => !own.has(name)));
}
