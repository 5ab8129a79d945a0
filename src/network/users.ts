/** Who is connected to a network. */
import {
  type Context,
  containersByIdPrefix,
  deleteEndpoints,
  type EndpointRow,
  endpointsOfNetwork,
  type Network,
} from "../state";
import { isAlive } from "./endpoints";

/** A container that is set up to be in a network. */
export type NetworkUser = {
  containerId: string;
  containerName: string;
  /** It runs and has its addresses, or is being started. */
  isConnected: boolean;
  endpoint: EndpointRow;
};

/** The containers of a network, by name; those that run are connected now. */
export function usersOf(context: Context, network: Network): NetworkUser[] {
  const users: NetworkUser[] = [];
  for (const endpoint of endpointsOfNetwork(context.db(), network.id)) {
    const { containerId } = endpoint;
    const isConnected = endpoint.mac !== null && isAlive(context, containerId);
    const [row] = containersByIdPrefix(context.db(), containerId);
    if (row || isConnected)
      users.push({ containerId, containerName: row?.name ?? "", isConnected, endpoint });
    else if (!isAlive(context, containerId)) deleteEndpoints(context.db(), containerId); // its start was killed before it had a row
  }
  return users.sort((a, b) => (a.containerName < b.containerName ? -1 : 1));
}
