/** Another name for a container. */
import { EngineError } from "../error";
import { type ContainerRow, type Context, renameContainer as renameRow } from "../state";
import { followName } from "./connect";
import { noteName, tell } from "./journal";
import { checkName } from "./name";

/**
 * Its networks answer to the new name from now on, and no more to the old one. Throws `invalid` for a name that cannot be one, `name-in-use`,
 * `not-found` where it has been removed meanwhile.
 */
export async function renameContainer(context: Context, row: ContainerRow, name: string): Promise<void> {
  const bare = name.startsWith("/") ? name.slice(1) : name; // Docker's API shows names with a slash
  checkName(bare);
  if (renameRow(context.db(), row.id, bare)) {
    noteName(context, row.id, bare);
    tell(context, { ...row, name: bare }, "rename", { oldName: `/${row.name}` });
    return followName(context, { ...row, name: bare });
  }
  throw new EngineError("not-found", "rename container", row.name, "no such container", { exitCode: 1 });
}
