/** Who a container's processes run as, by the passwd and group files of its own root. */
import { type ContainerSpec, isolationOf, type ResolvedUser, resolveUser } from "../oci";
import type { Context } from "../state";
import { type RootSource, readRootFile } from "../storage";

/** The user of the first process. */
export async function lookUpUser(
  context: Context,
  source: RootSource,
  spec: ContainerSpec,
): Promise<ResolvedUser> {
  const passwd = (await readRootFile(context, source, "/etc/passwd")) ?? "";
  const group = (await readRootFile(context, source, "/etc/group")) ?? "";
  const { HostUsers } = isolationOf(spec.HostConfig);
  const files =
    HostUsers.length > 0
      ? (await import("./passwd-files")).withHostUsers(HostUsers, passwd, group)
      : { passwd, group };
  return resolveUser(spec.User, files.passwd, files.group, spec.HostConfig.GroupAdd);
}
