/** The distribution registry (Debian package docker-registry) on a free port of loopback, with storage of its own. */
import { afterAll, beforeAll } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { waitUntil } from "./wait";

export type Registry = {
  /** `127.0.0.1:PORT`, the first part of a reference. */
  readonly host: string;
  readonly storage: string;
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** Null where the registry is installed, otherwise what is missing: for `test.skipIf`, with the reason in the test's name. */
export const registryMissing: string | null =
  Bun.which("docker-registry") === null ? "docker-registry is not installed" : null;

export async function startRegistry(): Promise<Registry> {
  if (registryMissing !== null) throw new Error(`start registry: ${registryMissing}`);
  const directory = mkdtempSync(join(tmpdir(), "registry-"));
  const storage = join(directory, "storage");
  const config = join(directory, "config.json"); // YAML's subset
  writeFileSync(
    config,
    JSON.stringify({
      version: "0.1",
      log: { level: "info", accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: storage }, delete: { enabled: true } },
      http: { addr: "127.0.0.1:0" },
    }),
  );
  const child = Bun.spawn(["docker-registry", "serve", config], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { PATH: process.env["PATH"] ?? "" },
  });
  let log = "";
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stderr)
      log = (log + decoder.decode(chunk, { stream: true })).slice(-100_000);
  })();
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await child.exited;
    await reading;
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    const port = await waitUntil(
      () => {
        if (child.exitCode !== null) throw new Error(`start registry: it ended: ${log}`);
        return /listening on 127\.0\.0\.1:(\d+)/.exec(log)?.[1];
      },
      { what: "registry" },
    );
    return { host: `127.0.0.1:${port}`, storage, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A registry for the tests of a file: started before the first, stopped after the last. Called before hooks that push to it. */
export function useRegistry(): Pick<Registry, "host" | "storage"> {
  let registry: Registry | undefined;
  beforeAll(async () => {
    registry = await startRegistry();
  });
  afterAll(() => registry?.stop());
  const ready = (): Registry => {
    if (registry === undefined) throw new Error("useRegistry() is ready inside tests and hooks only");
    return registry;
  };
  return {
    get host() {
      return ready().host;
    },
    get storage() {
      return ready().storage;
    },
  };
}
