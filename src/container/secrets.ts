/** Secrets as containers see them: files below a directory that is mounted read-only, and variables. */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { EngineError } from "../error";
import { type IdMapping, type Mappings, runMapped } from "../helper";
import type { ContainerSpec, OciMount, SecretUse } from "../oci";
import { type Context, findSecret, makePrivateDirectory, secretData } from "../state";
import { containerDirectory, ownExecutable } from "./places";

const PLACE = "/run/secrets";

/** With the ids of the secrets that have the names now. Throws `not-found`, `invalid`. */
export function withSecretIds(context: Context, spec: ContainerSpec): ContainerSpec {
  const Secrets = (spec.HostConfig.Secrets ?? []).map((use) => {
    const { id, name } = findSecret(context, "use secret", use.Name);
    if (use.Type === "mount") targetOf(use);
    return { ...use, Name: name, ID: id };
  });
  return { ...spec, HostConfig: { ...spec.HostConfig, Secrets } };
}

/** Where copies are: the secret may be another one by the next start. */
function copyOf(directory: string, use: SecretUse): string {
  return join(directory, "secrets", use.ID ?? use.Name);
}

/** Keep what the secrets say now, beside the container. */
export function keepSecrets(context: Context, id: string, uses: readonly SecretUse[]): void {
  const directory = containerDirectory(context, id);
  makePrivateDirectory(join(directory, "secrets"), context.uid);
  for (const use of uses) {
    const path = copyOf(directory, use);
    if (!existsSync(path)) {
      const secret = { id: use.ID ?? "", name: use.Name };
      writeFileSync(path, secretData(context, secret), { mode: 0o600 });
    }
  }
}

/** The copy, where there is one. */
function dataOf(context: Context, id: string, use: SecretUse): Uint8Array {
  const path = copyOf(containerDirectory(context, id), use);
  return existsSync(path) ? readFileSync(path) : secretData(context, { id: use.ID ?? "", name: use.Name });
}

/** The variables of `type=env`, before those that the user sets by name. */
export function withSecretVariables(context: Context, id: string, spec: ContainerSpec): ContainerSpec {
  const variables = (spec.HostConfig.Secrets ?? []).flatMap((use) => {
    if (use.Type !== "env") return [];
    const value = new TextDecoder().decode(dataOf(context, id, use));
    if (value.includes("\0") || value.includes("\uFFFD"))
      throw new EngineError(
        "invalid",
        "secret",
        use.Name,
        "what it says cannot be in a variable: it is no text",
      );
    return [`${use.Target || use.Name}=${value}`];
  });
  return { ...spec, Env: [...spec.Env, ...variables] };
}

/** An absolute path of the container. Throws `invalid`. */
function targetOf({ Name, Target }: SecretUse): string {
  const path = Target.startsWith("/") ? Target : `${PLACE}/${Target || Name}`;
  const isPlain = path
    .split("/")
    .every((part, index) => index === 0 || (part !== "" && part !== "." && part !== ".."));
  if (isPlain && path !== "/") return path;
  throw new EngineError(
    "invalid",
    "secret",
    Name,
    `the target ${JSON.stringify(Target)} is no path of a file`,
  );
}

/** The mounts; their files are made anew for each start. */
export async function secretMounts(
  context: Context,
  id: string,
  uses: readonly SecretUse[],
  directory: string,
  mappings: Mappings,
): Promise<OciMount[]> {
  keepSecrets(context, id, uses);
  const shown = join(directory, "secrets", "shown");
  const options = ["rbind", "rprivate", "ro", "nosuid", "nodev", "noexec"];
  const mounts: OciMount[] = [];
  let isBelow = false;
  const owned = new Map<string, string[]>(); // owner to files
  for (const [index, use] of uses.entries()) {
    if (use.Type !== "mount") continue;
    const target = targetOf(use);
    const below = target.startsWith(`${PLACE}/`);
    const file = below
      ? join(shown, target.slice(PLACE.length))
      : join(directory, "secrets", `file-${index}`);
    if (below) mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
    if (!existsSync(file)) {
      writeFileSync(file, dataOf(context, id, use), { mode: 0o600 });
      chmodSync(file, use.Mode);
      if (!isOurs(mappings, use)) {
        const owner = `${use.UID}:${use.GID}`;
        owned.set(owner, [...(owned.get(owner) ?? []), file]);
      }
    }
    if (below) isBelow = true;
    else mounts.push({ destination: target, type: "bind", source: file, options });
  }
  for (const [owner, files] of owned) await giveTo(context, mappings, owner, files);
  if (isBelow) chmodSync(shown, 0o755); // whatever the umask
  if (isBelow) mounts.unshift({ destination: PLACE, type: "bind", source: shown, options });
  return mounts;
}

function hostId(map: readonly IdMapping[], id: number): number | undefined {
  const line = map.find(({ containerID, size }) => containerID <= id && id < containerID + size);
  return line && line.hostID + id - line.containerID;
}

/** Whether a file that we make has the owner already. Throws `invalid` for one that cannot be. */
function isOurs(mappings: Mappings, { Name, UID, GID }: SecretUse): boolean {
  const uid = hostId(mappings.uid, UID);
  const gid = hostId(mappings.gid, GID);
  if (uid === undefined || gid === undefined)
    throw new EngineError("invalid", "secret", Name, `${UID}:${GID} are no ids of the container`);
  return uid === process.geteuid?.() && gid === process.getegid?.();
}

/** Only root of the user namespace can. */
async function giveTo(context: Context, mappings: Mappings, owner: string, files: string[]): Promise<void> {
  const args = ["chown", owner, "--", ...files];
  const status = await runMapped(context.paths.cache, { proa: ownExecutable(), mappings, args });
  if (status !== 0)
    throw new EngineError("io", "give secret to", owner, `chown has ended with status ${status}`);
}
