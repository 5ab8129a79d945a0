/**
 * A registry in this process whose every answer can be spoilt: written on the bare socket, so that it can lie about lengths and go away in the
 * middle. Connections are not kept.
 */
import { createServer, type Server, type Socket } from "node:net";
import { digestOf } from "../../src/oci";
import type { TestImage } from "../harness";

export type FakeRequest = { method: string; path: string; headers: Record<string, string> };

export type FakeAnswer = {
  status: number;
  headers?: Record<string, string>;
  body?: Uint8Array | string;
  /** The connection ends after so many bytes of the body. */
  cutAfter?: number;
  /** The connection stays open after what was sent, and silent. */
  isHeld?: boolean;
  /** Nothing is sent for so long. */
  delayMs?: number;
  /** The body comes in pieces of so many bytes, each so long after the one before. */
  drip?: { bytes: number; everyMs: number };
};

/** A fault answers in place of the registry, or lets it answer by returning undefined. */
export type Fault = (request: FakeRequest, count: number) => FakeAnswer | undefined;

export class FakeRegistry implements AsyncDisposable {
  readonly blobs = new Map<string, Uint8Array>();
  readonly manifests = new Map<string, { body: Uint8Array; type: string }>();
  readonly requests: FakeRequest[] = [];
  fault: Fault = () => undefined;
  #server: Server | undefined;

  static async start(): Promise<FakeRegistry> {
    const registry = new FakeRegistry();
    const server = createServer((socket) => registry.#serve(socket));
    registry.#server = server;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return registry;
  }

  /** `127.0.0.1:PORT` */
  get host(): string {
    const address = this.#server?.address();
    if (address === null || typeof address !== "object") throw new Error("not listening");
    return `127.0.0.1:${address.port}`;
  }

  addBlob(bytes: Uint8Array | string): { digest: ReturnType<typeof digestOf>; size: number } {
    const body = Buffer.from(bytes);
    const digest = digestOf(body);
    this.blobs.set(digest, body);
    return { digest, size: body.length };
  }

  addManifest(
    repository: string,
    tag: string,
    document: unknown,
    type: string,
  ): { digest: string; size: number } {
    const body = Buffer.from(typeof document === "string" ? document : JSON.stringify(document));
    const digest = digestOf(body);
    for (const reference of [tag, digest]) this.manifests.set(`${repository}:${reference}`, { body, type });
    return { digest, size: body.length };
  }

  /** Everything of an image, under `repository:tag` and its digests. Returns the reference to pull it by. */
  addImage(repository: string, tag: string, image: TestImage): string {
    for (const blob of image.blobs) this.blobs.set(blob.digest, blob.bytes);
    for (const manifest of [...image.manifests, image.top]) {
      this.manifests.set(`${repository}:${manifest.digest}`, {
        body: manifest.bytes,
        type: manifest.mediaType,
      });
    }
    this.manifests.set(`${repository}:${tag}`, { body: image.top.bytes, type: image.top.mediaType });
    return `${this.host}/${repository}:${tag}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise((resolve) => this.#server?.close(resolve));
  }

  #serve(socket: Socket): void {
    let text = "";
    socket.on("error", () => socket.destroy());
    socket.on("data", (data: Buffer) => {
      text += data.toString("latin1");
      const end = text.indexOf("\r\n\r\n");
      if (end < 0) return;
      const [first = "", ...lines] = text.slice(0, end).split("\r\n");
      text = "";
      const [method = "", path = ""] = first.split(" ");
      const headers: Record<string, string> = {};
      for (const line of lines) {
        const colon = line.indexOf(":");
        headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
      }
      const request = { method, path, headers };
      const count = this.requests.filter((earlier) => earlier.path === path).length;
      this.requests.push(request);
      const answer = this.fault(request, count) ?? this.answer(request);
      setTimeout(() => send(socket, answer), answer.delayMs ?? 0);
    });
  }

  /** What a registry in good health says. */
  answer(request: FakeRequest): FakeAnswer {
    const manifest = /^\/v2\/(.+)\/manifests\/([^/]+)$/.exec(request.path);
    if (manifest !== null) {
      const found = this.manifests.get(`${manifest[1]}:${manifest[2]}`);
      if (found === undefined) return specError(404, "MANIFEST_UNKNOWN", "manifest unknown");
      const headers = { "content-type": found.type, "docker-content-digest": digestOf(found.body) };
      return { status: 200, headers, body: found.body };
    }
    const digest = /^\/v2\/.+\/blobs\/([^/]+)$/.exec(request.path)?.[1];
    const blob = digest === undefined ? undefined : this.blobs.get(digest);
    if (blob === undefined) return specError(404, "BLOB_UNKNOWN", "blob unknown to registry");
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers["range"] ?? "")?.[1] ?? 0);
    if (from === 0)
      return { status: 200, headers: { "content-type": "application/octet-stream" }, body: blob };
    const headers = { "content-range": `bytes ${from}-${blob.length - 1}/${blob.length}` };
    return { status: 206, headers, body: blob.subarray(from) };
  }
}

export function specError(status: number, code: string, message: string): FakeAnswer {
  const body = JSON.stringify({ errors: [{ code, message, detail: null }] });
  return { status, headers: { "content-type": "application/json" }, body };
}

function send(socket: Socket, answer: FakeAnswer): void {
  if (socket.destroyed) return;
  const body = Buffer.from(answer.body ?? "");
  const headers: Record<string, string> = { "content-length": String(body.length), ...answer.headers };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`HTTP/1.1 ${answer.status} Words\r\nconnection: close\r\n${lines.join("")}\r\n`);
  if (answer.drip !== undefined) {
    drip(socket, body, answer.drip);
    return;
  }
  const part = answer.cutAfter === undefined ? body : body.subarray(0, answer.cutAfter);
  socket.write(part, () => {
    // A moment, so that what was sent arrives before the end does.
    if (answer.cutAfter !== undefined) setTimeout(() => socket.resetAndDestroy(), 20);
    else if (answer.isHeld !== true) socket.end();
  });
}

function drip(socket: Socket, body: Buffer, { bytes, everyMs }: { bytes: number; everyMs: number }): void {
  let at = 0;
  const timer = setInterval(() => {
    if (socket.destroyed || at >= body.length) {
      clearInterval(timer);
      socket.end();
      return;
    }
    socket.write(body.subarray(at, at + bytes));
    at += bytes;
  }, everyMs);
}
