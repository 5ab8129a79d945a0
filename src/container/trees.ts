import { callHelper } from "../helper";
import type { Context } from "../state";

/** Remove directory trees that mapped ids may own. Throws HelperError with the first path that stays. */
export async function removeTrees(context: Context, paths: string[]): Promise<void> {
  await callHelper(context.paths.cache, "remove-tree", { paths, mappings: context.host().mappings });
}
