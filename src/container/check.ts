/** What can be seen to be wrong with a spec before anything is made of it: `create` refuses what `start` would. */
import { EngineError } from "../error";
import { bindMount, type ContainerSpec, grantedCapabilities } from "../oci";
import { parseExtraHost } from "./files";
import { runtimeProgram } from "./runtime";

const HOST_NAME_LIMIT = 64; // bytes, __NEW_UTS_LEN of the kernel
const HOST_NAME = /^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$/;

/** Throws `invalid`, `not-found` or `unsupported`, naming the option. */
export function checkSpec(spec: ContainerSpec): void {
  const host = spec.HostConfig;
  checkHostName("hostname", spec.Hostname);
  checkHostName("domainname", spec.Domainname);
  host.Binds.forEach(bindMount);
  host.ExtraHosts.forEach(parseExtraHost);
  grantedCapabilities(host.CapAdd, host.CapDrop, host.Privileged);
  runtimeProgram(host.Runtime);
}

function checkHostName(what: string, name: string): void {
  if (name === "" || (HOST_NAME.test(name) && name.length <= HOST_NAME_LIMIT)) return;
  throw new EngineError("invalid", what, JSON.stringify(name), "use letters, digits, - _ and ., 64 at most");
}
