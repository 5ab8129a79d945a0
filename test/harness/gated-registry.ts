/** A registry behind a gate: what is asked of it goes to the real one, but for blobs that the test holds back, and while it is shut. */
export type GatedRegistry = {
  /** `127.0.0.1:PORT`, the first part of a reference. */
  readonly host: string;
  /** Whole blobs of more than `leastBytes` wait until they are let go; parts of them do not. */
  hold(leastBytes: number): void;
  letGo(): void;
  /** Whether parts of blobs can be had; else whoever asks for one gets the whole. */
  hasParts: boolean;
  /** Every request is answered with 503. */
  shut(): void;
  open(): void;
  /** How often parts of blobs were asked for. */
  readonly ranges: number;
  stop(): Promise<void>;
};

export function startGatedRegistry(real: () => string): GatedRegistry {
  let heldBytes = Number.POSITIVE_INFINITY;
  let waiting: (() => void)[] = [];
  let isShut = false;
  let hasParts = true;
  let ranges = 0;
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    async fetch(request) {
      const url = new URL(request.url);
      if (isShut) return new Response("shut", { status: 503 });
      const isPart = request.headers.has("range");
      const isBlob = /\/blobs\//.test(url.pathname);
      if (isBlob && isPart) ranges++;
      const headers = new Headers(request.headers);
      headers.set("host", real());
      if (!hasParts) headers.delete("range");
      const answer = await fetch(`http://${real()}${url.pathname}${url.search}`, {
        headers,
        method: request.method,
      });
      const size = Number(answer.headers.get("content-length") ?? 0);
      if (isBlob && !isPart && size >= heldBytes) {
        await new Promise<void>((resolve) => waiting.push(resolve));
        if (isShut) return new Response("shut", { status: 503 });
      }
      return new Response(answer.body, { status: answer.status, headers: answer.headers });
    },
  });
  const letGo = (): void => {
    heldBytes = Number.POSITIVE_INFINITY;
    for (const go of waiting.splice(0)) go();
    waiting = [];
  };
  return {
    host: `127.0.0.1:${server.port}`,
    hold: (leastBytes) => {
      heldBytes = leastBytes;
    },
    letGo,
    shut: () => {
      isShut = true;
      letGo();
    },
    open: () => {
      isShut = false;
    },
    get hasParts() {
      return hasParts;
    },
    set hasParts(value) {
      hasParts = value;
    },
    get ranges() {
      return ranges;
    },
    stop: async () => {
      letGo();
      await server.stop(true);
    },
  };
}
