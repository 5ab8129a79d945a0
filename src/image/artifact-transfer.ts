/** Artifacts from registries and to them. */
import { EngineError, reasonOf } from "../error";
import {
  type Descriptor,
  type Digest,
  parseReference,
  readManifest,
  repositoryOf,
  withDefaultTag,
} from "../oci";
import {
  type Connecting,
  pullSources,
  pushTarget,
  RegistryClient,
  type RegistryFlags,
  RegistryUploader,
} from "../registry";
import { artifactByName, type Context, putArtifact } from "../state";
import {
  announceContent,
  BlobWriter,
  blobPath,
  collectGarbage,
  ensureLayout,
  hasBlob,
  projectIndex,
  readBlob,
  removeAbandoned,
  syncBlobNames,
  whileFetching,
  whileKept,
  writeBlob,
} from "../storage";
import { Gate } from "./_gate";
import { artifactName, CREATED, findArtifact } from "./artifact";
import type { LayerStatus } from "./progress";
import type { PushStatus } from "./push";

/** What becomes of one blob. */
export type BlobProgress<Status> = {
  kind: "layer";
  /** Its digest. */
  id: string;
  status: Status;
  /** Bytes. */
  current: number;
  total: number;
};

export type TransferOptions<Status = never> = {
  userAgent: string;
  flags: RegistryFlags;
  onProgress?: (progress: BlobProgress<Status>) => void;
  signal?: AbortSignal | undefined;
};

const connectionsLimit = 6; // as for layers

function connectingOf(context: Context, options: Omit<TransferOptions, "onProgress">): Connecting {
  return { env: context.env, userAgent: options.userAgent, flags: options.flags, signal: options.signal };
}

function explain(what: string, name: string, error: unknown, signal: AbortSignal | undefined): Error {
  if (signal?.aborted && signal.reason instanceof EngineError) return signal.reason;
  const isOurs = error instanceof EngineError;
  const hint = isOurs ? error.hint : undefined;
  return new EngineError(isOurs ? error.code : "io", what, name, error, { exitCode: 125, hint });
}

/** Throws EngineError, its text beginning `pull artifact: NAME`. Returns the digest of the manifest. */
export async function pullArtifact(
  context: Context,
  text: string,
  options: TransferOptions<LayerStatus>,
): Promise<Digest> {
  const name = artifactName(text);
  const reference = withDefaultTag(parseReference(text));
  await removeAbandoned(context);
  ensureLayout(context);
  let failure: unknown;
  try {
    for (const source of pullSources(reference, connectingOf(context, options))) {
      try {
        const client = new RegistryClient(source.domain, source.options);
        return await whileKept(context, () => pullFrom(context, client, source.path, name, options));
      } catch (error) {
        if (!source.isMirror || options.signal?.aborted) throw error;
        context.warn(`mirror ${source.domain}/${source.path}: ${reasonOf(error)}`);
        failure = error;
      }
    }
    throw failure;
  } catch (error) {
    throw explain("pull artifact", name, error, options.signal);
  } finally {
    await collectGarbage(context).catch(() => undefined);
  }
}

async function pullFrom(
  context: Context,
  client: RegistryClient,
  repository: string,
  name: string,
  { signal, onProgress, flags: { signaturePolicy: policyFile } }: TransferOptions<LayerStatus>,
): Promise<Digest> {
  const { tag, digest: wanted } = parseReference(name);
  const { bytes, contentType, digest } = await client.fetchManifest(repository, wanted ?? tag ?? "", signal);
  const manifest = readManifest(`read manifest: ${name}`, bytes, contentType);
  if (manifest.kind === "index") {
    throw new EngineError("invalid", "read manifest", digest, "an index: not an artifact of files");
  }
  const { assertAccepted } = await import("./signatures");
  const reference = parseReference(name);
  await assertAccepted(context, { reference, digest, client, repository, signal, policyFile });
  const blobs = [manifest.config, ...manifest.layers];
  announceContent(context, [digest, ...blobs.map((blob) => blob.digest)], []);
  const gate = new Gate(connectionsLimit);
  const stop = new AbortController();
  const onAbort = () => stop.abort(signal?.reason);
  if (signal?.aborted) onAbort();
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const unique = [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
    const fetched = unique.map((blob) => {
      const tell: Tell<LayerStatus> = (status, current) =>
        onProgress?.({ kind: "layer", id: blob.digest, status, current, total: blob.size });
      return fetchBlob(context, client, repository, blob, { gate, signal: stop.signal, tell });
    });
    for (const each of fetched) each.catch((error: unknown) => stop.abort(error));
    await Promise.allSettled(fetched);
    stop.signal.throwIfAborted();
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
  writeBlob(context, bytes, { digest });
  syncBlobNames(context);
  const created = Date.parse(manifest.annotations[CREATED] ?? "");
  putArtifact(
    context.db(),
    {
      name,
      digest,
      media_type: manifest.mediaType,
      manifest_bytes: bytes.length,
      size_bytes: manifest.layers.reduce((sum, { size }) => sum + size, 0),
      created_ms: Number.isFinite(created) ? created : context.now(),
    },
    [...new Set([digest, ...blobs.map((blob) => blob.digest)])],
  );
  await projectIndex(context);
  return digest;
}

type Tell<Status> = (status: Status, currentBytes: number) => void;

async function fetchBlob(
  context: Context,
  client: RegistryClient,
  repository: string,
  blob: Descriptor,
  { gate, signal, tell }: { gate: Gate; signal: AbortSignal; tell: Tell<LayerStatus> },
): Promise<void> {
  const isHere = () => hasBlob(context, blob.digest, blob.size);
  if (isHere()) return tell("exists", blob.size);
  tell("waiting", 0);
  await gate.pass(() =>
    whileFetching(context, blob.digest, signal, async () => {
      if (isHere()) return;
      const writer = new BlobWriter(context, blob.digest, blob.size);
      try {
        for await (const chunk of client.streamBlob(repository, blob, signal)) {
          writer.write(chunk);
          tell("downloading", writer.sizeBytes);
        }
        await writer.finish();
      } finally {
        writer.close();
      }
    }),
  );
  tell("done", blob.size);
}

/** To where its name leads. Throws EngineError, its text beginning `push artifact: NAME`; `not-found` where it is not here. */
export async function pushArtifact(
  context: Context,
  text: string,
  options: TransferOptions<PushStatus>,
): Promise<Digest> {
  const { row, manifest } = findArtifact(context, text);
  const reference = parseReference(row.name);
  try {
    return await whileKept(context, async () => {
      const target = pushTarget(reference, connectingOf(context, options));
      const uploader = new RegistryUploader(target.domain, target.options);
      const gate = new Gate(connectionsLimit);
      const { signal } = options;
      const blobs = [
        ...new Map([manifest.config, ...manifest.layers].map((blob) => [blob.digest, blob])).values(),
      ];
      await Promise.all(
        blobs.map(async ({ digest, size }) => {
          const tell: Tell<PushStatus> = (status, current) =>
            options.onProgress?.({ kind: "layer", id: digest, status, current, total: size });
          tell("preparing", 0);
          const became = await gate.pass(() =>
            uploader.uploadBlob(target.path, {
              blob: { digest, size, content: Bun.file(blobPath(context, digest)) },
              onProgress: (sentBytes) => tell("pushing", sentBytes),
              signal,
            }),
          );
          tell(became === "sent" ? "done" : became, size);
        }),
      );
      const bytes = readBlob(context, row.digest as Digest);
      const put = reference.tag ?? row.digest;
      return uploader.putManifest(target.path, put, bytes, manifest.mediaType, signal);
    });
  } catch (error) {
    throw explain(
      "push artifact",
      `${repositoryOf(reference)}:${reference.tag ?? ""}`,
      error,
      options.signal,
    );
  }
}

/** Fetch a blob of an artifact again, in place of what is there. Throws what pulling throws. */
export async function repairArtifact(
  context: Context,
  name: string,
  digest: Digest,
  { userAgent = "proa", signal }: { userAgent?: string; signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const reference = parseReference(name);
  const row = artifactByName(context.db(), name);
  let failure: unknown = new EngineError("not-found", "fetch artifact", name, "artifact does not exist");
  const sources =
    row === null ? [] : pullSources(reference, connectingOf(context, { userAgent, flags: {}, signal }));
  for (const source of sources) {
    try {
      const client = new RegistryClient(source.domain, source.options);
      const top = row?.digest ?? "";
      const { bytes, contentType } = await client.fetchManifest(source.path, top, signal);
      if (digest === top) {
        writeBlob(context, bytes, { digest, isReplacing: true });
        return;
      }
      const manifest = readManifest(`read manifest: ${name}`, bytes, contentType);
      const all = manifest.kind === "index" ? [] : [manifest.config, ...manifest.layers];
      const blob = all.find((each) => each.digest === digest);
      if (blob === undefined) continue;
      const writer = new BlobWriter(context, blob.digest, blob.size);
      try {
        for await (const chunk of client.streamBlob(source.path, blob, signal)) writer.write(chunk);
        await writer.finish();
      } finally {
        writer.close();
      }
      return;
    } catch (error) {
      signal?.throwIfAborted();
      failure = error;
    }
  }
  throw failure;
}
