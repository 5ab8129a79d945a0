/** What can be seen to be wrong with a spec before anything is made of it: `create` refuses what `start` would. */
import { EngineError } from "../error";
import {
  type ContainerSpec,
  checkHealth,
  grantedCapabilities,
  isAddress,
  isBridged,
  parseBind,
  parseNetworkMode,
} from "../oci";
import type { Context } from "../state";
import { checkIsolation } from "./check-isolation";
import { parseExtraHost } from "./files";
import { checkLog } from "./log-target";
import { checkPorts, publishes } from "./ports";
import { runtimeProgram } from "./runtime";

const HOST_NAME_LIMIT = 64; // bytes, __NEW_UTS_LEN of the kernel
const HOST_NAME = /^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$/;

/** Throws `invalid`, `not-found` or `unsupported`, naming the option. */
export function checkSpec(context: Context, spec: ContainerSpec): void {
  const host = spec.HostConfig;
  checkHostName("hostname", spec.Hostname);
  checkHostName("domainname", spec.Domainname);
  host.Binds.forEach(parseBind);
  host.ExtraHosts.forEach(parseExtraHost);
  grantedCapabilities(host.CapAdd, host.CapDrop, host.Privileged);
  checkInit(host, runtimeProgram(host.Runtime) !== null);
  if (spec.Healthcheck || spec.StartupHealthCheck || spec.HealthcheckOnFailureAction) checkHealth(spec);
  if (host.SdNotifyMode === "healthy" && (spec.Healthcheck?.Test?.[0] ?? "NONE") === "NONE")
    throw new EngineError("invalid", "sdnotify", "healthy", "it needs a health check", {
      hint: "--health-cmd",
    });
  checkLog(context, spec);
  checkIsolation(spec);
  checkNetwork(context, spec);
}

function checkInit(host: ContainerSpec["HostConfig"], hasRuntime: boolean): void {
  if (!host.Init) return;
  if (hasRuntime) {
    throw new EngineError(
      "unsupported",
      "init",
      host.Runtime,
      "proa's init cannot be handed to another runtime",
      {
        hint: "leave --runtime or --init out",
      },
    );
  }
}

const NAME_SERVERS_LIMIT = 8; // netd asks no more

function checkNetwork(context: Context, spec: ContainerSpec): void {
  const host = spec.HostConfig;
  const mode = parseNetworkMode(host.NetworkMode);
  const { kind } = mode;
  const refuse = (option: string, why: string): EngineError =>
    new EngineError("invalid", option, `with network ${host.NetworkMode}`, why);
  const wrong = host.Dns.find((address) => !isAddress(address));
  if (wrong !== undefined) throw new EngineError("invalid", "dns", wrong, "it is not an IP address");
  if (host.Dns.length > NAME_SERVERS_LIMIT)
    throw new EngineError("invalid", "dns", `${host.Dns.length} servers`, `${NAME_SERVERS_LIMIT} at most`);
  if (!isBridged(mode) && Object.keys(spec.NetworkingConfig.EndpointsConfig).length > 0)
    throw refuse("options of a connection", "they need a network of proa's own");
  if (kind === "container") {
    const shared = {
      hostname: spec.Hostname !== "",
      domainname: spec.Domainname !== "",
      "add-host": host.ExtraHosts.length > 0,
    };
    const names = { ...shared, dns: host.Dns.length + host.DnsSearch.length + host.DnsOptions.length > 0 };
    const [option] = Object.entries(names).find(([, isGiven]) => isGiven) ?? [];
    if (option !== undefined) throw refuse(option, "it is the other container's");
  }
  if ((kind === "container" || kind === "ns") && runtimeProgram(host.Runtime) !== null) {
    const why = "proa has another runtime make a network, and cannot have it join one";
    throw new EngineError("unsupported", "runtime", `with network ${host.NetworkMode}`, why, {
      hint: "leave --runtime out",
    });
  }
  if (!publishes(spec)) return;
  if (kind === "host") {
    context.warn("published ports are left out: with the network of the host every port is the host's own");
    return;
  }
  if (kind === "none") {
    context.warn("published ports are left out: with the network none nothing reaches the container"); // docker and podman run on
    return;
  }
  if (kind === "container" || kind === "ns")
    throw refuse("publish port", "it is for who made the network to publish");
  checkPorts(context, spec);
}

function checkHostName(what: string, name: string): void {
  if (name === "" || (HOST_NAME.test(name) && name.length <= HOST_NAME_LIMIT)) return;
  throw new EngineError("invalid", what, JSON.stringify(name), "use letters, digits, - _ and ., 64 at most");
}
