/** Removing all containers that do not run. */
import { type ContainerRow, type Context, emit } from "../state";
import { type ListedContainer, listContainers } from "./list";
import { removeContainers } from "./remove";
import { containerSize } from "./size";

/** Sizes that are worked out at the same time: each is a helper's work on the disk. */
const AT_ONCE = 8;

/** Remove those that do not run and that `wanted` takes. Returns ids, and the bytes that they had written. */
export async function pruneContainers(
  context: Context,
  wanted: (row: ListedContainer) => boolean,
): Promise<{ removed: string[]; bytes: number }> {
  const rows = (await listContainers(context, true)).filter((row) => row.status !== "running" && wanted(row));
  const sizes = await sizesOf(context, rows);
  const failed = await removeContainers(context, rows, false); // one that was started meanwhile stays
  const removed = rows.map(({ id }) => id).filter((id) => !failed.has(id));
  const bytes = removed.reduce((sum, id) => sum + (sizes.get(id) ?? 0), 0);
  emit(context, { Type: "container", Action: "prune", ID: "", Attributes: { reclaimed: String(bytes) } });
  return { removed, bytes };
}

async function sizesOf(context: Context, rows: readonly ContainerRow[]): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  const left = [...rows];
  const work = async (): Promise<void> => {
    for (let row = left.pop(); row; row = left.pop())
      sizes.set(row.id, (await containerSize(context, row)).own);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return sizes;
}
