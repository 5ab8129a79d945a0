/** What few removals ask for. */
import { dependentsOf, removeLink } from "../../container";
import type { App } from "../app";
import { usageError } from "../args";
import { forEachTarget } from "../report";
import type { Target } from "./_targets";

/** Before each container those that need it. */
export async function withDependents({ context }: App, targets: readonly Target[]): Promise<Target[]> {
  const dependents = await dependentsOf(
    context,
    targets.map(({ row }) => row.id),
  );
  return [...dependents.reverse().map((row) => ({ name: row.id, row })), ...targets];
}

/** docker's names of links: the container that knows the other, and the alias. */
export async function removeLinks({ context, io }: App, names: readonly string[]): Promise<number> {
  if (names.length === 0) throw usageError('"proa rm" requires at least 1 argument: no link given');
  return forEachTarget(io, names, async (name) => {
    await removeLink(context, name);
    return name;
  });
}
