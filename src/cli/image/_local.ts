/** Images from archives and directories that are named like one of a registry: `oci-archive:web.tar`. */
import {
  fetchLocal,
  hasTransport,
  type LoadedImage,
  type LocalTransport,
  parseTransport,
  saveArchive,
  saveDirectory,
} from "../../image";
import { formatReference, parseReference, withDefaultTag } from "../../oci";
import type { App } from "../app";
import { pullProgressView } from "../output/progress";
import type { ProgressMode } from "../output/progress-modes";
import { toFile } from "./_output-file";
import { untilInterrupted } from "./_signals";

type LocalOptions = {
  platform: string | undefined;
  quiet: boolean;
  progress?: ProgressMode;
  signaturePolicy?: string | undefined;
};

/** @param single refuse an archive of several of which none is named */
export async function obtainLocal(
  app: App,
  transport: LocalTransport,
  options: LocalOptions & { single: boolean },
): Promise<LoadedImage[]> {
  const view = options.quiet
    ? undefined
    : pullProgressView(app.io.stderr, { env: app.env, mode: options.progress });
  return untilInterrupted(`pull image: ${transport.kind}:${transport.path}`, (signal) =>
    fetchLocal(app.context, transport, {
      platform: options.platform,
      single: options.single,
      policyFile: options.signaturePolicy,
      signal,
      onProgress: (progress) => {
        if (progress.kind === "layer") view?.update(progress);
      },
    }),
  ).finally(() => view?.finish());
}

/**
 * What `pull` prints for a name with a transport: the names of the images that have come, and the ids of those that have none. Undefined where TEXT has
 * no transport, or `docker://`.
 */
export async function pullLocal(app: App, text: string, options: LocalOptions): Promise<string | undefined> {
  const transport = hasTransport(text) ? parseTransport(text) : undefined;
  if (transport === undefined || transport.kind === "docker") return undefined;
  const loaded = await obtainLocal(app, transport, { ...options, single: false });
  return loaded.flatMap(({ id, names }) => (names.length > 0 ? names : [id])).join("\n");
}

const formats = {
  "docker-archive": "docker-archive",
  "oci-archive": "oci-archive",
  oci: "oci-dir",
  dir: "docker-dir",
} as const;

/** What `push` does where the destination is a file or a directory. */
export async function pushLocal(app: App, image: string, transport: LocalTransport): Promise<void> {
  const { kind, path, reference } = transport;
  const isWhole = kind === "docker-archive"; // its names are whole ones, those of layouts are free
  const name = isWhole && reference ? formatReference(withDefaultTag(parseReference(reference))) : reference;
  const names = name === undefined ? [] : [name];
  await untilInterrupted("push image", async (signal) => {
    const options = { format: formats[kind], names, signal };
    if (kind === "oci" || kind === "dir") return saveDirectory(app.context, [image], options, path);
    return toFile(path, (write) => saveArchive(app.context, [image], options, write));
  });
}
