/** Containers whose files are gone. */
import { existsSync } from "node:fs";
import { allContainers, type ContainerRow, type Context } from "../state";
import { listContainers } from "./list";
import { containerDirectory } from "./places";

/** Those that have been started, and have no directory any more; one that never was needs none. */
export async function lostContainers(context: Context): Promise<ContainerRow[]> {
  const rows = await listContainers(context, true); // which also settles those of --rm that have ended
  const lost = rows.filter(
    ({ id, status }) => status !== "created" && !existsSync(containerDirectory(context, id)),
  );
  const still = new Set(allContainers(context.db()).map(({ id }) => id)); // one that was removed meanwhile has no row
  return lost.filter(({ id }) => still.has(id));
}
