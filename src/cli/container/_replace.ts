/** `--replace`: the container that has the name makes room. */
import { findContainer, removeContainers } from "../../container";
import { EngineError, isNotFound } from "../../error";
import type { ContainerRow } from "../../state";
import type { App } from "../app";

/** Throws `invalid` without a name. */
export async function removeNamesake({ context }: App, name: string | undefined): Promise<void> {
  if (!name)
    throw new EngineError("invalid", "replace", "container", "it needs the name", { hint: "--name NAME" });
  let row: ContainerRow;
  try {
    row = await findContainer(context, "replace container", name);
  } catch (error) {
    if (isNotFound(error)) return;
    throw error;
  }
  if (row.name !== name) return; // an id that begins so
  const failure = (await removeContainers(context, [row], true)).get(row.id);
  if (failure) throw failure;
}
