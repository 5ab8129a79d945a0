/**
 * Connecting containers to networks and disconnecting them after their creation. The connections that are kept are changed first; where the container runs,
 * its supervisor then has netd follow, and a change that netd refuses is taken back.
 */
import { closeSync, constants, existsSync, openSync } from "node:fs";
import { EngineError } from "../error";
import { flock, LOCK_EX } from "../helper";
import {
  addEndpoint,
  completeEndpoints,
  endpointsOf,
  removeEndpoint,
  restoreEndpoint,
  tellNetwork,
  usersOf,
} from "../network";
import { type ContainerSpec, type EndpointSettings, parseNetworkMode } from "../oci";
import {
  type ContainerRow,
  type Context,
  containersByIdPrefix,
  type Network,
  setContainerSpec,
} from "../state";
import { applyNetworkPlan, configOf, remakeConnections } from "./bridge";
import { containerDirectory, networkPlanFile } from "./places";
import { settle } from "./settle";
import { specOf } from "./spec";

/**
 * Connect a container to one more network: at once where it runs, else from its next start on.
 *
 * @throws EngineError `unsupported` for a container that has no network of its own, `in-use` where it is connected already or a static address is
 * taken, `invalid`, `helper` with netd's reason
 */
export async function connectContainer(
  context: Context,
  row: ContainerRow,
  network: Network,
  settings: EndpointSettings,
): Promise<void> {
  const what = "connect container";
  if (network.driver !== "bridge")
    throw new EngineError("unsupported", what, row.name, `${network.name} is no network to connect to`, {
      exitCode: 1,
    });
  await alone(context, row, async () => {
    const spec = specOf(context, row);
    refuseOtherModes(what, row, spec);
    const isRunning = row.status === "running";
    if (isRunning) refuseUnconnected(context, what, row);
    addEndpoint(context, row, { ...configOf(settings), network }, isRunning);
    try {
      if (isRunning) await applyNetworkPlan(context, row);
    } catch (error) {
      removeEndpoint(context, row.id, network.id);
      await takeBack(context, row);
      throw error;
    }
    tellNetwork(context, network, "connect", row.id);
    const { HostConfig } = spec;
    if (parseNetworkMode(HostConfig.NetworkMode).kind === "none") setMode(context, row, spec, network.name);
  });
}

/**
 * End a container's connection to a network.
 *
 * @param isForced one that netd cannot take down now is forgotten all the same, and gone with the container's end
 * @throws EngineError `not-found` where it is not connected, `helper` with netd's reason
 */
export async function disconnectContainer(
  context: Context,
  row: ContainerRow,
  network: Network,
  isForced: boolean,
): Promise<void> {
  const what = "disconnect container";
  await alone(context, row, async () => {
    const spec = specOf(context, row);
    if (network.driver !== "bridge") refuseOtherModes(what, row, spec);
    const removed = removeEndpoint(context, row.id, network.id);
    if (!removed) {
      throw new EngineError("not-found", what, row.name, `it is not connected to network ${network.name}`, {
        exitCode: 1,
      });
    }
    try {
      if (row.status === "running") await applyNetworkPlan(context, row);
    } catch (error) {
      if (!isForced) {
        restoreEndpoint(context, removed);
        await takeBack(context, row);
        throw error;
      }
      context.warn(`${row.name}: ${error instanceof Error ? error.message : error}`);
    }
    tellNetwork(context, network, "disconnect", row.id);
    // without this the next start would take what was asked for at the creation
    if (endpointsOf(context, row.id).length === 0) setMode(context, row, spec, "none");
  });
}

/** Have netd make the connections of a running container again. Throws `not-running`, `helper`. */
export async function reloadNetworks(context: Context, row: ContainerRow): Promise<void> {
  const what = "reload networks of container";
  if (row.status !== "running")
    throw new EngineError("not-running", what, row.name, "the container is not running", { exitCode: 1 });
  await alone(context, row, async () => {
    refuseOtherModes(what, row, specOf(context, row));
    refuseUnconnected(context, what, row);
    completeEndpoints(context, row.id);
    await remakeConnections(context, row);
  });
}

/** Have netd follow a change of the network for everybody who is connected to it. Throws `helper` with netd's reason. */
export async function followNetwork(context: Context, network: Network): Promise<void> {
  const connected = usersOf(context, network).filter(({ isConnected }) => isConnected);
  for (const { containerId } of connected) {
    const [found] = containersByIdPrefix(context.db(), containerId);
    const row = found && (await settle(context, found));
    if (row?.status === "running") await alone(context, row, () => applyNetworkPlan(context, row));
  }
}

/** A running container that has been renamed answers to its new name. Where netd cannot be told, it does so after the next change or start. */
export async function followName(context: Context, row: ContainerRow): Promise<void> {
  if (row.status !== "running" || !existsSync(networkPlanFile(context, row.id))) return;
  try {
    await alone(context, row, () => applyNetworkPlan(context, row));
  } catch (error) {
    context.warn(
      `${row.name}: its networks know it by its old name: ${error instanceof Error ? error.message : error}`,
    );
  }
}

/** The plan that is on the disk becomes again the one in force, for the next netd to find. */
async function takeBack(context: Context, row: ContainerRow): Promise<void> {
  if (row.status !== "running") return;
  await applyNetworkPlan(context, row).catch(() => undefined);
}

/** One change of a container's connections at a time: the plan written last must be the one with all changes. */
async function alone(context: Context, row: ContainerRow, work: () => Promise<void>): Promise<void> {
  if (row.status !== "running") return work(); // there is no plan to write
  const fd = openSync(containerDirectory(context, row.id), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    flock(fd, LOCK_EX);
    await work();
  } finally {
    closeSync(fd);
  }
}

function refuseOtherModes(what: string, row: ContainerRow, { HostConfig }: ContainerSpec): void {
  const { kind } = parseNetworkMode(HostConfig.NetworkMode);
  const reasons: Partial<Record<typeof kind, string>> = {
    host: "it has the network of the host",
    container: "it has the network of another container: connect that one",
    ns: "its network namespace is not proa's",
    slirp4netns: "its network is made by slirp4netns, which knows no others",
    pasta: "its network is made by pasta, which knows no others",
  };
  const why = reasons[kind];
  if (why !== undefined) throw new EngineError("unsupported", what, row.name, why, { exitCode: 1 });
}

/** A container that was started without a network has a supervisor that knows of none. */
function refuseUnconnected(context: Context, what: string, row: ContainerRow): void {
  if (existsSync(networkPlanFile(context, row.id))) return;
  throw new EngineError("unsupported", what, row.name, "it was started without networks of proa's", {
    exitCode: 1,
    hint: `stop it first: proa stop ${row.name}`,
  });
}

function setMode(context: Context, row: ContainerRow, spec: ContainerSpec, mode: string): void {
  const HostConfig = { ...spec.HostConfig, NetworkMode: mode };
  const changed = { ...spec, HostConfig, NetworkingConfig: { EndpointsConfig: {} } };
  setContainerSpec(context.db(), row.id, JSON.stringify(changed));
}
