/** Removing networks. The bridge goes with its last container, so that there is only the row. */
import { EngineError } from "../error";
import { allNetworks, type Context, deleteNetwork, emit, type Network } from "../state";
import { DEFAULT_NETWORK } from "./default";
import { tellNetwork } from "./journal";
import { usersOf } from "./users";

/** Is it one that nobody can remove? */
export function isPermanent(network: Network): boolean {
  return network.driver !== "bridge" || network.name === DEFAULT_NETWORK;
}

/**
 * Remove a network that no container uses.
 *
 * @param isForced containers that do not run lose their connection to it; those that run hold it all the same
 * @throws EngineError `in-use` naming the containers, `invalid` for a predefined network
 */
export function removeNetwork(context: Context, network: Network, isForced: boolean): void {
  if (isPermanent(network)) {
    throw new EngineError(
      "invalid",
      "remove network",
      network.name,
      "it is predefined and cannot be removed",
      {
        exitCode: 1,
      },
    );
  }
  const remove = context.db().transaction(() => {
    const holders = usersOf(context, network).filter(({ isConnected }) => isConnected || !isForced);
    if (holders.length > 0) throw inUse(network, holders);
    deleteNetwork(context.db(), network.id);
  });
  remove.immediate(); // nobody connects between the look and the removal
  tellNetwork(context, network, "destroy");
}

const NAMED_MOST = 10;

function inUse(
  network: Network,
  holders: readonly { containerName: string; isConnected: boolean }[],
): EngineError {
  const names = holders.slice(0, NAMED_MOST).map(({ containerName }) => containerName);
  const more = holders.length > NAMED_MOST ? ` and ${holders.length - NAMED_MOST} more` : "";
  const runs = holders.some(({ isConnected }) => isConnected);
  const noun = holders.length === 1 ? "container" : "containers";
  return new EngineError(
    "in-use",
    "remove network",
    network.name,
    `it is used by ${noun} ${names.join(", ")}${more}`,
    {
      exitCode: 1,
      hint: runs
        ? `disconnect them (proa network disconnect -f ${network.name} ${names[0]}), or remove them (proa rm -f ${names.join(" ")})`
        : `${holders.length === 1 ? "it does not run" : "none of them runs"}: with --force the network is removed and the connection lost`,
    },
  );
}

/** Remove every network that no container is set up to be in and that `wanted` takes. Returns their names. */
export function pruneNetworks(context: Context, wanted: (network: Network) => boolean): string[] {
  const prune = context.db().transaction(() => {
    const unused = allNetworks(context.db()).filter(
      (network) => !isPermanent(network) && wanted(network) && usersOf(context, network).length === 0,
    );
    for (const { id } of unused) deleteNetwork(context.db(), id);
    return unused;
  });
  const removed = prune.immediate();
  for (const network of removed) tellNetwork(context, network, "destroy");
  emit(context, { Type: "network", Action: "prune", ID: "", Attributes: { reclaimed: "0" } });
  return removed.map(({ name }) => name);
}
