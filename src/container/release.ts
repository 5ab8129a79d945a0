/** Deleting the rows of containers, and the anonymous volumes that go with them. */
import { anonymousVolumesOf, type Context } from "../state";

/** `ids`: of the containers whose anonymous volumes go, if nobody else has them. */
export async function deleteWithVolumes(
  context: Context,
  ids: readonly string[],
  deleteRows: () => void,
): Promise<void> {
  if (ids.length === 0 || anonymousVolumesOf(context.db(), ids).length === 0) return deleteRows();
  const { releaseVolumes } = await import("../volume");
  await releaseVolumes(context, ids, deleteRows);
}
