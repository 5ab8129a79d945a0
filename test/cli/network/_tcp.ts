/** What the tests of TCP share: the peers of tcp_peer.py, on the host and in containers. */
import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import type { Engine } from "../../harness";

const script = readFileSync(join(import.meta.dir, "tcp_peer.py"), "utf8");

/** A command that runs tcp_peer.py, on the host or in a container. */
export const peer = (...args: (string | number)[]): string[] => [
  "python3",
  "-c",
  script,
  ...args.map(String),
];

export type Family = 4 | 6;
export const LOOPBACK = { 4: "127.0.0.1", 6: "::1" } as const;
/** The host's loopback as containers with host-loopback see it. */
export const HOST = { 4: "169.254.1.2", 6: "fd00:70:726f:61::2" } as const;

/** An address of this machine that is not loopback: a client that uses it is seen with it. */
export const ownAddress = Object.values(networkInterfaces())
  .flat()
  .find((a) => a && !a.internal && a.family === "IPv4")?.address;

/** What every pair of peers comes to when nothing is between them. */
export const CASES: [string, unknown][] = [
  ["half-close", true],
  ["sizes", true],
  ["both", [true, true]],
  ["slow", true],
  ["reset-by-server", ["last words", "reset"]],
  ["reset-by-client", ["reset", "end of file"]],
  ["urgent", ["abcde<U>fgh"]],
  ["many 100", 100],
];

type Child = Bun.Subprocess<"pipe", "pipe", "inherit">;

/** Start a program on the host and wait for its first line. */
export async function startHere(command: string[]): Promise<{ child: Child; first: string }> {
  const child = Bun.spawn(command, { stdio: ["pipe", "pipe", "inherit"] });
  const reader = child.stdout.getReader();
  let first = "";
  while (!first.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`${command[0]}: ended without a line`);
    first += new TextDecoder().decode(value);
  }
  reader.releaseLock();
  return { child, first: first.split("\n")[0] ?? "" };
}

/** What a program on the host prints, a JSON value. */
export async function here<T>(command: string[]): Promise<T> {
  const child = Bun.spawn(command, { stderr: "inherit" });
  return JSON.parse(await child.stdout.text()) as T;
}

/** What a program in a running container prints, a JSON value. */
export async function inside<T>(engine: Engine, container: string, command: string[]): Promise<T> {
  return JSON.parse(await engine.ok(["exec", "-i", container, ...command], { timeoutMs: 50_000 })) as T;
}
