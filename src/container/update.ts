/** Changing what a container was created with. */
import { EngineError } from "../error";
import type { RestartPolicy } from "../oci";
import { type ContainerRow, type Context, containerSpec, markUserStopped, setContainerSpec } from "../state";
import { tell } from "./journal";
import { changePolicy } from "./life";
import { readSpec } from "./spec";

/** What is to be another; absent: as it is. */
export type Changes = { restartPolicy?: RestartPolicy };

/** Change a container, at once where it lives. Throws `not-found`, `in-use` for a policy of one that removes itself, HelperError. */
export async function updateContainer(context: Context, row: ContainerRow, changes: Changes): Promise<void> {
  const { restartPolicy } = changes;
  if (!restartPolicy) return;
  record(context, row, restartPolicy);
  if (row.status === "running") await changePolicy(context, row, restartPolicy);
  tell(context, row, "update");
}

/** First the record: what the supervisor is told last is what is in force, whoever stops the container meanwhile. */
function record(context: Context, row: ContainerRow, RestartPolicy: RestartPolicy): void {
  const db = context.db();
  const change = db.transaction(() => {
    const text = containerSpec(db, row.id);
    if (text === null)
      throw new EngineError("not-found", "update", row.name, "it was removed", { exitCode: 1 });
    const spec = readSpec(text);
    if (spec.HostConfig.AutoRemove && RestartPolicy.Name !== "no") {
      throw new EngineError(
        "in-use",
        "update",
        row.name,
        "it removes itself at its end: it cannot be started again",
        {
          exitCode: 1,
        },
      );
    }
    setContainerSpec(
      db,
      row.id,
      JSON.stringify({ ...spec, HostConfig: { ...spec.HostConfig, RestartPolicy } }),
    );
    if (row.status === "exited") markUserStopped(db, row.id); // it is not for the next boot to start what has ended before
  });
  change.immediate();
}
