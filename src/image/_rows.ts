import { chainIdsOf, type ImageConfig } from "../oci";
import type { ImageRow } from "../state";

/** What the database keeps of an image's config, for lists and filters. */
export function imageRow(id: string, config: ImageConfig, sizeBytes: number): ImageRow {
  const { os, architecture, variant } = config.platform;
  return {
    id,
    created_ms: millisecondsOf(config.created),
    size_bytes: sizeBytes,
    os,
    architecture,
    variant: variant ?? "",
    labels: JSON.stringify(config.config.Labels),
  };
}

/** Lowest first. */
export function layerRows(config: ImageConfig): { chainId: string; diffId: string }[] {
  return chainIdsOf(config.diffIds).map((chainId, at) => ({
    chainId,
    diffId: config.diffIds[at] ?? chainId,
  }));
}

/** RFC 3339 as milliseconds since the epoch; 0 for none, and for what is no date. */
export function millisecondsOf(created: string | undefined): number {
  const ms = created === undefined ? 0 : Date.parse(created);
  return Number.isFinite(ms) ? Math.trunc(ms) : 0;
}
