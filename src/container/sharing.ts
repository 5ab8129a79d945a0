/** Whether a container shares namespaces with others; of its own, because every start asks it. */
import { type ContainerSpec, isolationOf } from "../oci";
import type { Context } from "../state";

/** Whether a container has all namespaces but the network for itself. */
export function sharesNothing(spec: ContainerSpec): boolean {
  const { PidMode, IpcMode, UTSMode, CgroupnsMode, UsernsMode } = isolationOf(spec.HostConfig);
  return `${PidMode}${IpcMode}${UTSMode}${CgroupnsMode}` === "" && !/^(container|ns):/.test(UsernsMode);
}

/** The spec with ids in place of the names of the containers whose namespaces it shares. Throws `not-found`. */
export async function withNamespaceOwners(context: Context, spec: ContainerSpec): Promise<ContainerSpec> {
  if (sharesNothing(spec)) return spec;
  return (await import("./namespace")).withOwnerIds(context, spec);
}
