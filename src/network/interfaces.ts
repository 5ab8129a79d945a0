/** Names of interfaces in containers. */
import { EngineError } from "../error";
import type { EndpointConfig, Network } from "../state";

type Named = { interface: string | null; wanted: EndpointConfig; network: Network };

const NAME = /^[^\s/:%\x00-\x1f\x7f]{1,15}$/; // IFNAMSIZ is 16 with its NUL; see dev_valid_name() of the kernel

/** Refuse what the kernel would not take as the name of an interface. */
export function checkInterfaceName(what: string, name: string): string {
  const isUsed = name === "lo" || name === "all" || name === "default"; // the last two: directories of net.ipv4.conf
  if (NAME.test(name) && name !== "." && name !== ".." && !isUsed) return name;
  throw new EngineError("invalid", what, JSON.stringify(name), "it cannot be the name of an interface", {
    hint: "up to 15 letters, digits, -, _ and .",
  });
}

/** A name for each connection of a container: what it has, else what was asked for, else the lowest free number behind the network's prefix. */
export function interfaceNames(endpoints: readonly Named[]): string[] {
  const fixed = endpoints.map((each) => each.interface ?? each.wanted.interface ?? null);
  const taken = new Set<string>();
  for (const name of fixed) {
    if (name === null) continue;
    if (taken.has(name))
      throw new EngineError("invalid", "name interface", name, "two connections of the container ask for it");
    taken.add(name);
  }
  return endpoints.map(({ network }, at) => fixed[at] ?? firstFree(prefixOf(network), taken));
}

function firstFree(prefix: string, taken: Set<string>): string {
  for (let number = 0; ; number++) {
    const name = `${prefix}${number}`;
    if (taken.has(name)) continue;
    taken.add(name);
    return name;
  }
}

/** Docker's option, under both of the names it has had. */
function prefixOf({ options }: Network): string {
  return (
    options["com.docker.network.container_iface_prefix"] ??
    options["com.docker.network.container_interface_prefix"] ??
    "eth"
  );
}
