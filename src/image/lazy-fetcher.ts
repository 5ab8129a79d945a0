/**
 * The fetcher of an image whose containers may start before its layers are here: an ordinary pull, which records the image as soon as its tables of contents have been read, and beside
 * it a socket at which the containers' file systems (`native/lazy_data.h`) ask for pieces that they need now. Those are fetched by Range, or taken from what the pull has already, checked
 * against the table's digest, and go before the rest: the pull pauses meanwhile. When it is done the layers are as those of any image, and this process ends.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { EngineError, reasonOf } from "../error";
import { chainIdsOf, type Descriptor, type Digest, hexOf, repositoryOf } from "../oci";
import type { RegistryFlags } from "../registry";
import { type Context, deleteDropped, imageConfig, makePrivateDirectory, setImageSize } from "../state";
import {
  type BlobWriter,
  blobPath,
  hasBlob,
  isFetching,
  type LazyAnswer,
  type LazyPlan,
  type LazyRequest,
  layerKind,
  layerPath,
  lazyDirectory,
  lockLazy,
  readFromStack,
  readPlan,
  unpackedSize,
} from "../storage";
import { Gate } from "./_gate";
import type { LayerSource } from "./_layers";
import { type IndexedChunk, type IndexedLayer, makeIndex } from "./_lazy-index";
import { find, type TreeNode, treeOf } from "./_lazy-tree";
import { assertContentLimit, type Contents, contentBytes, fetchContents, openChunk } from "./_toc";
import { hasContents } from "./_toc-format";
import { type Beforehand, type KnownImage, type PullPolicy, pullImage } from "./pull";

const rangesLimit = 6; // at once, of what is wanted now
const windowBytes = 1 << 20; // of a blob, fetched together: neighbours are often wanted next
const retriesLimit = 5; // of the whole pull, where the registry fails
const firstRetryMs = 1000;
const lookMs = 2000; // until it is seen that the image was removed
const EIO = 5;

/** What is read of an image before its container starts. */
const smallFiles = ["/etc/passwd", "/etc/group"];
const smallLimitBytes = 1 << 20;

/**
 * Bring the image of REQUEST, and serve its containers meanwhile. Returns when there is nothing left to do.
 *
 * @param tell the one answer to who waits for the image; nothing is said afterwards
 */
export async function fetchLazily(
  context: Context,
  request: LazyRequest,
  tell: (answer: LazyAnswer) => void,
): Promise<void> {
  const fetcher = new Fetcher(context, request, tell);
  try {
    await fetcher.run();
  } finally {
    fetcher.close();
  }
}

/** Thrown out of the pull: another fetcher is at work for the image. */
class Served extends EngineError {
  constructor(readonly imageId: Digest) {
    super("in-use", "fetch image", imageId, "another process fetches it");
  }
}

class Fetcher {
  readonly #context: Context;
  readonly #request: LazyRequest;
  readonly #stop = new AbortController();
  #tell: ((answer: LazyAnswer) => void) | undefined;
  #service: Service | undefined;
  #opened: Service | undefined; // and not yet, perhaps, in use
  #lockFd: number | undefined;
  #plain: string | undefined;

  constructor(context: Context, request: LazyRequest, tell: (answer: LazyAnswer) => void) {
    this.#context = context;
    this.#request = request;
    this.#tell = tell;
  }

  async run(): Promise<void> {
    const watch = setInterval(() => this.#look(), lookMs);
    try {
      await this.#pullRepeatedly();
    } catch (error) {
      if (this.#plain !== undefined) this.#answer({ plain: this.#plain });
      else if (this.#tell !== undefined) this.#answer(answerOf(error));
      else this.#fail(error);
    } finally {
      clearInterval(watch);
    }
  }

  close(): void {
    this.#opened?.close();
    if (this.#lockFd !== undefined) closeSync(this.#lockFd);
  }

  /** The registry may come back. */
  async #pullRepeatedly(): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#pull();
      } catch (error) {
        const isOver = this.#tell !== undefined || this.#service === undefined || this.#stop.signal.aborted;
        const isOfRegistry =
          error instanceof EngineError && (error.code === "registry" || error.code === "unauthorized");
        if (isOver || !isOfRegistry || tries > retriesLimit) throw error;
        await Bun.sleep(firstRetryMs * 2 ** (tries - 1));
      }
    }
  }

  async #pull(): Promise<void> {
    const { image, userAgent } = this.#request;
    const plan = "id" in image ? readPlan(this.#context, image.id) : null;
    if ("id" in image && plan === null)
      throw new EngineError("not-found", "fetch image", image.id, "no plan");
    const name = plan?.reference ?? ("name" in image ? image.name : "");
    const platform = plan?.platform ?? ("platform" in image ? image.platform : undefined);
    // When it is recorded the second try must not find it in the store.
    const policy = "policy" in image && this.#service === undefined ? (image.policy as PullPolicy) : "always";
    const flags = this.#request.flags as RegistryFlags;
    let named: string | undefined;
    try {
      const pulled = await pullImage(this.#context, name, {
        policy,
        platform,
        userAgent,
        flags,
        signal: this.#stop.signal,
        onKnown: (known) => this.#begin(known),
        onProgress: (progress) => {
          if (progress.kind === "resolved") named = progress.digest;
        },
      });
      await this.#end(pulled.id, pulled.name ?? null, named);
    } catch (error) {
      for (let at = error; at instanceof Error; at = at.cause) {
        if (!(at instanceof Served)) continue;
        if (!(await this.#awaitOther(at.imageId))) return this.#pull();
        this.#answer({ ready: { imageId: at.imageId, isLazy: true, name: null } });
        return;
      }
      throw error;
    }
  }

  /** Whether the image can be used; false where the other fetcher has ended before that. */
  async #awaitOther(imageId: Digest): Promise<boolean> {
    const isReady = () =>
      readPlan(this.#context, imageId) !== null && imageConfig(this.#context.db(), imageId) !== null;
    while (!isReady()) {
      if (!isFetching(this.#context, imageId)) return isReady();
      await Bun.sleep(20);
    }
    return true;
  }

  #answer(answer: LazyAnswer): void {
    this.#tell?.(answer);
    this.#tell = undefined;
  }

  /** Everything but the layers is known. */
  async #begin(known: KnownImage): Promise<Beforehand | null> {
    if (this.#service !== undefined) {
      this.#service.renew(known); // a further try: what was agreed on stays
      return this.#service.beforehand();
    }
    const { context, driver, config, layers } = known;
    const chain = chainIdsOf(config.diffIds);
    const isMissing = chain.map((chainId) => unpackedSize(context, driver, chainId) === null);
    if (!isMissing.includes(true)) return null; // nothing is on its way
    const unable = (why: string): never => {
      this.#plain = why;
      throw new EngineError("unsupported", "start before the layers are here", known.imageId, why);
    };
    if (driver.name !== "overlay") unable(`the storage driver is ${driver.name}, not overlay`);
    layers.forEach((layer, at) => {
      if (isMissing[at] && !hasContents(layer.annotations))
        unable(`layer ${layer.digest.slice(0, 19)} has no table of contents`);
    });
    let stack: Layer[] = [];
    try {
      stack = await describe(known, chain, isMissing);
    } catch (error) {
      if (
        !(error instanceof EngineError) ||
        !["invalid", "unsupported", "digest-mismatch"].includes(error.code)
      )
        throw error;
      unable(reasonOf(error));
    }
    const lockFd = lockLazy(context, known.imageId);
    if (lockFd === null) throw new Served(known.imageId);
    this.#lockFd = lockFd;
    const before = readPlan(context, known.imageId);
    const isSame = before?.reference.endsWith(`@${known.manifestDigest}`) === true;
    const service = new Service(known, stack, isSame ? before : null);
    this.#opened = service;
    await service.open(this.#request);
    // Not before: an image that is recorded has a plan by which its layers can be brought.
    await known.record(stack.reduce((sum, { tree }) => sum + (tree === undefined ? 0 : sizeOfTree(tree)), 0));
    this.#service = service;
    this.#answer({
      ready: { imageId: known.imageId, isLazy: true, name: null, digest: known.manifestDigest },
    });
    return service.beforehand();
  }

  async #end(imageId: Digest, name: string | null, digest: string | undefined): Promise<void> {
    this.#answer({ ready: { imageId, isLazy: false, name, ...(digest === undefined ? {} : { digest }) } });
    if (this.#service === undefined) return;
    await Bun.sleep(500); // who is about to mount has seen a layer missing, and needs the index for a moment yet
    this.#service.remove();
  }

  /** The image may have been removed: then nobody waits for it. */
  #look(): void {
    const { imageId } = this.#service ?? {};
    if (imageId === undefined || imageConfig(this.#context.db(), imageId) !== null) return;
    this.#stop.abort(new EngineError("interrupted", "fetch image", imageId, "it was removed meanwhile"));
    this.#service?.remove();
  }

  #fail(error: unknown): void {
    const { imageId } = this.#service ?? {};
    if (imageId === undefined || this.#stop.signal.aborted) return;
    writeFileSync(join(lazyDirectory(this.#context, imageId), "failure"), `${reasonOf(error)}\n`);
  }
}

function answerOf(error: unknown): LazyAnswer {
  if (!(error instanceof EngineError))
    return { error: { code: "io", what: "fetch image", why: reasonOf(error), exitCode: 125 } };
  const { code, hint, exitCode, message } = error;
  return { error: { code, what: message, why: "", exitCode, ...(hint === undefined ? {} : { hint }) } };
}

/** A layer of the image; `tree` where it has a table of contents, which it has where it is missing. */
type Layer = {
  descriptor: Descriptor;
  name: string;
  contents: Contents | undefined;
  tree: TreeNode | undefined;
  directory: string;
};

async function describe(
  known: KnownImage,
  chain: readonly Digest[],
  isMissing: readonly boolean[],
): Promise<Layer[]> {
  const { context, driver, client, repository, signal } = known;
  const kind = layerKind(context, driver);
  const gate = new Gate(rangesLimit);
  const all = known.layers.map((descriptor, at) =>
    gate.pass(async (): Promise<Layer> => {
      const chainId = chain[at] ?? descriptor.digest;
      const layer = { descriptor, name: hexOf(chainId), directory: layerPath(context, kind, chainId) };
      if (!hasContents(descriptor.annotations)) return { ...layer, contents: undefined, tree: undefined };
      const contents = await fetchContents(descriptor, (from, size) =>
        client.fetchRange(repository, descriptor, from, size, signal),
      );
      const tree = treeOf(contents.entries);
      if (isMissing[at] && tree.isOpaque && at > 0)
        throw new EngineError("unsupported", "read table of contents", "", "it hides all layers below");
      checkOwners(context, tree);
      return { ...layer, contents, tree };
    }),
  );
  const stack = await Promise.all(all);
  const bytes = stack.map(({ contents }) => (contents === undefined ? 0 : contentBytes(contents)));
  assertContentLimit(
    known.imageId,
    bytes.reduce((sum, each) => sum + each, 0),
  );
  return stack;
}

/** An owner without a mapped id is the unpacker's to refuse, in its words. */
function checkOwners(context: Context, tree: TreeNode): void {
  const { mappings, kind } = context.host();
  if (kind === "single") return; // all is root's
  const covers = (map: typeof mappings.uid, id: number): boolean =>
    map.some(({ containerID, size }) => id >= containerID && id < containerID + size);
  const todo = [tree];
  for (let node = todo.pop(); node !== undefined; node = todo.pop()) {
    if (!covers(mappings.uid, node.uid) || !covers(mappings.gid, node.gid))
      throw new EngineError(
        "unsupported",
        "read table of contents",
        "",
        `owner ${node.uid}:${node.gid} is not mapped`,
      );
    todo.push(...node.children.values());
  }
}

/** About what a tar of it has. */
function sizeOfTree(tree: TreeNode): number {
  let bytes = 1024;
  const todo = [tree];
  for (let node = todo.pop(); node !== undefined; node = todo.pop()) {
    bytes += 512 + Math.ceil(node.size / 512) * 512;
    for (const child of node.children.values()) todo.push(child);
  }
  return bytes;
}

/** The pieces of an image, and those who ask for them. */
class Service {
  readonly #context: Context;
  #known: KnownImage;
  readonly #layers: Layer[];
  readonly #directory: string;
  readonly #socketPath: string;
  readonly #before: LazyPlan | null;
  readonly #indexed: Layer[];
  readonly #gate = new Gate(rangesLimit);
  readonly #underWay = new Map<number, Promise<void>>();
  readonly #writers = new Map<Digest, BlobWriter>();
  /** Numbers of the pieces of each indexed layer, in the order of the blob. */
  #inOrder: number[][] = [];
  #chunks: IndexedChunk[] = [];
  #there: Uint8Array = new Uint8Array(0);
  #dataFd = -1;
  #thereFd = -1;
  #wanted = 0;
  #onIdle: (() => void)[] = [];
  #listener: Bun.UnixSocketListener<{ partial: Buffer }> | undefined;

  constructor(known: KnownImage, layers: Layer[], before: LazyPlan | null) {
    this.#context = known.context;
    this.#known = known;
    this.#layers = layers;
    this.#before = before;
    this.#indexed = layers.filter(({ tree }) => tree !== undefined);
    this.#directory = lazyDirectory(known.context, known.imageId);
    this.#socketPath = join(
      known.context.paths.runtime,
      `lazy-${hexOf(known.manifestDigest).slice(0, 16)}.sock`,
    );
  }

  get imageId(): Digest {
    return this.#known.imageId;
  }

  renew(known: KnownImage): void {
    this.#known = known;
  }

  async open(request: LazyRequest): Promise<void> {
    const { context, imageId, reference, manifestDigest, platform } = this.#known;
    const index = makeIndex(
      this.#indexed.map(
        ({ name, contents, tree }, blob): IndexedLayer => ({
          name,
          blob,
          packing: contents?.packing ?? "zstd",
          root: tree as TreeNode,
        }),
      ),
      context.host().kind === "single",
    );
    this.#chunks = index.chunks;
    this.#inOrder = this.#indexed.map(() => []);
    index.chunks.forEach(({ layer }, number) => {
      this.#inOrder[layer]?.push(number);
    });
    for (const numbers of this.#inOrder)
      numbers.sort((a, b) => (this.#chunks[a]?.chunk.offset ?? 0) - (this.#chunks[b]?.chunk.offset ?? 0));
    const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    this.#openFiles(index.bytes, index.chunks.length, index.dataBytes, bootId);
    rmSync(join(this.#directory, "failure"), { force: true });
    makePrivateDirectory(context.paths.runtime, context.uid);
    this.#listen();
    this.#giveSocket();
    const files: Record<string, string | null> = {};
    for (const path of smallFiles) files[path] = await this.#smallFile(path);
    const { tlsVerify, authFile, certDir } = request.flags as RegistryFlags;
    const top = this.#layers.at(-1);
    const plan: LazyPlan = {
      imageId,
      reference: this.#before?.reference ?? `${repositoryOf(reference)}@${manifestDigest}`,
      platform:
        this.#before?.platform ??
        (platform && "platform" in request.image ? request.image.platform : undefined),
      flags: { tlsVerify, authFile, certDir },
      userAgent: request.userAgent,
      kind: layerKind(context, this.#known.driver),
      socket: this.#socketPath,
      rootMode: top?.tree?.mode ?? 0o755,
      files,
      bootId,
    };
    this.#replace("plan.json", JSON.stringify(plan));
  }

  #replace(name: string, content: string | Uint8Array): void {
    const temporary = join(this.#directory, `${name}.new`);
    writeFileSync(temporary, content, { mode: 0o600 });
    renameSync(temporary, join(this.#directory, name));
  }

  /** What came before is good where the index is the same, and the host has not crashed since. */
  #openFiles(index: Uint8Array, count: number, dataBytes: number, bootId: string): void {
    const at = (name: string) => join(this.#directory, name);
    const old = existsSync(at("index")) ? readFileSync(at("index")) : undefined;
    if (old === undefined || !old.equals(index) || this.#before?.bootId !== bootId) {
      for (const name of ["index", "data", "there"]) rmSync(at(name), { force: true });
      writeFileSync(at("there"), new Uint8Array(count), { mode: 0o600 });
      writeFileSync(at("data"), "", { mode: 0o600 });
      this.#replace("index", index);
    }
    this.#dataFd = openSync(at("data"), "r+");
    ftruncateSync(this.#dataFd, dataBytes);
    this.#thereFd = openSync(at("there"), "r+");
    this.#there = new Uint8Array(readFileSync(at("there")));
  }

  #listen(): void {
    try {
      unlinkSync(this.#socketPath);
    } catch {
      // nobody was here before
    }
    const answer = (socket: Bun.Socket<{ partial: Buffer }>, number: number, code: number): void => {
      const bytes = Buffer.alloc(8);
      bytes.writeUInt32LE(number, 0);
      bytes.writeUInt32LE(code, 4);
      if (socket.write(bytes) !== bytes.length) socket.terminate(); // it does not listen; it may come again
    };
    this.#listener = Bun.listen<{ partial: Buffer }>({
      unix: this.#socketPath,
      socket: {
        open: (socket) => {
          socket.data = { partial: Buffer.alloc(0) };
        },
        data: (socket, came) => {
          const bytes = Buffer.concat([socket.data.partial, came]);
          const whole = bytes.length - (bytes.length % 4);
          socket.data.partial = bytes.subarray(whole);
          for (let at = 0; at < whole; at += 4) {
            const number = bytes.readUInt32LE(at);
            this.#bring(number).then(
              () => answer(socket, number, 0),
              () => answer(socket, number, EIO),
            );
          }
        },
      },
    });
  }

  /** The file system's process is the container's root, who is another than the caller where that is the host's root. */
  #giveSocket(): void {
    const { context } = this.#known;
    chmodSync(this.#socketPath, 0o600);
    if (context.uid !== 0) return;
    const { uid, gid } = context.host().mappings;
    const idOf = (map: typeof uid) => map.find(({ containerID }) => containerID === 0)?.hostID ?? 0;
    chownSync(this.#socketPath, idOf(uid), idOf(gid));
  }

  /** Have a piece in the file of pieces. One fetch brings its neighbours, too. */
  async #bring(number: number): Promise<void> {
    if (number >= this.#chunks.length) throw new RangeError("no such piece");
    // As a neighbour it may come, but what has failed was perhaps another's fault.
    await this.#underWay.get(number)?.catch(() => undefined);
    if (this.#there[number] !== 1) await (this.#underWay.get(number) ?? this.#fetch(number));
  }

  #fetch(number: number): Promise<void> {
    const window = this.#window(number);
    this.#wanted++;
    const work = this.#gate
      .pass(() => this.#fetchWindow(window, number))
      .finally(() => {
        for (const each of window) this.#underWay.delete(each);
        if (--this.#wanted === 0) for (const go of this.#onIdle.splice(0)) go();
      });
    for (const each of window) this.#underWay.set(each, work);
    return work;
  }

  /** The piece, and those behind it in the blob that are neither here nor under way, up to a limit of bytes. */
  #window(number: number): number[] {
    const first = this.#chunks[number] as IndexedChunk;
    const order = this.#inOrder[first.layer] ?? [];
    const window = [number];
    for (let at = this.#placeOf(order, first.chunk.offset); at < order.length; at++) {
      const next = order[at] ?? 0;
      const chunk = this.#chunks[next]?.chunk;
      if (chunk === undefined || chunk.end - first.chunk.offset > windowBytes) break;
      const isOpen = next !== number && chunk.digest !== undefined && this.#there[next] !== 1;
      if (isOpen && !this.#underWay.has(next)) window.push(next);
    }
    return window;
  }

  #placeOf(order: readonly number[], offset: number): number {
    let [low, high] = [0, order.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#chunks[order[middle] ?? 0]?.chunk.offset ?? 0) < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  async #fetchWindow(window: readonly number[], asked: number): Promise<void> {
    const pieces = window.map((number) => ({ number, ...(this.#chunks[number] as IndexedChunk) }));
    const layer = this.#indexed[pieces[0]?.layer ?? 0] as Layer;
    const from = Math.min(...pieces.map(({ chunk }) => chunk.offset));
    const end = Math.max(...pieces.map(({ chunk }) => chunk.end));
    const bytes = await this.#bytesOf(layer.descriptor, from, end - from);
    const packing = layer.contents?.packing ?? "zstd";
    for (const { number, chunk, dataOffset } of pieces) {
      let plain: Uint8Array;
      try {
        plain = await openChunk(packing, chunk, bytes.subarray(chunk.offset - from, chunk.end - from));
      } catch (error) {
        if (number === asked) throw error;
        continue; // who asks for it learns of it
      }
      for (let done = 0; done < plain.length; )
        done += writeSync(this.#dataFd, plain, done, plain.length - done, dataOffset + done);
      writeSync(this.#thereFd, new Uint8Array([1]), 0, 1, number); // not before its bytes
      this.#there[number] = 1;
    }
  }

  /** From what the pull has already, else from the registry. */
  async #bytesOf(blob: Descriptor, from: number, size: number): Promise<Uint8Array> {
    const come = this.#writers.get(blob.digest)?.readBack(from, size);
    if (come) return come;
    if (hasBlob(this.#context, blob.digest, blob.size)) {
      const fd = openSync(blobPath(this.#context, blob.digest), "r");
      try {
        const bytes = new Uint8Array(size);
        for (let done = 0; done < size; ) {
          const got = readSync(fd, bytes, done, size - done, from + done);
          if (got === 0) break;
          done += got;
        }
        return bytes;
      } finally {
        closeSync(fd);
      }
    }
    const { client, repository, signal } = this.#known;
    return client.fetchRange(repository, blob, from, size, signal);
  }

  /** A small file as a container would see it; null where there is none. */
  async #smallFile(path: string): Promise<string | null> {
    let parts = path.split("/").filter((part) => part !== "");
    for (let links = 0; links < 10; links++) {
      const found = this.#lookUp(parts);
      if (found === null || found === "directory") return null;
      if (typeof found === "object" && "text" in found) return found.text;
      if (found.node.type === "reg") return this.#text(found);
      if (found.node.type !== "symlink") return null;
      const target = found.node.link;
      parts = resolved(target.startsWith("/") ? [] : parts.slice(0, -1), target);
    }
    return null;
  }

  /** Top first, as overlay merges. Layers without a table are directories that are here. */
  #lookUp(
    parts: readonly string[],
  ): { node: TreeNode; layer: number } | { text: string } | "directory" | null {
    for (const layer of this.#layers.toReversed()) {
      if (layer.tree === undefined) {
        const text = readFromStack([layer.directory], `/${parts.join("/")}`);
        if (text !== null) return { text };
        continue;
      }
      for (let depth = 1; depth <= parts.length; depth++) {
        const node = find(layer.tree, parts.slice(0, depth));
        if (node === undefined) break;
        if (node.type === "whiteout") return null;
        if (depth === parts.length)
          return node.type === "dir" ? "directory" : { node, layer: this.#indexed.indexOf(layer) };
        if (node.type !== "dir") return null; // a link on the way: who needs it reads it in the container
        if (node.isOpaque && find(layer.tree, parts) === undefined) return null;
      }
    }
    return null;
  }

  async #text({ node, layer }: { node: TreeNode; layer: number }): Promise<string | null> {
    if (node.size > smallLimitBytes) return null;
    const numbers = (this.#inOrder[layer] ?? []).filter((number) =>
      node.chunks.includes((this.#chunks[number] as IndexedChunk).chunk),
    );
    await Promise.all(numbers.map((number) => this.#bring(number)));
    const text = Buffer.alloc(node.size);
    for (const number of numbers) {
      const { chunk, dataOffset } = this.#chunks[number] as IndexedChunk;
      readSync(this.#dataFd, text, chunk.fileOffset, chunk.size, dataOffset);
    }
    return text.toString("utf8");
  }

  beforehand(): Beforehand {
    const { context, imageId } = this.#known;
    return {
      source: this.#pausing(this.#known.client),
      onBlob: (blob) => this.#writers.set(blob.digest, blob),
      finish: (sizeBytes) => {
        if (imageConfig(context.db(), imageId) === null)
          throw new EngineError("interrupted", "fetch image", imageId, "it was removed meanwhile");
        for (const { digest, size } of this.#known.layers)
          if (hasBlob(context, digest, size)) deleteDropped(context.db(), digest);
        setImageSize(context.db(), imageId, sizeBytes);
      },
    };
  }

  /** The same bytes; what somebody waits for goes first. */
  #pausing(client: LayerSource): LayerSource {
    const idle = async (): Promise<void> => {
      while (this.#wanted > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
    };
    return {
      async *streamBlob(repository, blob, signal) {
        for await (const chunk of client.streamBlob(repository, blob, signal)) {
          await idle();
          yield chunk;
        }
      },
    };
  }

  /** All is here, or nobody wants it. */
  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  close(): void {
    this.#listener?.stop(true);
    try {
      unlinkSync(this.#socketPath);
    } catch {
      // it never came to be
    }
    for (const fd of [this.#dataFd, this.#thereFd]) if (fd >= 0) closeSync(fd);
  }
}

function resolved(from: readonly string[], target: string): string[] {
  const parts = [...from];
  for (const part of target.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts;
}
