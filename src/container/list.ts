/** What `ps` lists. */
import type { Database } from "bun:sqlite";
import { type ContainerSpec, isBridged, type MountPoint, parseNetworkMode } from "../oci";
import {
  allContainerSpecs,
  allContainers,
  allEndpoints,
  allNetworks,
  type ContainerRow,
  type Context,
} from "../state";
import { type LiveState, liveState } from "./live";
import { type OpenPort, openPorts } from "./ports";
import { settleAll } from "./settle";
import { readSpec } from "./spec";

export type ListedContainer = ContainerRow & {
  /** Read only where it is looked at: a list of 500 needs none. */
  readonly spec: ContainerSpec;
  /** Names of its networks; where it has none of proa's own, the word for what it has. */
  readonly networks: string[];
  /** What it is at, where it lives. */
  readonly live: LiveState | null;
  /** What it has published, where it runs. */
  readonly openPorts: OpenPort[];
  /** As `inspect` has them. */
  readonly mounts: MountPoint[];
  /** `linux/amd64`: of its image; "" where it has none. */
  readonly platform: string;
  /** Numbers of the namespaces that it is in, by their names in /proc; none where it does not run. */
  readonly namespaces: Record<string, string>;
};

/** What few lists show. */
function rare() {
  return require("./list-more") as typeof import("./list-more");
}

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
    get live(): LiveState | null {
      const row = this as unknown as ContainerRow;
      return row.status === "running" ? liveState(context, row) : null;
    },
    get openPorts(): OpenPort[] {
      const { id, status } = this as unknown as ContainerRow;
      return status === "running" ? openPorts(context, id) : [];
    },
    get mounts(): MountPoint[] {
      return mountsOf((this as unknown as ListedContainer).spec);
    },
    get platform(): string {
      return rare().platformOf(context, this as unknown as ContainerRow);
    },
    get namespaces(): Record<string, string> {
      return rare().namespacesOf((this as unknown as ListedContainer).live?.pid ?? 0);
    },
  };
  return kept.map((row) => Object.setPrototypeOf(row, further) as ListedContainer);
}

/** What is mounted: docker's list, without what `--tmpfs` asks for. Records of older versions have it in their binds. */
export function mountsOf({ MountPoints, HostConfig }: ContainerSpec): MountPoint[] {
  if (MountPoints) return MountPoints.filter(({ IsHidden }) => !IsHidden);
  return HostConfig.Binds.map((bind): MountPoint => {
    const [Source = "", Destination = "", Mode = ""] = bind.split(":");
    const RW = !Mode.split(",").includes("ro");
    const nothing = { Name: "", Anonymous: false, Options: [], Subpath: "", CreateSource: true };
    return { ...nothing, Type: "bind", Source, Destination, Mode, RW, Propagation: "rprivate" };
  });
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
