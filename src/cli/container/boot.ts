import { containersToBoot, specOf, startDetached } from "../../container";
import type { App } from "../app";
import { forEachTarget } from "../report";
import { sourceOf } from "./_source";

/** Start what comes back after a reboot, one after the other, and print the names. Returns the exit status: 1 where one could not be started. */
export async function startAtBoot(app: App): Promise<number> {
  let failed = false;
  const status = await forEachTarget(app.io, await containersToBoot(app.context), async (row) => {
    const spec = specOf(app.context, row);
    const started = await startDetached(app.context, row, spec, await sourceOf(app, row, spec));
    failed ||= started !== 0;
    return started === 0 ? row.name : undefined;
  });
  return failed ? 1 : status;
}
