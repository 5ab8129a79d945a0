/** What netd knows of those connected. */
import { join } from "node:path";
import { callHelper, type NetdStatus } from "../helper";
import type { Context } from "../state";

/** Ask netd; null where none runs, which is so while no container is connected. Throws HelperError. */
export function netdStatus(context: Context): Promise<NetdStatus | null> {
  return callHelper(context.paths.cache, "netd-status", { socket: join(context.paths.runtime, "netd.sock") });
}
