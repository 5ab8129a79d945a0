import { closeSync, openSync } from "node:fs";
import {
  digestOf,
  formatReference,
  hasDomain,
  hostPlatform,
  mediaTypes,
  parseReference,
  readImageConfig,
  withDefaultTag,
} from "../oci";
import { type Context, insertImage } from "../state";
import {
  announceContent,
  blobPath,
  ensureLayout,
  projectIndex,
  selectDriver,
  unpackBlob,
  unpackedSize,
  whileKept,
  writeBlob,
} from "../storage";
import { imageRow, layerRows } from "./_rows";
import { lookUpImage, type StoredImage } from "./stored";

/**
 * The image that comes with the executable: one program that says that containers work here. It is put into the store when it is asked for
 * first, without a network, and is an image like any other from then on.
 */

const embeddedName = "localhost/hello:latest";
const created = "2026-01-01T00:00:00Z"; // fixed, so that every copy has the same digests

/** The embedded image where TEXT means it (`hello`, `localhost/hello`), made when it is not there yet; else null. */
export async function embeddedImage(context: Context, text: string): Promise<StoredImage | null> {
  if (!meansEmbedded(text)) return null;
  return lookUpImage(context, text) ?? whileKept(context, () => make(context));
}

function meansEmbedded(text: string): boolean {
  if (!/^(?:localhost\/)?hello(?::latest)?$/.test(text)) return false;
  const reference = withDefaultTag(parseReference(text));
  return !hasDomain(text) || formatReference(reference) === embeddedName;
}

async function make(context: Context): Promise<StoredImage> {
  const { helloProgram } = await import("./_hello-program");
  const layer = await layerOf(helloProgram());
  const diffId = digestOf(layer);
  const config = Buffer.from(JSON.stringify(configOf(diffId)));
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: { mediaType: mediaTypes.ociConfig, digest: digestOf(config), size: config.length },
      layers: [{ mediaType: mediaTypes.ociLayer, digest: diffId, size: layer.length }],
    }),
  );
  ensureLayout(context);
  const blobs = [layer, config, manifest].map((bytes) => digestOf(bytes));
  announceContent(context, blobs, [diffId]);
  // Not synced to the disk: it can be made again at any time.
  for (const bytes of [layer, config, manifest]) writeBlob(context, bytes, { isDurable: false });
  const sizeBytes = await unpack(context, diffId);
  const read = readImageConfig("embedded image", config);
  insertImage(context.db(), {
    image: imageRow(digestOf(config), read, sizeBytes),
    config: config.toString("utf8"),
    layers: layerRows(read),
    manifest: { digest: digestOf(manifest), mediaType: mediaTypes.ociManifest, sizeBytes: manifest.length },
    blobs,
    tags: [{ name: embeddedName, repository: "localhost/hello" }],
    repositoryDigests: [],
    nowMs: context.now(),
  });
  await projectIndex(context);
  return { id: digestOf(config), platform: read.platform, config: read.config, name: embeddedName };
}

async function unpack(context: Context, diffId: ReturnType<typeof digestOf>): Promise<number> {
  const { driver } = await selectDriver(context);
  const known = unpackedSize(context, driver, diffId);
  if (known !== null) return known;
  const fd = openSync(blobPath(context, diffId), "r");
  try {
    return await unpackBlob(context, driver, { chainId: diffId, diffId, parent: undefined }, fd);
  } finally {
    closeSync(fd);
  }
}

function configOf(diffId: string): object {
  const { os, architecture } = hostPlatform();
  return {
    created,
    architecture,
    os,
    config: { Env: ["PATH=/"], Cmd: ["/hello"], WorkingDir: "/" },
    rootfs: { type: "layers", diff_ids: [diffId] },
    history: [{ created, created_by: "proa: embedded image", comment: "comes with proa" }],
  };
}

/** The layer's tar: the program, and nothing else. */
async function layerOf(program: Uint8Array): Promise<Buffer> {
  const { pack } = await import("tar-stream");
  const tar = pack();
  tar.entry({ name: "hello", mode: 0o755, mtime: new Date(created), type: "file" }, Buffer.from(program));
  tar.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of tar) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}
