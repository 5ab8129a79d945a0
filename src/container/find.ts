/** From what a user types to a container: full name, full id, or the beginning of an id that fits one. */
import { EngineError } from "../error";
import {
  allContainers,
  type ContainerRow,
  type Context,
  containerByName,
  containersByIdPrefix,
} from "../state";
import { settle } from "./settle";

/** The container that `reference` names, its row true to what lives. Throws `not-found` or `ambiguous`. */
export async function findContainer(
  context: Context,
  what: string,
  reference: string,
): Promise<ContainerRow> {
  const found = lookUp(context, what, reference);
  const row = found && (await settle(context, found));
  if (!row) {
    throw new EngineError("not-found", what, reference, "no such container", {
      exitCode: 1,
      hint: "list them: proa ps -a",
    });
  }
  return row;
}

/** The container that was created last and is still there. Throws `not-found`. */
export async function newestContainer(context: Context, what: string): Promise<ContainerRow> {
  for (const row of allContainers(context.db())) {
    const settled = await settle(context, row);
    if (settled) return settled; // else it has ended, and went with --rm
  }
  throw new EngineError("not-found", what, "--latest", "there are no containers", { exitCode: 1 });
}

function lookUp(context: Context, what: string, reference: string): ContainerRow | null {
  const db = context.db();
  const name = reference.startsWith("/") ? reference.slice(1) : reference; // Docker's API shows names with a slash
  const byName = containerByName(db, name);
  if (byName || !/^[0-9a-f]{1,64}$/.test(name)) return byName;
  const [first, second] = containersByIdPrefix(db, name);
  if (second) {
    throw new EngineError("ambiguous", what, reference, "several containers have ids that begin so", {
      exitCode: 1,
      hint: "type more of the id: proa ps -a --no-trunc",
    });
  }
  return first ?? null;
}
