/** Where the files of a container lie. */
import { join } from "node:path";
import type { Context } from "../state";

/** Bundle, writable layer, log and exit record. */
export function containerDirectory(context: Context, id: string): string {
  return join(context.paths.containers, id);
}

/** Where `mount` shows its root. */
export function mountPlace(context: Context, id: string): string {
  return join(containerDirectory(context, id), "merged");
}

/** ROOTFS of the last start: how its files are found while it does not run. */
export function rootfsFile(context: Context, id: string): string {
  return join(containerDirectory(context, id), "rootfs.json");
}

/** Run directories below another XDG_RUNTIME_DIR than this command's, by container: `elsewhere.ts` finds them. */
const elsewhere = new Map<string, string>();

export function livesAt(id: string, directory: string): void {
  elsewhere.set(id, directory);
}

/** Lock, state.json and attach.sock of a container that lives. */
export function runDirectory(context: Context, id: string): string {
  return elsewhere.get(id) ?? join(context.paths.running, id);
}

/** The run directory of its last start, where that is not the login's own. */
export function placeFile(context: Context, id: string): string {
  return join(containerDirectory(context, id), "place");
}

export function exitFile(context: Context, id: string): string {
  return join(containerDirectory(context, id), "exit.json");
}

/** How it is connected: what its supervisor tells netd, `native/PROTOCOL.md`. */
export function networkPlanFile(context: Context, id: string): string {
  return join(runDirectory(context, id), "network.json");
}

/** What it is at while it lives, `native/live.h`. */
export function liveFile(context: Context, id: string): string {
  return join(runDirectory(context, id), "state.json");
}

/** The published ports that are open. */
export function portsFile(context: Context, id: string): string {
  return join(runDirectory(context, id), "ports.json");
}

/** The name that a container got while it was running, for its supervisor's events. */
export function nameFile(context: Context, id: string): string {
  return join(runDirectory(context, id), "name");
}

export function logFile(context: Context, id: string): string {
  return join(containerDirectory(context, id), `${id}-json.log`);
}

/** How many bytes of output the log of a container that runs has lost; only where it has. */
export function lossFile(context: Context, id: string): string {
  return join(runDirectory(context, id), "log-lost");
}

/** This executable, for the helper to report its failures with. */
export function ownExecutable(): string {
  return process.execPath;
}
