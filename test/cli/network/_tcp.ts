/** What the tests of TCP share: the peers of tcp_peer.py, on the host and in containers. */
import { readFileSync } from "node:fs";
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

/** What a program on the host prints, a JSON value. */
export async function here<T>(command: string[]): Promise<T> {
  const child = Bun.spawn(command, { stderr: "inherit" });
  return JSON.parse(await child.stdout.text()) as T;
}

/** What a program in a running container prints, a JSON value. */
export async function inside<T>(engine: Engine, container: string, command: string[]): Promise<T> {
  return JSON.parse(await engine.ok(["exec", "-i", container, ...command], { timeoutMs: 50_000 })) as T;
}
