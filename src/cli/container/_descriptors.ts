/** Open files of proa's own that a container's first process gets. */
import { EngineError } from "../../error";
import type { Values } from "../tree";
import type { descriptorArgs } from "./_attach-options";

const DESCRIPTOR_MOST = 65_535;

/** The descriptors, each once, in order: to be asked before anything else is opened. Throws `invalid` for one that is not open. */
export function openDescriptors(args: Values<typeof descriptorArgs>): number[] {
  const counted = Array.from({ length: args["preserve-fds"] }, (_, index) => 3 + index);
  const named = args["preserve-fd"].flatMap((text) => text.split(",")).map(numberOf);
  const all = [...new Set([...counted, ...named])].sort((a, b) => a - b);
  for (const fd of all) if (!isInherited(fd)) throw fail(String(fd), "it is not open");
  return all;
}

const fail = (on: string, why: string): EngineError =>
  new EngineError("invalid", "preserve descriptor", on, why);

function numberOf(text: string): number {
  const fd = /^\d{1,5}$/.test(text) ? Number(text) : -1;
  if (fd >= 3 && fd <= DESCRIPTOR_MOST) return fd;
  throw fail(JSON.stringify(text), "expected the number of a descriptor, 3 or more");
}

/**
 * Whether it is the caller's. Bun marks every inherited one as to be closed on exec, so that the mark does not tell; what it has opened for itself when
 * a command begins are the kinds that its event loop is made of.
 */
function isInherited(fd: number): boolean {
  const { readlinkSync } = require("node:fs") as typeof import("node:fs");
  try {
    return !/^anon_inode:\[?(eventpoll|eventfd|timerfd|signalfd)/.test(readlinkSync(`/proc/self/fd/${fd}`));
  } catch {
    return false;
  }
}
