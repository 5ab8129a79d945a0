/** Back to the state before the first command: no container, image, volume, network or secret is left. The configuration stays. */
import { existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";
import type { Context } from "../state";
import { whileAlone } from "../storage";
import { listContainers } from "./list";
import { removeContainers } from "./remove";
import { removeTrees } from "./trees";

const ASIDE = ".reset-"; // what a reset that was killed has left is found by it, and goes with the next

/**
 * Kill and remove all containers, then everything that is stored. It is taken out of the way by renames while nothing is added to it, so that
 * whoever comes next begins anew, and removed afterwards.
 *
 * @throws EngineError `in-use` where something is being pulled, or a container stays
 */
export async function resetStore(context: Context): Promise<void> {
  const { data, cache } = context.paths;
  if (existsSync(context.paths.database)) {
    const failed = await removeContainers(context, await listContainers(context, true), true, {
      volumes: true,
    });
    for (const error of failed.values()) throw error;
    const isAside = whileAlone(context, () => {
      const aside = join(data, `${ASIDE}${process.pid}`);
      mkdirSync(aside, { mode: 0o700 });
      for (const name of readdirSync(data)) {
        if (!name.startsWith(ASIDE)) renameSync(join(data, name), join(aside, name));
      }
      return true;
    });
    if (isAside === null)
      throw new EngineError("in-use", "reset", data, "something is being pulled or built", {
        exitCode: 1,
        hint: "try again when it is done",
      });
  }
  const left = (directory: string, prefix: string): string[] =>
    existsSync(directory)
      ? readdirSync(directory)
          .filter((name) => name.startsWith(prefix))
          .map((name) => join(directory, name))
      : [];
  const trees = [...left(data, ASIDE), ...left(cache, "")];
  if (trees.length > 0) await removeTrees(context, trees);
}
