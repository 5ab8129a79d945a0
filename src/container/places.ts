/** Where the files of a container lie. */
import { join } from "node:path";
import type { Context } from "../state";

/** Bundle, writable layer, log and exit record. */
export function containerDirectory(context: Context, id: string): string {
  return join(context.paths.containers, id);
}

/** Lock, state.json and attach.sock of a container that lives. */
export function runDirectory(context: Context, id: string): string {
  return join(context.paths.running, id);
}

export function exitFile(context: Context, id: string): string {
  return join(containerDirectory(context, id), "exit.json");
}

/** How it is connected: what its supervisor tells netd, `native/PROTOCOL.md`. */
export function networkPlanFile(context: Context, id: string): string {
  return join(runDirectory(context, id), "network.json");
}

/** The published ports that are open. */
export function portsFile(context: Context, id: string): string {
  return join(runDirectory(context, id), "ports.json");
}

export function logFile(context: Context, id: string): string {
  return join(containerDirectory(context, id), `${id}-json.log`);
}

/** This executable, for the helper to report its failures with. */
export function ownExecutable(): string {
  return process.execPath;
}
