/** Networks with the containers in them, the host's and none's too: those are no connections, but modes of containers. */
import { endpointId, inspectNetwork } from "../network";
import type { Context, Network } from "../state";
import { listContainers } from "./list";

/** A network in the shape of `GET /networks/{id}` of the Docker Engine API. `isVerbose`: more of each container, and those that do not run. */
export async function describeNetwork(
  context: Context,
  network: Network,
  isVerbose: boolean,
): Promise<Record<string, unknown>> {
  const running = await listContainers(context, false); // those that have ended since the last look are connected no more
  const document = inspectNetwork(context, network, isVerbose);
  if (network.driver === "bridge") return document;
  const inIt = running.filter(({ spec }) => spec.HostConfig.NetworkMode === network.name);
  const connection = (id: string, name: string) => ({
    Name: name,
    EndpointID: endpointId(id, network.id),
    MacAddress: "",
    IPv4Address: "",
    IPv6Address: "",
  });
  return {
    ...document,
    Containers: Object.fromEntries(inIt.map(({ id, name }) => [id, connection(id, name)])),
  };
}
