/** What `ps` lists. */
import type { Database } from "bun:sqlite";
import { type ContainerSpec, isBridged, parseNetworkMode } from "../oci";
import {
  allContainerSpecs,
  allContainers,
  allEndpoints,
  allNetworks,
  type ContainerRow,
  type Context,
} from "../state";
import { type OpenPort, openPorts } from "./ports";
import { settleAll } from "./settle";
import { readSpec } from "./spec";

export type ListedContainer = ContainerRow & {
  /** Read only where it is looked at: a list of 500 needs none. */
  readonly spec: ContainerSpec;
  /** Names of its networks; where it has none of proa's own, the word for what it has. */
  readonly networks: string[];
  /** What it has published, where it runs. */
  readonly openPorts: OpenPort[];
};

/** Containers, newest first: those that run, or all. */
export async function listContainers(context: Context, all: boolean): Promise<ListedContainer[]> {
  const db = context.db();
  const rows = await settleAll(context, allContainers(db, all ? undefined : "running"));
  const kept = all ? rows : rows.filter((row) => row.status === "running");
  let specs: Map<string, string> | undefined;
  let names: Map<string, string[]> | undefined;
  const further = {
    get spec(): ContainerSpec {
      specs ??= allContainerSpecs(db);
      return readSpec(specs.get((this as unknown as ContainerRow).id) ?? "{}");
    },
    get networks(): string[] {
      names ??= networkNames(db);
      const { id, spec } = this as unknown as ListedContainer;
      const mode = parseNetworkMode(spec.HostConfig.NetworkMode);
      return isBridged(mode) ? (names.get(id) ?? []) : [mode.kind];
    },
    get openPorts(): OpenPort[] {
      const { id, status } = this as unknown as ContainerRow;
      return status === "running" ? openPorts(context, id) : [];
    },
  };
  return kept.map((row) => Object.setPrototypeOf(row, further) as ListedContainer);
}

/** By container, in the order of connection. */
function networkNames(db: Database): Map<string, string[]> {
  const byId = new Map(allNetworks(db).map(({ id, name }) => [id, name]));
  const names = new Map<string, string[]>();
  for (const { containerId, networkId } of allEndpoints(db)) {
    const name = byId.get(networkId) ?? networkId;
    names.set(containerId, [...(names.get(containerId) ?? []), name]);
  }
  return names;
}
