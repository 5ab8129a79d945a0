/** What starts again after a reboot: the containers with a restart policy, as docker's daemon has it when it starts. */
import { NO_RESTART, type RestartPolicy } from "../oci";
import { allContainerSpecs, allContainers, type ContainerRow, type Context } from "../state";
import { EXIT_UNKNOWN, settleAll } from "./settle";
import { readSpec } from "./spec";

/**
 * The containers that are to be started at boot, the oldest first, so that what was made for others is there before them. One that was running when the
 * host went down is found ended: nobody has stopped it.
 */
export async function containersToBoot(context: Context): Promise<ContainerRow[]> {
  const rows = await settleAll(context, allContainers(context.db()));
  const specs = allContainerSpecs(context.db());
  const policyOf = (row: ContainerRow): RestartPolicy => {
    const text = specs.get(row.id);
    return text === undefined ? NO_RESTART : readSpec(text).HostConfig.RestartPolicy;
  };
  return rows.filter((row) => isToStart(row, policyOf(row))).reverse();
}

/** Would it start again after a reboot now? */
export function startsAtBoot(row: ContainerRow, policy: RestartPolicy): boolean {
  return row.status === "running" ? policy.Name !== "no" : isToStart(row, policy);
}

function isToStart(row: ContainerRow, { Name, MaximumRetryCount }: RestartPolicy): boolean {
  if (row.status !== "exited") return false; // it lives, or was never started
  switch (Name) {
    case "always":
      return true;
    case "unless-stopped":
      return row.user_stopped === 0;
    case "on-failure":
      return (
        row.user_stopped === 0 &&
        row.exit_code !== 0 &&
        (row.exit_code === EXIT_UNKNOWN || MaximumRetryCount === 0 || row.restart_count < MaximumRetryCount)
      );
    case "no":
      return false;
  }
}
