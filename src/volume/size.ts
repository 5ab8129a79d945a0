/** How much a volume takes. */
import { callHelper } from "../helper";
import type { Context } from "../state";
import { mountpointOf } from "./places";

/** Bytes of the files of a volume, hard links once; 0 where its directory is gone. */
export async function volumeSize(context: Context, name: string): Promise<number> {
  const { mappings } = context.host();
  const path = mountpointOf(context, name);
  const { sizeBytes } = await callHelper(context.paths.cache, "tree-size", { path, mappings });
  return sizeBytes;
}
