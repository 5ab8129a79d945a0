/** What the tests of this folder do again and again. */
import { expect } from "bun:test";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { type ProaOptions, type ProaResult, processesOf, waitUntil } from "../../harness";
import { type Place, removeAll, SLEEP } from "../_network";

export { type Place, removeAll, SLEEP };

/** `proa run --rm OPTIONS tiny COMMAND`. */
export function run(
  place: Place,
  options: string[],
  command: string[],
  more?: ProaOptions,
): Promise<ProaResult> {
  return place.engine.proa(["run", "--rm", ...options, place.tiny, ...command], more);
}

/** What a shell in a new container prints, trimmed. Fails where it prints errors or does not exit with 0. */
export async function shell(
  place: Place,
  options: string[],
  script: string,
  more?: ProaOptions,
): Promise<string> {
  const result = await run(place, options, ["sh", "-c", script], more);
  expect(result.stderr).toBe("");
  expect(result.exitCode).toBe(0);
  return result.stdout.trim();
}

/** Start a container in the background; returns its id. */
export function detach(
  place: Place,
  name: string,
  command: string[] = SLEEP,
  options: string[] = [],
): Promise<string> {
  return place.engine.ok(["run", "-d", "--name", name, ...options, place.tiny, ...command]);
}

/** Wait until the log of a container holds `text`: what its program printed says how far it is. */
export async function printed(place: Pick<Place, "engine">, name: string, text: string): Promise<void> {
  const log = async (): Promise<boolean> => {
    const { stdout, stderr } = await place.engine.proa(["logs", name]);
    return (stdout + stderr).includes(text);
  };
  await waitUntil(log, { what: `"${text}" in the log of ${name}` });
}

/** One field of `inspect`, as text. */
export function inspect(place: Pick<Place, "engine">, name: string, template: string): Promise<string> {
  return place.engine.ok(["inspect", "--format", template, name]);
}

/** The pid of a container's supervisor. */
export function supervisorOf({ engine }: Pick<Place, "engine">, id: string): number {
  const found = processesOf(engine.sandbox).find(({ command }) => command === `proa-supervise ${id}`);
  if (found === undefined) throw new Error(`no supervisor of ${id}`);
  return found.pid;
}

export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Whether a process has something open, above the standard streams, whose name contains `what`. */
function holds(pid: number, what: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some(
      (fd) => Number(fd) > 2 && readlinkSync(`/proc/${pid}/fd/${fd}`).includes(what),
    );
  } catch {
    return false; // it has just ended
  }
}

/** Wait until `count` clients of `attach` are connected: they listen to signals from then on. */
export async function attached({ engine }: Place, count = 1): Promise<void> {
  const clients = () =>
    processesOf(engine.sandbox).filter(
      ({ pid, command }) => command.startsWith("proa-attach") && holds(pid, "signalfd"),
    );
  await waitUntil(() => clients().length === count, { what: `${count} attached clients` });
}

/** Wait until these commands are connected to a supervisor. */
export async function connected(pids: number[]): Promise<void> {
  await waitUntil(() => pids.every((pid) => holds(pid, "socket:")), {
    what: "a connection to the supervisor",
  });
}
