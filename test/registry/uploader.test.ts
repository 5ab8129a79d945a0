/** RegistryUploader against registries that fail in the middle. */
import { afterEach, describe, expect, test } from "bun:test";
import { digestOf } from "../../src/oci";
import { RegistryUploader } from "../../src/registry";

const retry = { attempts: 3, firstDelayMs: 1 };
const large = crypto.getRandomValues(new Uint8Array(65_536));
const bytes = Buffer.concat(Array.from({ length: 80 }, () => large)); // 5 MiB: more than goes at once

type Seen = {
  method: string;
  path: string;
  range: string | null;
  sizeBytes: number;
  authorization: string | null;
};

/** A registry that takes one blob; FAULT answers in its place. */
function upload(fault: (seen: Seen, count: number) => Response | undefined, keepsPart = 0) {
  const seen: Seen[] = [];
  let stored = Buffer.alloc(0);
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const { pathname } = new URL(request.url);
      const body = Buffer.from(await request.arrayBuffer());
      const { method, headers } = request;
      const one = {
        method,
        path: pathname,
        range: headers.get("content-range"),
        sizeBytes: body.length,
        authorization: headers.get("authorization"),
      };
      const count = seen.filter((each) => each.method === method).length;
      seen.push(one);
      const answer = fault(one, count);
      if (answer !== undefined) {
        if (method === "PATCH") stored = Buffer.concat([stored, body.subarray(0, keepsPart)]);
        return answer;
      }
      const location = "/v2/a/blobs/uploads/1?state=x";
      if (method === "HEAD") return new Response(null, { status: 404 });
      if (method === "POST") {
        stored = Buffer.alloc(0);
        return new Response(null, { status: 202, headers: { location } });
      }
      if (method === "GET") {
        const range = `0-${Math.max(0, stored.length - 1)}`;
        return new Response(null, { status: 204, headers: { location, range } });
      }
      stored = Buffer.concat([stored, body]);
      if (method === "PATCH") return new Response(null, { status: 202, headers: { location } });
      return new Response(null, { status: 201 });
    },
  });
  servers.push(server);
  const uploader = new RegistryUploader(`127.0.0.1:${server.port}`, {
    env: {},
    userAgent: "proa/test",
    retry,
  });
  const send = (content: Uint8Array) =>
    uploader.uploadBlob("a", {
      blob: { digest: digestOf(content), size: content.length, content: new Blob([new Uint8Array(content)]) },
    });
  return { send, seen, stored: () => stored, host: `127.0.0.1:${server.port}` };
}

const servers: ReturnType<typeof Bun.serve>[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop(true);
});
const methods = (seen: Seen[]) => seen.map(({ method }) => method).join(" ");

describe("uploadBlob()", () => {
  test("sends a small blob in one request", async () => {
    const { send, seen, stored } = upload(() => undefined);
    expect(await send(large)).toBe("sent");
    expect(methods(seen)).toBe("HEAD POST PUT");
    expect(stored().equals(Buffer.from(large))).toBe(true);
  });

  test("sends a large one in a session", async () => {
    const { send, seen, stored } = upload(() => undefined);
    await send(bytes);
    expect(methods(seen)).toBe("HEAD POST PATCH PUT");
    expect(stored().equals(bytes)).toBe(true);
  });

  test("goes on where the registry says that it broke off", async () => {
    const { send, seen, stored } = upload(
      ({ method }, count) =>
        method === "PATCH" && count === 0 ? new Response("", { status: 503 }) : undefined,
      1_000_000,
    );
    await send(bytes);
    expect(methods(seen)).toBe("HEAD POST PATCH GET PATCH PUT");
    expect(seen[4]?.range).toBe(`1000000-${bytes.length - 1}`);
    expect(stored().equals(bytes)).toBe(true);
  });

  test("begins anew where the session is lost", async () => {
    const { send, seen, stored } = upload(({ method }, count) =>
      (method === "PATCH" && count === 0) || method === "GET" ? new Response("", { status: 404 }) : undefined,
    );
    await send(bytes);
    expect(methods(seen)).toBe("HEAD POST PATCH GET POST PATCH PUT");
    expect(stored().equals(bytes)).toBe(true);
  });

  test("sends smaller parts where one was too large", async () => {
    const { send, seen, stored } = upload(({ method, sizeBytes }) =>
      method === "PATCH" && sizeBytes > 4 << 20 ? new Response("", { status: 413 }) : undefined,
    );
    await send(bytes);
    expect(methods(seen)).toBe("HEAD POST PATCH POST PATCH PATCH PUT");
    expect(seen[4]?.range).toBe(`0-${(4 << 20) - 1}`);
    expect(stored().equals(bytes)).toBe(true);
  });

  test("gives up after so many failures, with what the registry said", async () => {
    const errors = JSON.stringify({ errors: [{ code: "DENIED", message: "no more room" }] });
    const { send, seen } = upload(({ method }) =>
      method === "PUT" ? new Response(errors, { status: 500 }) : undefined,
    );
    await expect(send(large)).rejects.toThrow("no more room [DENIED]");
    expect(seen.filter(({ method }) => method === "PUT")).toHaveLength(3);
  });

  test("an upload that the registry sends to another host goes there without the password", async () => {
    const other = upload(() => undefined);
    const first = upload(({ method, authorization }) => {
      if (authorization === null) {
        return new Response("", { status: 401, headers: { "www-authenticate": 'Basic realm="x"' } });
      }
      if (method !== "POST") return undefined;
      return new Response(null, { status: 202, headers: { location: `http://${other.host}/elsewhere` } });
    });
    const uploader = new RegistryUploader(first.host, {
      env: {},
      userAgent: "proa/test",
      retry,
      credentials: async () => ({ username: "me", password: "secret" }),
    });
    const content = new Blob([large]);
    await uploader.uploadBlob("a", { blob: { digest: digestOf(large), size: large.length, content } });
    expect(other.seen.map(({ method, authorization }) => [method, authorization])).toEqual([["PUT", null]]);
  });
});
