/** What a container has become, as an image. */
import { EngineError } from "../error";
import { callHelper, type Packed } from "../helper";
import { type NewLayer, newName, writeImage } from "../image";
import { type ConfigDocument, type ContainerSpec, changedConfig, type Digest } from "../oci";
import { type ContainerRow, type Context, emit, imageConfig } from "../state";
import { receiveBlob, whileKept } from "../storage";
import { diffRequest } from "./changes";
import { packRoot } from "./export";
import { tell } from "./journal";
import { liveState } from "./live";
import { pauseContainer } from "./pause";
import { openContainerFiles } from "./root-files";
import { specOf } from "./spec";

export type CommitOptions = {
  /** null: the image is known by its id alone. */
  name: string | null;
  author: string;
  comment: string;
  /** Instructions of a Dockerfile. */
  changes: readonly string[];
  /** Let the container stand still meanwhile. */
  pause: boolean;
  /** One layer that holds everything. */
  squash: boolean;
  format: "oci" | "docker";
  /** What is in its volumes becomes part of the image. */
  includeVolumes: boolean;
};

/** Returns the image's id. Throws `invalid` before anything is written. */
export async function commitContainer(
  context: Context,
  row: ContainerRow,
  options: CommitOptions,
): Promise<Digest> {
  if (options.name !== null) newName(options.name);
  const spec = specOf(context, row);
  const config = changedConfig(configOf(context, row, spec), options.changes);
  const goOn = options.pause ? await standStill(context, row) : null;
  let id: Digest;
  try {
    id = await whileKept(context, async () => {
      // a root that is a directory of the host has no image below it
      const squash = options.squash || row.image_id === null;
      const layers = [squash ? await wholeLayer(context, row) : await changedLayer(context, row)];
      if (options.includeVolumes) layers.push(...(await volumeLayers(context, row, spec)));
      return writeImage(context, {
        base: squash || row.image_id === null ? null : { id: row.image_id },
        layers,
        config,
        author: options.author,
        comment: options.comment,
        createdBy: spec.Cmd.join(" "),
        format: options.format,
        name: options.name,
      });
    });
  } finally {
    await goOn?.();
  }
  tell(context, row, "commit", { comment: options.comment, imageID: id, imageRef: options.name ?? "" }, spec);
  if (options.name !== null) {
    emit(context, { Type: "image", Action: "tag", ID: id, Attributes: { name: newName(options.name).name } });
  }
  return id;
}

/** Pause a container that runs. Returns what lets it go on, or null where it stands still already. */
async function standStill(context: Context, row: ContainerRow): Promise<(() => Promise<void>) | null> {
  if (row.status !== "running" || liveState(context, row)?.status !== "running") return null;
  try {
    await pauseContainer(context, row, true);
  } catch (error) {
    if (error instanceof EngineError && error.code === "not-running") return null; // it has just ended
    throw error;
  }
  let isOver = false;
  const goOn = async (): Promise<void> => {
    if (isOver) return;
    isOver = true;
    process.off("SIGINT", interrupted).off("SIGTERM", interrupted);
    await pauseContainer(context, row, false).catch(() => {}); // it has ended meanwhile
  };
  // a container must not be left standing by a key
  const interrupted = (signal: NodeJS.Signals): void => {
    void goOn().finally(() => process.kill(process.pid, signal));
  };
  process.once("SIGINT", interrupted).once("SIGTERM", interrupted);
  return goOn;
}

async function changedLayer(context: Context, row: ContainerRow): Promise<NewLayer> {
  const request = await diffRequest(context, row, "commit");
  const packed = await receiveBlob(context, async (fd) => {
    // one that has never had files of its own: an empty layer
    if (request === null) return packNothing(context, fd);
    return callHelper(
      context.paths.cache,
      "layer-diff",
      { ...request, list: false, gzip: true, dataFd: fd },
      fd,
    );
  });
  return layerOf(packed);
}

async function packNothing(context: Context, fd: number): Promise<Packed> {
  const { mkdtempSync, rmdirSync } = await import("node:fs");
  const empty = mkdtempSync(`${context.paths.containers}/empty-`);
  try {
    const request = {
      upper: empty,
      lower: [],
      target: empty,
      mounts: [],
      overlay: false,
      list: false,
      gzip: true,
    };
    return await callHelper(
      context.paths.cache,
      "layer-diff",
      { ...request, mappings: context.host().mappings, dataFd: fd },
      fd,
    );
  } finally {
    rmdirSync(empty);
  }
}

async function wholeLayer(context: Context, row: ContainerRow): Promise<NewLayer> {
  return layerOf(
    await receiveBlob(context, (fd) => packRoot(context, row, fd, { gzip: true, digests: true })),
  );
}

/** A layer for each of its volumes, with the directories that lead there. */
async function volumeLayers(context: Context, row: ContainerRow, spec: ContainerSpec): Promise<NewLayer[]> {
  const layers: NewLayer[] = [];
  for (const { Destination } of spec.MountPoints ?? []) {
    const path = Destination.replace(/\/+$/, "");
    const packed = await receiveBlob(context, async (fd) => {
      const opened = await openContainerFiles(context, row, { dataFd: fd });
      try {
        const question = {
          path,
          base: path.slice(1),
          follow: true,
          owners: "keep" as const,
          gzip: true,
          digests: true,
        };
        opened.files.ask({ do: "pack", ...question });
        return opened.files.hear<Packed>();
      } finally {
        opened.close();
      }
    });
    layers.push(layerOf(packed));
  }
  return layers;
}

function layerOf(packed: Packed): NewLayer {
  return {
    digest: packed.digest as Digest,
    diffId: packed.diffId as Digest,
    storedBytes: packed.storedBytes,
    sizeBytes: packed.sizeBytes,
  };
}

/** How the container runs, as an image says it. */
function configOf(context: Context, row: ContainerRow, spec: ContainerSpec): ConfigDocument {
  const text = row.image_id === null ? null : imageConfig(context.db(), row.image_id);
  const image = (
    text === null ? {} : ((JSON.parse(text) as { config?: ConfigDocument }).config ?? {})
  ) as ConfigDocument;
  const list = <T>(values: readonly T[]): T[] | undefined => (values.length > 0 ? [...values] : undefined);
  const set = (values: Record<string, Record<string, never>> | undefined) =>
    values && Object.keys(values).length > 0 ? values : undefined;
  return withoutAbsent({
    ...image,
    User: spec.User || undefined,
    ExposedPorts: set(spec.ExposedPorts),
    Env: list(lastOfEach(spec.Env)),
    Entrypoint: list(spec.Entrypoint),
    Cmd: list(spec.Cmd),
    Volumes: set(spec.Volumes),
    WorkingDir: spec.WorkingDir || undefined,
    Labels: Object.keys(spec.Labels).length > 0 ? spec.Labels : undefined,
    StopSignal: spec.StopSignal || undefined,
    Healthcheck: (spec.Healthcheck as Record<string, unknown> | undefined) ?? image.Healthcheck,
  });
}

function withoutAbsent(
  config: { [K in keyof ConfigDocument]: ConfigDocument[K] | undefined },
): ConfigDocument {
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined));
}

/** Of lines with the same name the last one, at the place of the first. */
function lastOfEach(env: readonly string[]): string[] {
  const lines = new Map<string, string>();
  for (const line of env) lines.set(line.split("=", 1)[0] ?? "", line);
  return [...lines.values()];
}
