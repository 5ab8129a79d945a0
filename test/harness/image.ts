/** Images from objects: blobs in memory, pushed to a registry or written as an OCI layout. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Tree, tarOf } from "./tar";

export type Blob = { mediaType: string; digest: string; bytes: Uint8Array };

export type Layer = Blob & { diffId: string };

export type Compression = "none" | "gzip" | "zstd";

export type ImageConfig = {
  User?: string;
  Env?: string[];
  Entrypoint?: string[];
  Cmd?: string[];
  WorkingDir?: string;
  Labels?: Record<string, string>;
  StopSignal?: string;
  ExposedPorts?: Record<string, object>;
  Volumes?: Record<string, object>;
  /** Docker's, times in nanoseconds. */
  Healthcheck?: Record<string, string[] | number>;
  Shell?: string[];
};

export type Platform = { os: string; architecture: string; variant?: string };

export type TestImage = {
  /** What is tagged: a manifest or an index. */
  top: Blob;
  /** Everything that `top` refers to, directly or not, without `top`. */
  blobs: Blob[];
  manifests: Blob[];
  platform: Platform;
};

const OCI = "application/vnd.oci.image";
const DOCKER = "application/vnd.docker";

export function digestOf(bytes: Uint8Array | string): string {
  return `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;
}

export function blobOf(mediaType: string, content: Uint8Array | object): Blob {
  const bytes = content instanceof Uint8Array ? content : Buffer.from(JSON.stringify(content));
  return { mediaType, digest: digestOf(bytes), bytes };
}

/** The descriptor of a blob, as manifests hold it. */
export function descriptorOf(blob: Blob): { mediaType: string; digest: string; size: number } {
  return { mediaType: blob.mediaType, digest: blob.digest, size: blob.bytes.length };
}

/** A layer of a tree, or of a tar archive made elsewhere. */
export async function makeLayer(
  content: Tree | Uint8Array,
  options: { compression?: Compression; docker?: boolean } = {},
): Promise<Layer> {
  const tar = content instanceof Uint8Array ? content : await tarOf(content);
  const compression = options.compression ?? "gzip";
  const bytes =
    compression === "gzip"
      ? Bun.gzipSync(Buffer.from(tar))
      : compression === "zstd"
        ? Bun.zstdCompressSync(Buffer.from(tar))
        : tar;
  const suffix = compression === "none" ? "" : `+${compression}`;
  const mediaType =
    options.docker === true ? `${DOCKER}.image.rootfs.diff.tar.gzip` : `${OCI}.layer.v1.tar${suffix}`;
  return { ...blobOf(mediaType, bytes), diffId: digestOf(tar) };
}

export function hostPlatform(): Platform {
  return { os: "linux", architecture: process.arch === "x64" ? "amd64" : process.arch };
}

/** An image with one manifest. `docker`: Docker's media types (v2 schema 2) instead of OCI's. */
export async function makeImage(options: {
  layers: (Tree | Layer)[];
  config?: ImageConfig;
  platform?: Platform;
  compression?: Compression;
  docker?: boolean;
}): Promise<TestImage> {
  const docker = options.docker === true;
  const layers: Layer[] = [];
  for (const layer of options.layers) {
    const given = layer as Partial<Layer>;
    const isMade = typeof given.diffId === "string" && given.bytes instanceof Uint8Array;
    layers.push(
      isMade
        ? (layer as Layer)
        : await makeLayer(layer as Tree, { compression: options.compression ?? "gzip", docker }),
    );
  }
  const platform = options.platform ?? hostPlatform();
  const config = blobOf(docker ? `${DOCKER}.container.image.v1+json` : `${OCI}.config.v1+json`, {
    created: "2024-01-02T03:04:05Z",
    ...platform,
    config: options.config ?? {},
    rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.diffId) },
    history: layers.map((_, i) => ({ created: "2024-01-02T03:04:05Z", created_by: `layer ${i}` })),
  });
  const mediaType = docker ? `${DOCKER}.distribution.manifest.v2+json` : `${OCI}.manifest.v1+json`;
  const top = blobOf(mediaType, {
    schemaVersion: 2,
    mediaType,
    config: descriptorOf(config),
    layers: layers.map(descriptorOf),
  });
  return { top, blobs: [config, ...layers], manifests: [], platform };
}

/** An image index (or Docker's manifest list) of several images, one a platform. */
export function makeIndex(images: readonly TestImage[], options: { docker?: boolean } = {}): TestImage {
  const mediaType =
    options.docker === true ? `${DOCKER}.distribution.manifest.list.v2+json` : `${OCI}.index.v1+json`;
  const top = blobOf(mediaType, {
    schemaVersion: 2,
    mediaType,
    manifests: images.map((image) => ({ ...descriptorOf(image.top), platform: image.platform })),
  });
  return {
    top,
    blobs: images.flatMap((image) => image.blobs),
    manifests: images.flatMap((image) => [...image.manifests, image.top]),
    platform: hostPlatform(),
  };
}

/** Push to `HOST/REPOSITORY:TAG` over plain HTTP. Returns the reference, with which it can be pulled. */
export async function pushImage(reference: string, image: TestImage): Promise<string> {
  const { host, repository, tag } = splitReference(reference);
  const base = `http://${host}/v2/${repository}`;
  for (const blob of image.blobs) await putBlob(base, blob);
  for (const manifest of image.manifests) await putManifest(base, manifest.digest, manifest);
  await putManifest(base, tag, image.top);
  return reference;
}

function splitReference(reference: string): { host: string; repository: string; tag: string } {
  const match = /^([^/]+)\/(.+?)(?::([^/:]+))?$/.exec(reference);
  const [, host, repository, tag = "latest"] = match ?? [];
  if (host === undefined || repository === undefined)
    throw new Error(`push image: ${reference}: not HOST/REPOSITORY:TAG`);
  return { host, repository, tag };
}

async function putBlob(base: string, blob: Blob): Promise<void> {
  const head = await fetch(`${base}/blobs/${blob.digest}`, { method: "HEAD" });
  if (head.ok) return;
  const begun = await fetch(`${base}/blobs/uploads/`, { method: "POST" });
  const location = begun.headers.get("location");
  if (location === null) throw new Error(`push blob: ${blob.digest}: no upload location: ${begun.status}`);
  const url = new URL(location, base);
  url.searchParams.set("digest", blob.digest);
  const done = await fetch(url, {
    method: "PUT",
    headers: { "content-type": "application/octet-stream" },
    body: Buffer.from(blob.bytes),
  });
  if (done.status !== 201) throw new Error(`push blob: ${blob.digest}: ${done.status} ${await done.text()}`);
}

async function putManifest(base: string, name: string, manifest: Blob): Promise<void> {
  const done = await fetch(`${base}/manifests/${name}`, {
    method: "PUT",
    headers: { "content-type": manifest.mediaType },
    body: Buffer.from(manifest.bytes),
  });
  if (done.status !== 201) throw new Error(`push manifest: ${name}: ${done.status} ${await done.text()}`);
}

/** Write an OCI image layout into `directory`, which is made. */
export function writeLayout(directory: string, images: Readonly<Record<string, TestImage>>): void {
  mkdirSync(join(directory, "blobs/sha256"), { recursive: true });
  writeFileSync(join(directory, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  for (const image of Object.values(images)) {
    for (const blob of [...image.blobs, ...image.manifests, image.top]) {
      writeFileSync(join(directory, "blobs", blob.digest.replace(":", "/")), blob.bytes);
    }
  }
  const manifests = Object.entries(images).map(([name, image]) => ({
    ...descriptorOf(image.top),
    annotations: { "org.opencontainers.image.ref.name": name },
  }));
  writeFileSync(
    join(directory, "index.json"),
    JSON.stringify({ schemaVersion: 2, mediaType: `${OCI}.index.v1+json`, manifests }),
  );
}
