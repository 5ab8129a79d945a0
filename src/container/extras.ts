/**
 * What few containers ask for, and what is loaded only for those: links, secrets, a time zone, files of the image left as they are.
 */
import { EngineError } from "../error";
import type { Mappings } from "../helper";
import type { ContainerSpec, OciMount } from "../oci";
import type { Context } from "../state";

/** What a start makes of it. */
export type Extras = {
  /** With the variables and the lines of /etc/hosts that are only known now; not stored. */
  spec: ContainerSpec;
  /** Target to source: without those that are left out. */
  files(files: Record<string, string>): Record<string, string>;
  /** Mounts behind all others. `directory` is the container's. */
  mounts(directory: string, mappings: Mappings): Promise<OciMount[]>;
};

/** Throws `not-found`, `not-running`, `invalid`. */
export async function extrasFor(context: Context, id: string, asked: ContainerSpec): Promise<Extras> {
  const host = asked.HostConfig;
  let spec = asked;
  if (host.Links?.length) spec = await (await import("./links")).withLinks(context, spec);
  if (host.Secrets?.some(({ Type }) => Type === "env"))
    spec = (await import("./secrets")).withSecretVariables(context, id, spec);
  const manager = host.SdNotifyMode === undefined ? managerSocket(context) : null;
  if (manager !== null) spec = { ...spec, Env: [...spec.Env, `NOTIFY_SOCKET=${NOTIFY_PLACE}`] };
  const zone = host.Timezone === undefined ? null : zoneFile(host.Timezone);
  return {
    spec,
    files(files) {
      const kept = { ...files };
      if (host.NoHosts) delete kept["/etc/hosts"];
      if (host.NoHostname) delete kept["/etc/hostname"];
      if (host.NoResolvConf) delete kept["/etc/resolv.conf"];
      if (zone !== null) kept["/etc/localtime"] = zone;
      return kept;
    },
    mounts: async (directory, mappings) => [
      ...(manager === null ? [] : [{ ...NOTIFY_MOUNT, source: manager }]),
      ...(host.Secrets?.length
        ? await (await import("./secrets")).secretMounts(context, id, host.Secrets, directory, mappings)
        : []),
    ],
  };
}

/** Where the program finds the service manager's socket, as podman has it. */
const NOTIFY_PLACE = "/run/notify/notify.sock";
const NOTIFY_MOUNT = { destination: NOTIFY_PLACE, type: "bind", options: ["bind", "rprivate"] };

/** One in the abstract namespace belongs to the host's network, and cannot be handed on. */
function managerSocket({ env }: Context): string | null {
  const socket = env.NOTIFY_SOCKET ?? "";
  const { statSync } = require("node:fs") as typeof import("node:fs");
  try {
    return socket.startsWith("/") && statSync(socket).isSocket() ? socket : null;
  } catch {
    return null;
  }
}

const ZONES = "/usr/share/zoneinfo";

/** The host's file of a time zone. Throws `invalid` for a name that has none. */
export function zoneFile(name: string): string {
  const { realpathSync, statSync } = require("node:fs") as typeof import("node:fs");
  const fail = (why: unknown, hint?: string): EngineError =>
    new EngineError("invalid", "time zone", JSON.stringify(name), why, { hint });
  const isLocal = name === "local";
  if (!isLocal && !/^[A-Za-z0-9_+-]+(\/[A-Za-z0-9_+-]+)*$/.test(name))
    throw fail("it is no name of a time zone");
  try {
    const path = realpathSync(isLocal ? "/etc/localtime" : `${ZONES}/${name}`);
    if (statSync(path).isFile()) return path;
  } catch {
    // said below
  }
  if (isLocal) throw fail("this host has no /etc/localtime");
  throw fail(`there is none of that name in ${ZONES}`, "for example Europe/Berlin, UTC or local");
}
