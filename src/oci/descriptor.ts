import type { Checker } from "./_check";
import type { Digest } from "./digest";
import { normalize, type Platform } from "./platform";

/** Media types and descriptors, of OCI and of Docker's schema 2, which are the same thing under other names. */

export const mediaTypes = {
  ociManifest: "application/vnd.oci.image.manifest.v1+json",
  ociIndex: "application/vnd.oci.image.index.v1+json",
  ociConfig: "application/vnd.oci.image.config.v1+json",
  ociLayer: "application/vnd.oci.image.layer.v1.tar",
  ociLayerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  ociLayerZstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerIndex: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  dockerLayerGzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
} as const;

/** Manifests that can be pulled, as an Accept header lists them. */
export const manifestTypes: readonly string[] = [
  mediaTypes.ociManifest,
  mediaTypes.ociIndex,
  mediaTypes.dockerManifest,
  mediaTypes.dockerIndex,
];

const indexTypes: readonly string[] = [mediaTypes.ociIndex, mediaTypes.dockerIndex];
const configTypes: readonly string[] = [mediaTypes.ociConfig, mediaTypes.dockerConfig];

/** Layers that are file system trees; the compression is told by their first bytes, not by the name. */
const layerForm =
  /^application\/vnd\.(?:oci\.image\.layer(?:\.nondistributable)?\.v1\.tar(?:\+gzip|\+zstd)?|docker\.image\.rootfs\.(?:foreign\.)?diff\.tar(?:\.gzip|\.zstd|\.zst)?)$/;

export const isIndexType = (mediaType: string): boolean => indexTypes.includes(mediaType);
export const isConfigType = (mediaType: string): boolean => configTypes.includes(mediaType);
export const isLayerType = (mediaType: string): boolean => layerForm.test(mediaType);

/** A pointer to content: what it is, how long, and by which digest it is known. */
export type Descriptor = {
  mediaType: string;
  digest: Digest;
  /** Bytes. */
  size: number;
  annotations?: Record<string, string>;
  platform?: Platform;
  /** Where else the content may be fetched from (foreign layers). */
  urls?: string[];
};

export function readDescriptor(check: Checker, value: unknown, place: string): Descriptor {
  const object = check.object(value, place);
  const descriptor: Descriptor = {
    mediaType: check.string(object["mediaType"], `${place}.mediaType`),
    digest: check.digest(object["digest"], `${place}.digest`),
    size: check.count(object["size"], `${place}.size`),
  };
  if (object["annotations"] != null) {
    descriptor.annotations = check.stringMap(object["annotations"], `${place}.annotations`);
  }
  const urls = check.strings(object["urls"], `${place}.urls`, 100);
  if (urls.length > 0) descriptor.urls = urls;
  const platform = check.optionalObject(object["platform"], `${place}.platform`);
  if (platform !== undefined) {
    descriptor.platform = normalize(
      check.string(platform["os"], `${place}.platform.os`),
      check.string(platform["architecture"], `${place}.platform.architecture`),
      check.optionalString(platform["variant"], `${place}.platform.variant`),
    );
  }
  return descriptor;
}
