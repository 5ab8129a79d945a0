/**
 * How a container comes by its network. What is decided before its start is the namespace and the paths of the files that are bound
 * into it; its addresses are known in the transaction that writes its row, and with them the files' contents and the plan for netd.
 */
import { closeSync } from "node:fs";
import { EngineError } from "../error";
import type { RunRequest } from "../helper";
import {
  type ContainerSpec,
  isBridged,
  type NetworkMode,
  type NetworkNamespace,
  parseNetworkMode,
} from "../oci";
import type { ContainerRow, Context } from "../state";
import { openAlive } from "./alive";
import {
  ALONE,
  hostFilePaths,
  hostFilesOf,
  hostFilesOfHost,
  reachableNameServers,
  writeHostFiles,
} from "./files";
import { findContainer } from "./find";
import { containerDirectory } from "./places";
import { specOf } from "./spec";

/** What the helper is told of it. */
export type NetworkRequests = Pick<RunRequest, "network" | "usernet">;

export type NetworkStart = {
  namespace: NetworkNamespace;
  /** Target to source. */
  files: Record<string, string>;
  /** With the names that the container shares with another. */
  spec: ContainerSpec;
  /**
   * Take the addresses, write the files and the plan. Called in the start's transaction, under the container's lock, when its directories
   * are there. `name` is the container's.
   */
  connect(name: string): NetworkRequests;
};

const NOTHING: NetworkRequests = {};

/** Decide it for a start. Throws `not-found`, `not-running`, `unsupported`. */
export async function networkFor(context: Context, id: string, spec: ContainerSpec): Promise<NetworkStart> {
  const mode = parseNetworkMode(spec.HostConfig.NetworkMode);
  const directory = containerDirectory(context, id);
  const files = hostFilePaths(directory);
  const withFiles = (contents: () => ReturnType<typeof hostFilesOf>): NetworkRequests => {
    writeHostFiles(directory, contents());
    return NOTHING;
  };
  switch (mode.kind) {
    case "none": {
      const connect = () =>
        withFiles(() => hostFilesOf(spec, { ...ALONE, nameServers: spec.HostConfig.Dns }));
      return { namespace: { kind: "own" }, files, spec, connect };
    }
    case "host":
      return {
        namespace: { kind: "host" },
        files,
        spec,
        connect: () => withFiles(() => hostFilesOfHost(spec)),
      };
    case "container":
      return networkOfOther(context, mode.reference, spec);
    case "ns": {
      const namespace = (await import("./namespace")).namespaceAt(mode.path, context.uid);
      if (namespace.kind === "host")
        return { namespace, files, spec, connect: () => withFiles(() => hostFilesOfHost(spec)) };
      const { Dns } = spec.HostConfig;
      const nameServers = Dns.length > 0 ? Dns : reachableNameServers();
      const connect = () => withFiles(() => hostFilesOf(spec, { ...ALONE, nameServers }));
      return { namespace, files, spec, connect };
    }
    default:
      return ownNetwork(context, id, spec, mode);
  }
}

async function ownNetwork(
  context: Context,
  id: string,
  spec: ContainerSpec,
  mode: Extract<NetworkMode, { kind: "default" | "bridge" | "slirp4netns" | "pasta" }>,
): Promise<NetworkStart> {
  const start = {
    namespace: { kind: "own" } as const,
    files: hostFilePaths(containerDirectory(context, id)),
    spec,
  };
  const { chosenMode } = await import("./network-driver");
  const chosen = await chosenMode(context, mode);
  if (chosen.kind === "bridge") {
    const { connectBridge, wantedEndpoints } = await import("./bridge");
    const wanted = wantedEndpoints(context, id, spec);
    return { ...start, connect: (name) => connectBridge(context, id, name, spec, wanted) };
  }
  const { prepareUsernet } = await import("./usernet");
  const connect = await prepareUsernet(context, id, spec, chosen);
  return { ...start, connect };
}

/** `--network container:…`: its namespace, and the files that say who and where it is. */
async function networkOfOther(
  context: Context,
  reference: string,
  spec: ContainerSpec,
): Promise<NetworkStart> {
  const { row, spec: other } = await ownerOf(context, reference);
  const shared = { ...spec, Hostname: other.Hostname, Domainname: other.Domainname };
  const files = hostFilePaths(containerDirectory(context, row.id));
  const start = { files, spec: shared, connect: () => NOTHING };
  if (other.HostConfig.NetworkMode === "host") return { ...start, namespace: { kind: "host" } };
  const alive = openAlive(context, row);
  if (!alive) {
    throw new EngineError("not-running", "join network of container", row.name, "it is not running", {
      exitCode: 1,
      hint: `start it first: proa start ${row.name}`,
    });
  }
  closeSync(alive.pidfd);
  const ns = `/proc/${alive.pid}/ns`;
  return { ...start, namespace: { kind: "joined", path: `${ns}/net`, user: `${ns}/user` } };
}

const CHAIN = 32; // containers that take the network of one another; more is a circle

/** The container whose network it is, in the end. */
async function ownerOf(
  context: Context,
  reference: string,
): Promise<{ row: ContainerRow; spec: ContainerSpec }> {
  let next = reference;
  for (let i = 0; i < CHAIN; i++) {
    const row = await findContainer(context, "join network of container", next);
    const spec = specOf(context, row);
    const mode = parseNetworkMode(spec.HostConfig.NetworkMode);
    if (mode.kind !== "container") return { row, spec };
    next = mode.reference;
  }
  throw new EngineError(
    "invalid",
    "join network of container",
    reference,
    "the containers join one another in a circle",
  );
}

/** The spec with the other container's id in place of its name, which may change, and with its host name. Throws `not-found`. */
export async function withNetworkOwner(context: Context, spec: ContainerSpec): Promise<ContainerSpec> {
  const mode = parseNetworkMode(spec.HostConfig.NetworkMode);
  if (mode.kind !== "container") return spec;
  const { id } = await findContainer(context, "join network of container", mode.reference);
  const { Hostname, Domainname } = (await ownerOf(context, id)).spec;
  const HostConfig = { ...spec.HostConfig, NetworkMode: `container:${id}` };
  return { ...spec, Hostname, Domainname, HostConfig };
}

/**
 * What `create` keeps beside the row: the connections that the start will make. What would be refused then is refused now.
 *
 * @returns to be called in the transaction that writes the row
 */
export async function keptNetwork(context: Context, spec: ContainerSpec): Promise<(id: string) => void> {
  const mode = parseNetworkMode(spec.HostConfig.NetworkMode);
  if (!isBridged(mode)) return () => {};
  const { chosenMode } = await import("./network-driver");
  if ((await chosenMode(context, mode)).kind !== "bridge") return () => {};
  return (await import("./bridge")).keptEndpoints(context, spec);
}
