/** How many ids `--userns auto` takes where the user does not say it. */
import { type ContainerSpec, parseGroup, parsePasswd } from "../oci";
import type { Context } from "../state";
import { type RootSource, readRootFile } from "../storage";

const SMALLEST = 1024; // as podman
const NOBODY = 65_534; // would take all that there are

/** Enough for every user and group that the image knows, and for the one that it runs as. */
export async function autoSize(context: Context, source: RootSource, spec: ContainerSpec): Promise<number> {
  const passwd = parsePasswd((await readRootFile(context, source, "/etc/passwd")) ?? "");
  const group = parseGroup((await readRootFile(context, source, "/etc/group")) ?? "");
  const asked = spec.User.split(":")
    .filter((part) => /^\d{1,10}$/.test(part))
    .map(Number);
  const ids = [...passwd.flatMap(({ uid, gid }) => [uid, gid]), ...group.map(({ gid }) => gid)];
  const added = spec.HostConfig.GroupAdd.filter((part) => /^\d{1,10}$/.test(part)).map(Number);
  return Math.max(SMALLEST, ...[...ids, ...asked, ...added].filter((id) => id < NOBODY).map((id) => id + 1));
}
