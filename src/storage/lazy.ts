/**
 * Images whose layers are still on their way. The directory `images/lazy/ID` of such an image holds what its tables of contents say (`index`), the pieces of files that have come
 * (`data`, and a byte for each in `there`), and `plan.json`. A process of its own, the fetcher (`proa __lazy`), holds the lock there, brings the layers and the pieces that are wanted
 * at once, and ends when all layers are in; the directory goes then. Where it was killed, the next one who needs the image starts another: a command, or a container that reads what is missing (`native/fetcher.h`).
 */
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { EngineError, type ErrorCode } from "../error";
import { flock, type LazyLayers, LOCK_EX, LOCK_NB } from "../helper";
import { type Digest, hexOf } from "../oci";
import { type Context, imageConfig, isStillAt, layersOfImage } from "../state";
import type { Driver } from "./driver";
import { layerKind, layersDirectory } from "./layers";

export type LazyPlan = {
  /** Digest of the config. */
  imageId: string;
  /** `HOST/PATH@DIGEST`, and how its registry is spoken to; never a password. */
  reference: string;
  platform?: string | undefined;
  flags: { tlsVerify?: boolean | undefined; authFile?: string | undefined; certDir?: string | undefined };
  userAgent: string;
  /** Kind of the layers (`layerKind()`) that the index is for. */
  kind: string;
  socket: string;
  /** Mode of the uppermost layer's root. */
  rootMode: number;
  /** Small files of the image, by path; null where it has none. */
  files: Record<string, string | null>;
  /** In which `there` was written: what was there before a crash of the host is not trusted. */
  bootId: string;
};

/** What the fetcher is told on its stdin. */
export type LazyRequest = {
  /** What to pull; or the image of a plan, whose fetching is to go on. */
  image: { name: string; platform?: string | undefined; policy: string } | { id: string };
  flags: object;
  userAgent: string;
};

/** What it answers, one line. */
export type LazyAnswer =
  | { ready: { imageId: string; isLazy: boolean; name: string | null; digest?: string } }
  /** There is no table of contents, or something else in the way. */
  | { plain: string }
  | { error: { code: ErrorCode; what: string; why: string; hint?: string; exitCode: number } };

export function lazyDirectory(context: Context, imageId: string): string {
  return join(context.paths.images, "lazy", hexOf(imageId as Digest));
}

export function readPlan(context: Context, imageId: string): LazyPlan | null {
  try {
    return JSON.parse(readFileSync(join(lazyDirectory(context, imageId), "plan.json"), "utf8")) as LazyPlan;
  } catch {
    return null;
  }
}

/** The descriptor that holds the lock of the image's directory, which is made; null where a fetcher has it. */
export function lockLazy(context: Context, imageId: string): number | null {
  const directory = lazyDirectory(context, imageId);
  const path = join(directory, "lock");
  for (;;) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const fd = openSync(path, "a", 0o600);
    const isOurs = flock(fd, LOCK_EX | LOCK_NB);
    if (isOurs && isStillAt(path, fd)) return fd;
    closeSync(fd);
    if (!isOurs) return null; // else its directory has just been removed
  }
}

/** Whether a fetcher is at work for the image. */
export function isFetching(context: Context, imageId: string): boolean {
  if (!existsSync(lazyDirectory(context, imageId))) return false;
  let fd: number;
  try {
    fd = openSync(join(lazyDirectory(context, imageId), "lock"), "r+");
  } catch {
    return false;
  }
  try {
    return !flock(fd, LOCK_EX | LOCK_NB);
  } finally {
    closeSync(fd);
  }
}

/** Why the last fetcher has given up; undefined where it has not. */
export function lazyFailure(context: Context, imageId: string): string | undefined {
  try {
    return readFileSync(join(lazyDirectory(context, imageId), "failure"), "utf8").trim();
  } catch {
    return undefined;
  }
}

/**
 * Start a fetcher and wait until it says that the image can be used, or why not. It goes on by itself then.
 *
 * @throws EngineError what the fetcher has failed with
 */
export async function startFetcher(
  context: Context,
  driver: Driver,
  request: LazyRequest,
  signal?: AbortSignal,
): Promise<Exclude<LazyAnswer, { error: unknown }>> {
  const child = Bun.spawn(fetcherArgs(context, driver), {
    stdin: new TextEncoder().encode(JSON.stringify(request)),
    stdout: "pipe",
    stderr: "ignore",
    cwd: "/",
    env: { ...context.env },
    detached: true,
  });
  const stop = () => child.kill("SIGTERM");
  signal?.addEventListener("abort", stop, { once: true });
  try {
    const answer = await firstLine(child.stdout);
    signal?.throwIfAborted();
    if (answer === undefined)
      throw new EngineError("helper", "fetch image", "", "the process that fetches it has ended");
    const parsed = JSON.parse(answer) as LazyAnswer;
    if ("error" in parsed) {
      const { code, what, why, hint, exitCode } = parsed.error;
      throw new EngineError(code, what, "", why, { hint, exitCode });
    }
    return parsed;
  } finally {
    signal?.removeEventListener("abort", stop);
    child.unref();
  }
}

function fetcherArgs(context: Context, driver: Driver): string[] {
  const globals = existsSync(context.paths.config) ? ["--config", context.paths.config] : [];
  return [process.execPath, ...globals, "--storage-driver", driver.name, "__lazy"];
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string | undefined> {
  const decoder = new TextDecoder();
  const reader = stream.getReader();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return undefined;
      text += decoder.decode(value, { stream: true });
      const end = text.indexOf("\n");
      if (end >= 0) return text.slice(0, end);
    }
  } finally {
    void reader.cancel().catch(() => undefined);
  }
}

/** The image's layers as they are now, with a fetcher at work for those that are missing; null where it cannot be used before they are here. */
export async function lazyLayers(
  context: Context,
  driver: Driver,
  imageId: string,
): Promise<{ layers: LazyLayers; plan: LazyPlan } | null> {
  const plan = readPlan(context, imageId);
  const kind = layerKind(context, driver);
  if (plan === null || driver.name !== "overlay" || plan.kind !== kind) return null;
  if (!isFetching(context, imageId)) {
    const answer = await resume(context, driver, plan);
    if (!("ready" in answer) || !answer.ready.isLazy) return null;
  }
  const directory = lazyDirectory(context, imageId);
  const layers = layersDirectory(context, kind);
  const fetcher = { args: fetcherArgs(context, driver), request: JSON.stringify(again(plan)) };
  return { layers: { directory, layers, socket: plan.socket, fetcher }, plan };
}

/** What a fetcher is told that goes on where another was. */
function again({ imageId, userAgent, flags }: LazyPlan): LazyRequest {
  return { image: { id: imageId }, flags, userAgent };
}

function resume(context: Context, driver: Driver, plan: LazyPlan) {
  return startFetcher(context, driver, again(plan));
}

/** Remove what is left of images that are gone or whole, and of fetchers that were killed before there was an image. */
export function removeStaleLazy(context: Context): void {
  for (const hex of namesIn(join(context.paths.images, "lazy"))) {
    const imageId = `sha256:${hex}`;
    const fd = lockLazy(context, imageId);
    if (fd === null) continue;
    try {
      if (!isWaitedFor(context, imageId))
        rmSync(lazyDirectory(context, imageId), { recursive: true, force: true });
    } finally {
      closeSync(fd);
    }
  }
}

/** The image is known, and misses layers of the kind that its plan is for. */
function isWaitedFor(context: Context, imageId: string): boolean {
  const plan = readPlan(context, imageId);
  if (plan === null || imageConfig(context.db(), imageId) === null) return false;
  return layersOfImage(context.db(), imageId, plan.kind).some(({ is_present }) => is_present === 0);
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // no image has ever been on its way
  }
}

const PAUSE_MS = 20;

/** Wait until all layers of an image that is on its way are here. Does nothing for any other. */
export async function awaitLayers(context: Context, driver: Driver, imageId: string): Promise<void> {
  for (let starts = 0; ; ) {
    const plan = readPlan(context, imageId);
    if (plan === null) return;
    if (isFetching(context, imageId)) {
      await Bun.sleep(PAUSE_MS);
      continue;
    }
    const failure = lazyFailure(context, imageId);
    if (starts > 0 && failure !== undefined)
      throw new EngineError("registry", "fetch layers", plan.reference, failure);
    if (starts >= 3) return; // whoever needs the layers says what is missing
    starts++;
    await resume(context, driver, plan);
  }
}
