import { closeSync, existsSync, openSync, renameSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";
import { callHelper, HelperError, type LayerApplyReply, type Running, startHelper } from "../helper";
import { type Digest, hexOf } from "../oci";
import { type Context, insertLayer, layerSize, makePrivateDirectory } from "../state";
import { makeMappedDirectory } from "./_owner";
import { makeTemporary, type Temporary } from "./_temporary";
import { blobPath, hintForSpace } from "./content";
import type { Driver } from "./driver";

/**
 * Unpacked layers: `layers/KIND/CHAINID`. A layer is unpacked by the helper under a temporary name and becomes visible by one rename;
 * its row follows. Two processes may unpack the same layer: the first rename wins, the other's copy is thrown away.
 */

export function layersDirectory(context: Context, kind: string): string {
  return join(context.paths.layers, kind);
}

export function layerPath(context: Context, kind: string, chainId: string): string {
  return join(layersDirectory(context, kind), hexOf(chainId as Digest));
}

/**
 * The kind of the layers that DRIVER uses here. Where only one id can be mapped every file was given to it, which must not be taken for the
 * image's own owners once there are more.
 */
export function layerKind(context: Context, driver: Pick<Driver, "kind">): string {
  return context.host().kind === "single" ? `${driver.kind}-one-id` : driver.kind;
}

/** The directory of the layers of a kind, made where it is missing. */
export function ensureLayersDirectory(context: Context, kind: string): string {
  const directory = layersDirectory(context, kind);
  makePrivateDirectory(context.paths.layers, context.uid);
  makePrivateDirectory(directory, context.uid);
  return directory;
}

/** Bytes of the layer's tar if it is unpacked here, else null. */
export function unpackedSize(context: Context, driver: Driver, chainId: Digest): number | null {
  const kind = layerKind(context, driver);
  const size = layerSize(context.db(), chainId, kind);
  return size !== null && existsSync(layerPath(context, kind, chainId)) ? size : null;
}

export type LayerToUnpack = { chainId: Digest; diffId: Digest; parent: Digest | undefined };

/**
 * One layer on its way to the disk. Feed it with `write()` and call `finish()`, or give it a descriptor of the whole blob. `abandon()` must
 * be called in the end; after `finish()` it does nothing. Which layer it is need not be known before `finish()`, where the driver unpacks each by itself.
 */
export class LayerWriter {
  readonly #context: Context;
  readonly #driver: Driver;
  #layer: LayerToUnpack | undefined;
  readonly #temporary: Temporary;
  readonly #running: Running<LayerApplyReply>;
  #hasFailed: unknown;

  private constructor(
    context: Context,
    driver: Driver,
    layer: LayerToUnpack | undefined,
    temporary: Temporary,
    running: Running<LayerApplyReply>,
  ) {
    this.#context = context;
    this.#driver = driver;
    this.#layer = layer;
    this.#temporary = temporary;
    this.#running = running;
    running.reply.catch((error) => {
      this.#hasFailed = error; // finish() throws it; until then nobody waits for the promise
    });
  }

  /** @param source `"stream"`, or a descriptor of the blob, which the caller closes after `finish()` */
  static async start(
    context: Context,
    driver: Driver,
    layer: LayerToUnpack | undefined,
    source: "stream" | number,
  ): Promise<LayerWriter> {
    const temporary = makeTemporary(ensureLayersDirectory(context, layerKind(context, driver)));
    try {
      makeMappedDirectory(context, temporary.path, 0o755);
      if (driver.needsParent && layer?.parent !== undefined) {
        const from = layerPath(context, layerKind(context, driver), layer.parent);
        const { mappings } = context.host();
        await callHelper(context.paths.cache, "copy-tree", { from, to: temporary.path, mappings });
      }
      const { mappings, kind } = context.host();
      const request = {
        layerFd: 0,
        compression: "auto" as const,
        target: temporary.path,
        whiteouts: driver.whiteouts,
        diffId: layer?.diffId ?? "",
        mappings,
        squashOwners: kind === "single",
      };
      const running = startHelper(context.paths.cache, "layer-apply", request, {
        stdin: source === "stream" ? "pipe" : source,
      });
      return new LayerWriter(context, driver, layer, temporary, running);
    } catch (error) {
      await discard(context, temporary);
      throw wrap(layer, error);
    }
  }

  /** Which layer it is: for what errors say, from here on. */
  identify(layer: LayerToUnpack): void {
    this.#layer ??= layer;
  }

  /** Hand over a piece of the blob. Returns a promise when the helper is behind: wait for it before the next piece. */
  write(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#hasFailed !== undefined) throw wrap(this.#layer, this.#hasFailed);
    try {
      const written = this.#running.stdin?.write(chunk);
      return written instanceof Promise ? this.#settle(written) : undefined;
    } catch (error) {
      return this.#explain(error);
    }
  }

  /**
   * The blob is complete. Makes the layer visible. Returns the bytes of its uncompressed tar.
   *
   * @param known which layer it is, where that was not known at the start
   */
  async finish(known?: Promise<LayerToUnpack>): Promise<number> {
    known?.catch(() => undefined); // where the helper has failed nobody waits for it
    try {
      await this.#running.stdin?.end();
    } catch (error) {
      await this.#explain(error);
    }
    const reply = await this.#running.reply.catch((error: unknown) => {
      throw wrap(this.#layer, error);
    });
    const layer = this.#layer ?? (await known);
    if (layer === undefined) throw new RangeError("a layer of which nobody says which it is");
    this.#layer = layer;
    if (reply.diffId !== layer.diffId) {
      const why = `unpacked to ${reply.diffId}, but the image's config says ${layer.diffId}`;
      throw new EngineError("digest-mismatch", "unpack layer", layer.chainId, why);
    }
    await this.#publish(layer.chainId, reply.sizeBytes);
    this.#temporary.release();
    return reply.sizeBytes;
  }

  /** Stop, and leave nothing behind. */
  async abandon(): Promise<void> {
    this.#running.kill();
    await this.#running.reply.catch(() => undefined);
    await discard(this.#context, this.#temporary);
  }

  async #publish(chainId: Digest, sizeBytes: number): Promise<void> {
    const { noteUnsynced } = await import("./unsynced");
    const kind = layerKind(this.#context, this.#driver);
    const path = layerPath(this.#context, kind, chainId);
    try {
      noteUnsynced(this.#context, kind, hexOf(chainId));
      this.#rename(path, layerSize(this.#context.db(), chainId, kind) === null);
    } catch (error) {
      throw wrap(this.#layer, error);
    }
    (await import("./share")).noteFresh(this.#context, kind, chainId, sizeBytes);
    insertLayer(this.#context.db(), {
      chain_id: chainId,
      kind,
      size_bytes: sizeBytes,
      created_ms: this.#context.now(),
    });
  }

  /** @param isTaken whether what lies there already may be replaced: it has no row, so that nobody has said that it is whole */
  #rename(path: string, isTaken: boolean): void {
    try {
      renameSync(this.#temporary.path, path);
    } catch (error) {
      // Somebody else has unpacked the same layer meanwhile; ours is thrown away by abandon().
      const code = (error as NodeJS.ErrnoException).code;
      if (code !== "EEXIST" && code !== "ENOTEMPTY") throw error;
      if (!isTaken) return;
      const old = makeTemporary(layersDirectory(this.#context, layerKind(this.#context, this.#driver)));
      renameSync(path, old.path);
      old.abandon();
      this.#rename(path, false);
    }
  }

  async #settle(written: Promise<number>): Promise<void> {
    try {
      await written;
    } catch (error) {
      await this.#explain(error);
    }
  }

  /** The helper has closed its end: what it says is the reason, not the broken pipe. */
  async #explain(error: unknown): Promise<never> {
    await this.#running.reply.catch((reason: unknown) => {
      throw wrap(this.#layer, reason);
    });
    throw wrap(this.#layer, error);
  }
}

/** Unpack a layer whose blob is at hand. Returns the bytes of its uncompressed tar. */
export async function unpackBlob(
  context: Context,
  driver: Driver,
  layer: LayerToUnpack,
  blobFd: number,
): Promise<number> {
  const writer = await LayerWriter.start(context, driver, layer, blobFd);
  try {
    return await writer.finish();
  } finally {
    await writer.abandon();
  }
}

/** Like `unpackBlob()`, of a blob in the store. */
export async function unpackStoredLayer(
  context: Context,
  driver: Driver,
  layer: LayerToUnpack,
  blob: Digest,
): Promise<number> {
  const fd = openSync(blobPath(context, blob), "r");
  try {
    return await unpackBlob(context, driver, layer, fd);
  } finally {
    closeSync(fd);
  }
}

/** Remove a temporary directory, in the user namespace where its files belong to mapped ids, and give up its name. */
export async function discard(context: Context, temporary: Temporary): Promise<void> {
  try {
    if (existsSync(temporary.path)) await removeTree(context, temporary.path);
    temporary.release();
  } catch (error) {
    temporary.abandon(); // the next cleaner finds it by its lock file
    throw error;
  }
}

async function removeTree(context: Context, path: string): Promise<void> {
  const { mappings } = context.host();
  await callHelper(context.paths.cache, "remove-tree", { paths: [path], mappings });
}

function wrap(layer: LayerToUnpack | undefined, error: unknown): Error {
  if (error instanceof EngineError && error.what === "unpack layer") return error;
  const code = error instanceof HelperError ? error.facts.errno : (error as NodeJS.ErrnoException).code;
  const more = error instanceof EngineError ? { hint: error.hint } : hintForSpace(error);
  const isSpace = code === "ENOSPC" || code === "EDQUOT";
  return new EngineError(isSpace ? "io" : "helper", "unpack layer", layer?.diffId ?? "", error, more);
}
