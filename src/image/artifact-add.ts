/** Artifacts of files that are at hand. */
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { basename } from "node:path";
import { EngineError } from "../error";
import { type Descriptor, type Digest, Digester, digestOf, mediaTypes } from "../oci";
import { artifactByName, type Context, putArtifact } from "../state";
import {
  announceContent,
  BlobWriter,
  collectGarbage,
  ensureLayout,
  hasBlob,
  projectIndex,
  readPieces,
  syncBlobNames,
  whileKept,
  writeBlob,
} from "../storage";
import { sniffedType } from "./_sniff";
import { type Artifact, artifactName, artifactOf, CREATED, TITLE } from "./artifact";

export type AddOptions = {
  annotations: Record<string, string>;
  /** To the files that an artifact of this name has already. */
  append: boolean;
  /** In place of an artifact of this name. */
  replace: boolean;
  /** Media type of the files; default: told by their content. */
  fileType?: string | undefined;
  /** What the artifact is; default: unknown. */
  artifactType?: string | undefined;
};

const UNKNOWN_TYPE = "application/vnd.unknown.artifact.v1";
const EMPTY = { mediaType: "application/vnd.oci.empty.v1+json", bytes: new TextEncoder().encode("{}") };

/** Make an artifact of files, or add files to one. Returns the digest of its manifest. Throws `invalid`, `name-in-use`, `not-found`, `io`. */
export async function addArtifact(
  context: Context,
  text: string,
  paths: readonly string[],
  options: AddOptions,
): Promise<Digest> {
  const name = artifactName(text);
  const known = artifactByName(context.db(), name);
  const fail = (why: string, hint?: string) =>
    new EngineError("invalid", "add artifact", name, why, { exitCode: 125, hint });
  if (options.append && options.artifactType !== undefined)
    throw fail("--append and --type cannot be used together: the artifact has a type");
  if (options.append && options.replace) throw fail("--append and --replace cannot be used together");
  if (known === null && options.append)
    throw new EngineError("not-found", name, "", "artifact does not exist", { exitCode: 125 });
  if (known !== null && !options.append && !options.replace)
    throw fail(
      "artifact already exists",
      "add to it with --append, or put another in its place with --replace",
    );
  const old = known !== null && options.append ? artifactOf(context, known) : undefined;
  checkTitles(name, paths, old);
  ensureLayout(context);
  return whileKept(context, async () => {
    const layers: Descriptor[] = [...(old?.manifest.layers ?? [])];
    for (const path of paths) layers.push(await storeFile(context, path, options));
    const config = { mediaType: EMPTY.mediaType, digest: digestOf(EMPTY.bytes), size: 2, data: "e30=" };
    const created = { [CREATED]: new Date(context.now()).toISOString() };
    const document = {
      ...(old?.document ?? {
        schemaVersion: 2,
        mediaType: mediaTypes.ociManifest,
        artifactType: options.artifactType ?? UNKNOWN_TYPE,
        config,
        annotations: created,
      }),
      layers: [
        ...((old?.document["layers"] as object[] | undefined) ?? []),
        ...layers.slice(old?.manifest.layers.length ?? 0),
      ],
    };
    const bytes = new TextEncoder().encode(JSON.stringify(inOrder(document)));
    const digest = digestOf(bytes);
    const configDigest = old?.manifest.config.digest ?? config.digest;
    announceContent(context, [digest, configDigest], []);
    if (old === undefined) writeBlob(context, EMPTY.bytes);
    writeBlob(context, bytes);
    syncBlobNames(context);
    putArtifact(
      context.db(),
      {
        name,
        digest,
        media_type: mediaTypes.ociManifest,
        manifest_bytes: bytes.length,
        size_bytes: layers.reduce((sum, { size }) => sum + size, 0),
        created_ms: context.now(),
      },
      [...new Set([digest, configDigest, ...layers.map((layer) => layer.digest)])],
    );
    await projectIndex(context);
    return digest;
  }).finally(() => collectGarbage(context).catch(() => undefined));
}

/** As the specification lists them. */
function inOrder({
  schemaVersion,
  mediaType,
  artifactType,
  config,
  layers,
  ...rest
}: Record<string, unknown>): object {
  return { schemaVersion, mediaType, artifactType, config, layers, ...rest };
}

/** A file is found by its name again: there must be one of each. */
function checkTitles(name: string, paths: readonly string[], old: Artifact | undefined): void {
  const titles = new Set(old?.manifest.layers.map((layer) => layer.annotations?.[TITLE]));
  for (const path of paths) {
    const title = basename(path);
    if (titles.has(title)) {
      throw new EngineError(
        "invalid",
        "add artifact",
        name,
        `${JSON.stringify(title)}: file already exists`,
        {
          exitCode: 125,
        },
      );
    }
    titles.add(title);
  }
}

const HEAD_BYTES = 512;

/** Read twice: for the digest, under which it is stored, and to be stored. */
async function storeFile(context: Context, path: string, options: AddOptions): Promise<Descriptor> {
  const fail = (why: unknown) => new EngineError("io", "add file", path, why, { exitCode: 125 });
  let fd: number;
  try {
    if (!statSync(path).isFile()) throw new Error("not a file");
    fd = openSync(path, "r");
  } catch (error) {
    throw fail(error);
  }
  try {
    const { size } = statSync(path);
    const head = new Uint8Array(Math.min(HEAD_BYTES, size));
    readSync(fd, head, 0, head.length, 0);
    const digester = new Digester("sha256");
    for await (const piece of readPieces(fd, 0, size)) digester.update(piece);
    const digest = digester.finish();
    announceContent(context, [digest], []);
    if (!hasBlob(context, digest, size)) {
      const writer = new BlobWriter(context, digest, size);
      try {
        for await (const piece of readPieces(fd, 0, size)) writer.write(piece);
        await writer.finish();
      } finally {
        writer.close();
      }
    }
    const annotations = { ...options.annotations, [TITLE]: basename(path) };
    return { mediaType: options.fileType ?? sniffedType(head), digest, size, annotations };
  } finally {
    closeSync(fd);
  }
}
