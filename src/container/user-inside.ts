import { type ResolvedUser, resolveUser } from "../oci";
import { readInside } from "../storage";

/** The user of a further process in the container whose first process is `pid`: its files may have changed since. */
export function lookUpUserIn(pid: number, user: string, groupAdd: string[]): ResolvedUser {
  const root = `/proc/${pid}/root`;
  return resolveUser(
    user,
    readInside(root, "/etc/passwd") ?? "",
    readInside(root, "/etc/group") ?? "",
    groupAdd,
  );
}
