/** A registry that answers drop by drop: what is slow is waited for, what would never end is given up. */
import { describe, expect, test } from "bun:test";
import type { Descriptor } from "../../src/oci";
import { RegistryClient, type RegistryOptions } from "../../src/registry";
import { readBounded } from "../../src/registry/error";
import { FakeRegistry } from "./_fake";

const pace = { windowMs: 200, leastBytes: 1000 };

function clientOf(registry: FakeRegistry, options: Partial<RegistryOptions> = {}): RegistryClient {
  const retry = { attempts: 3, firstDelayMs: 1 };
  return new RegistryClient(registry.host, { env: {}, userAgent: "proa/test", retry, pace, ...options });
}

async function readBlob(client: RegistryClient, blob: { digest: string; size: number }): Promise<number> {
  let sizeBytes = 0;
  for await (const chunk of client.streamBlob("app", blob as Descriptor)) sizeBytes += chunk.length;
  return sizeBytes;
}

const messageOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "it did not fail",
    (error: Error) => error.message,
  );

describe("a blob in drops", () => {
  test("is given up when too little comes, after as many tries as there are, each from where the last one got", async () => {
    await using registry = await FakeRegistry.start();
    const blob = registry.addBlob(Buffer.alloc(100_000, "x"));
    registry.fault = (request) => ({ ...registry.answer(request), drip: { bytes: 1, everyMs: 5 } });
    const client = clientOf(registry, { pace: { windowMs: 1000, leastBytes: 1000 } }); // some come, however busy the machine is
    expect(await messageOf(readBlob(client, blob))).toMatch(
      /the registry is gone in the middle, after \d+ of 100000 bytes: .*timed out/,
    );
    const from = registry.requests.map(({ headers }) => Number(/\d+/.exec(headers["range"] ?? "0")?.[0]));
    expect(from).toHaveLength(3);
    expect(from[0]).toBe(0);
    expect(from[1]).toBeGreaterThan(0);
    expect(from[2]).toBeGreaterThan(from[1] ?? 0);
  });

  test("comes whole where it keeps the pace, however long that takes", async () => {
    await using registry = await FakeRegistry.start();
    const blob = registry.addBlob(Buffer.alloc(20_000, "x"));
    registry.fault = (request) => ({ ...registry.answer(request), drip: { bytes: 400, everyMs: 10 } }); // twice its window
    expect(await readBlob(clientOf(registry), blob)).toBe(20_000);
    expect(registry.requests).toHaveLength(1);
  });

  test("a reader that takes its time is no reason to give up", async () => {
    await using registry = await FakeRegistry.start();
    const blob = registry.addBlob(Buffer.alloc(2_000_000, "x"));
    let sizeBytes = 0;
    for await (const chunk of clientOf(registry).streamBlob("app", blob as Descriptor)) {
      if (sizeBytes === 0) await Bun.sleep(3 * pace.windowMs);
      sizeBytes += chunk.length;
    }
    expect(sizeBytes).toBe(2_000_000);
    expect(registry.requests).toHaveLength(1);
  });
});

test("a manifest in drops is given up", async () => {
  await using registry = await FakeRegistry.start();
  registry.addManifest("app", "v1", { schemaVersion: 2, padding: "x".repeat(50_000) }, "application/json");
  registry.fault = (request) => ({ ...registry.answer(request), drip: { bytes: 1, everyMs: 5 } });
  expect(await messageOf(clientOf(registry).fetchManifest("app", "v1"))).toMatch(
    /^fetch manifest: .*timed out/,
  );
});

test("of an error's words in drops what has come in time is shown", async () => {
  await using registry = await FakeRegistry.start();
  registry.fault = () => ({ status: 500, body: "words ".repeat(10_000), drip: { bytes: 3, everyMs: 5 } });
  const bytes = await readBounded(await fetch(`http://${registry.host}/`), 64 << 10, 200);
  expect(bytes.length).toBeGreaterThan(0);
  expect(bytes.length).toBeLessThan(1000);
});
