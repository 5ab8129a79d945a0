/** Options of networks (`--opt`), docker's and podman's. Each has an effect, or is refused with the reason; none is passed over. */
import { EngineError } from "../error";
import type { Network } from "../state";
import { parseAddress } from "./address";
import { checkInterfaceName } from "./interfaces";

/** What options decide about a network. */
export type Decided = { bridge?: string; mtu?: number; isolated?: boolean };

type Reader = (value: string, fail: (why: string, hint?: string) => EngineError) => Decided;

const MTU_LEAST = 68; // RFC 791
const MTU_MOST = 65535;

const mtu: Reader = (value, fail) => {
  const number = Number(value);
  if (!/^\d+$/.test(value) || number < MTU_LEAST || number > MTU_MOST)
    throw fail(`expected a number of bytes from ${MTU_LEAST} to ${MTU_MOST}`);
  return { mtu: number };
};

const isTrue = (value: string, fail: (why: string) => EngineError): boolean => {
  if (/^(1|t|true)$/i.test(value)) return true;
  if (/^(0|f|false)$/i.test(value)) return false;
  throw fail("expected true or false");
};

/** An option that says what is so anyway. */
const only =
  (is: (value: string, fail: (why: string) => EngineError) => boolean, why: string): Reader =>
  (value, fail) => {
    if (is(value, fail)) return {};
    throw fail(why);
  };

const OWN_WAY = "what containers send goes out from the host's own address: routing it needs root";
const gatewayMode = only((value) => value === "nat", OWN_WAY);
const prefix: Reader = (value) => {
  checkInterfaceName("network option container_iface_prefix", `${value}00`); // room for two digits
  return {};
};
const bridgeName: Reader = (value) => ({ bridge: checkInterfaceName("name bridge", value) });

const readers: Readonly<Record<string, Reader>> = {
  mtu,
  "com.docker.network.driver.mtu": mtu,
  "com.docker.network.mtu": mtu,
  "com.docker.network.bridge.name": bridgeName,
  "com.docker.network.bridge.enable_icc": (value, fail) => ({ isolated: !isTrue(value, fail) }),
  "com.docker.network.bridge.enable_ip_masquerade": only(isTrue, OWN_WAY),
  "com.docker.network.bridge.host_binding_ipv4": (value, fail) => {
    if (parseAddress(value)?.family !== 4) throw fail("expected an IPv4 address");
    return {};
  },
  "com.docker.network.bridge.gateway_mode_ipv4": gatewayMode,
  "com.docker.network.bridge.gateway_mode_ipv6": gatewayMode,
  "com.docker.network.bridge.default_bridge": only(
    (value, fail) => !isTrue(value, fail),
    "proa is the default network",
  ),
  "com.docker.network.bridge.inhibit_ipv4": only(
    (value, fail) => !isTrue(value, fail),
    "the gateway's address is where the way out begins: --internal makes a network without one",
  ),
  "com.docker.network.container_iface_prefix": prefix,
  "com.docker.network.container_interface_prefix": prefix,
  // networks of proa never reach each other, which is what podman means by either of the two
  isolate: only(
    (value, fail) => value === "strict" || isTrue(value, fail),
    "networks are always isolated from each other: connect a container to both (proa network connect)",
  ),
  no_default_route: (value, fail) => {
    isTrue(value, fail);
    return {};
  },
  mode: only((value) => value === "managed", "the bridge is made by proa, in a namespace of its own"),
};

/** Options that docker and podman know and that nobody can have here. */
const refused: Readonly<Record<string, string>> = {
  "com.docker.network.bridge.trusted_host_interfaces":
    "interfaces of the host are not connected to the network",
  "com.docker.network.host_ipv4": "the address that containers are seen with outside is the host's choice",
  "com.docker.network.host_ipv6": "the address that containers are seen with outside is the host's choice",
  metric: "a container has one default route for each family: --gw-priority of connect chooses it",
  vlan: "the bridge has no interface of the host that a VLAN could lead to",
  vrf: "it would need a VRF of the host's, which only root may make",
  parent: "it is of macvlan and ipvlan networks, which need root on the host",
  host_interface_name: "the host's end of the connection is in a namespace of proa's own",
  bclim: "it is of macvlan networks, which need root on the host",
};

/** The options that can be given, for completion. */
export const optionNames: readonly string[] = Object.keys(readers);

/** @throws EngineError `unsupported` for what cannot be had, or no option can be */
export function readOptions(options: Readonly<Record<string, string>>): Decided {
  const decided: Decided = {};
  for (const [name, value] of Object.entries(options)) {
    const fail = (why: string, hint?: string): EngineError =>
      new EngineError("unsupported", "network option", value === "" ? name : `${name}=${value}`, why, {
        hint,
      });
    const why = Object.hasOwn(refused, name) ? refused[name] : undefined;
    if (why !== undefined) throw fail(why);
    const reader = Object.hasOwn(readers, name) ? readers[name] : undefined;
    if (!reader) throw fail("there is no such option", `the options are: ${optionNames.join(", ")}`);
    Object.assign(decided, reader(value, fail));
  }
  return decided;
}

/** The host's address that ports are published on where none was named; "" for all. */
export function hostBindingOf({ options }: Network): string {
  const address = options["com.docker.network.bridge.host_binding_ipv4"] ?? "";
  return address === "0.0.0.0" ? "" : address;
}
