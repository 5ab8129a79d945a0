/** What `ps` lists. */
import type { ContainerSpec } from "../oci";
import { allContainerSpecs, allContainers, type ContainerRow, type Context } from "../state";
import { settleAll } from "./settle";

export type ListedContainer = ContainerRow & {
  /** Read only where it is looked at: a list of 500 needs none. */
  readonly spec: ContainerSpec;
};

/** Containers, newest first: those that run, or all. */
export async function listContainers(context: Context, all: boolean): Promise<ListedContainer[]> {
  const db = context.db();
  const rows = await settleAll(context, allContainers(db, all ? undefined : "running"));
  const kept = all ? rows : rows.filter((row) => row.status === "running");
  let specs: Map<string, string> | undefined;
  const withSpec = {
    get spec(): ContainerSpec {
      specs ??= allContainerSpecs(db);
      return JSON.parse(specs.get((this as unknown as ContainerRow).id) ?? "{}");
    },
  };
  return kept.map((row) => Object.setPrototypeOf(row, withSpec) as ListedContainer);
}
