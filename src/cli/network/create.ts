import { EngineError } from "../../error";
import { type AskedNetwork, createNetwork, optionNames, pairSubnets } from "../../network";
import type { Context } from "../../state";
import { defineCommand, type Values } from "../tree";
import { pairs, refuse, splitCommas } from "./_options";

const args = {
  driver: {
    type: "string",
    alias: "d",
    valueHint: "DRIVER",
    default: "bridge",
    value: { suggest: ["bridge"] },
    description: "Driver; only bridge can be made without root",
  },
  subnet: {
    type: "string",
    multiple: true,
    valueHint: "SUBNET",
    value: "none",
    description: "Subnet in CIDR form; may be repeated",
    details: "Without one a free subnet is chosen that the host has no route to.",
  },
  gateway: {
    type: "string",
    multiple: true,
    valueHint: "ADDRESS",
    value: "none",
    description: "Address of the gateway in one of the subnets; the first one where it is absent",
  },
  "ip-range": {
    type: "string",
    multiple: true,
    valueHint: "RANGE",
    value: "none",
    description: "Part of a subnet that addresses are given out of: CIDR, or FIRST-LAST",
  },
  "aux-address": {
    type: "string",
    multiple: true,
    valueHint: "NAME=ADDRESS",
    value: "none",
    description: "Address that is never given out",
  },
  ipv4: { type: "boolean", default: true, description: "Give out IPv4 addresses" },
  ipv6: { type: "boolean", description: "Give out IPv6 addresses, too" },
  internal: { type: "boolean", description: "Reach nothing outside of the network" },
  label: {
    type: "string",
    multiple: true,
    valueHint: "KEY[=VALUE]",
    value: "label",
    description: "Set a label",
  },
  opt: {
    type: "string",
    alias: "o",
    multiple: true,
    valueHint: "KEY=VALUE",
    value: { suggest: optionNames.map((name) => `${name}=`) },
    description: "Set an option of the driver",
    details:
      "mtu=BYTES; com.docker.network.bridge.name=NAME; com.docker.network.bridge.enable_icc=false keeps the containers of the network from each other; com.docker.network.bridge.host_binding_ipv4=ADDRESS is where ports are published that name no address; com.docker.network.container_iface_prefix=NAME; no_default_route=true. Networks are always isolated from each other, which isolate=true says.",
  },
  dns: {
    type: "string",
    multiple: true,
    valueHint: "ADDRESS",
    value: "none",
    description: "Name server to ask in place of the host's",
  },
  "disable-dns": { type: "boolean", description: "Answer no names" },
  route: {
    type: "string",
    multiple: true,
    valueHint: "DESTINATION,GATEWAY",
    value: "none",
    description: "Further route for the containers, through one of them",
  },
  "interface-name": { type: "string", valueHint: "NAME", value: "none", description: "Name of the bridge" },
  ignore: { type: "boolean", description: "Do nothing where a network of this name is there already" },
  attachable: { type: "boolean", description: "Noted for docker's sake: containers can always be connected" },
  "ipam-driver": {
    type: "string",
    valueHint: "DRIVER",
    default: "default",
    value: { suggest: ["default", "host-local"] },
    description: "Driver that gives out addresses; only proa's own",
  },
  "ipam-opt": {
    type: "string",
    multiple: true,
    valueHint: "KEY=VALUE",
    hidden: true,
    description: "Refused",
  },
  scope: { type: "string", valueHint: "SCOPE", hidden: true, description: "Only local" },
  ingress: { type: "boolean", hidden: true, description: "Refused" },
  "config-only": { type: "boolean", hidden: true, description: "Refused" },
  "config-from": { type: "string", valueHint: "NETWORK", hidden: true, description: "Refused" },
  network: {
    type: "positional",
    required: false,
    valueHint: "NETWORK",
    value: "none",
    description: "Name of the network; without one it is proa1, or the first of those that is free",
  },
} as const;

export const command = defineCommand({
  meta: {
    description: "Create a network",
    details: [
      "Containers of a network reach each other by address and by name, and the outside through its gateway. Containers of different networks do not reach each other. The id of the network is printed.",
      "Networks have settings in the table [network] of config.toml: default-subnet = SUBNET is that of the default network; subnet-pools = [{ base = SUBNET, size = BITS }] is what subnets are taken from; ipv6 = false leaves the default network without IPv6; mtu = BYTES is that of networks that name none; deny = [SUBNET, ...] are addresses outside that no container reaches; host-loopback = true lets host.containers.internal reach the loopback of the host. The first three hold for networks made afterwards.",
    ].join("\n\n"),
    examples: [
      { command: "proa network create back", does: "a network on a free subnet" },
      {
        command: "proa network create --ipv6 --subnet 10.90.5.0/24 --gateway 10.90.5.254 back",
        does: "with IPv6, on a given subnet",
      },
      { command: "proa network create --internal db", does: "one that reaches nothing outside" },
    ],
    seeAlso: ["proa-network-connect(1)", "proa-network-ls(1)", "proa-run(1)"],
  },
  args,
  run({ app, args, given }) {
    refuseForeign(args);
    if (args.network === undefined) {
      const name = createUnnamed(app.context, askedFrom(args, given, ""));
      app.io.stdout.write(`${name}\n`);
      return;
    }
    const asked = askedFrom(args, given, args.network);
    try {
      app.io.stdout.write(`${createNetwork(app.context, asked).id}\n`);
    } catch (error) {
      const isThere = error instanceof EngineError && error.code === "name-in-use";
      if (!args.ignore || !isThere) throw error;
      app.io.stdout.write(`${args.network}\n`);
    }
  },
});

type CreateValues = Values<typeof args>;

/** As podman does where no name is given: the first that is free. It is printed, for nobody knows it. */
function createUnnamed(context: Context, asked: AskedNetwork): string {
  for (let number = 1; ; number++) {
    try {
      return createNetwork(context, { ...asked, name: `proa${number}` }).name;
    } catch (error) {
      if (!(error instanceof EngineError) || error.code !== "name-in-use") throw error;
    }
  }
}

function askedFrom(args: CreateValues, given: ReadonlySet<string>, name: string): AskedNetwork {
  return {
    name,
    driver: args.driver,
    internal: args.internal,
    attachable: args.attachable,
    ipv4: args.ipv4,
    ipv6: given.has("ipv6") ? args.ipv6 : undefined,
    subnets: pairSubnets(
      splitCommas(args.subnet),
      splitCommas(args.gateway),
      splitCommas(args["ip-range"]),
      pairs("auxiliary address", args["aux-address"]),
    ),
    names: !args["disable-dns"],
    resolvers: splitCommas(args.dns),
    routes: args.route,
    labels: pairs("label", args.label),
    options: pairs("network option", args.opt),
    bridge: args["interface-name"],
  };
}

/** What docker and podman know and proa has no use for. */
function refuseForeign(args: CreateValues): void {
  const what = "create network";
  const ipam = args["ipam-driver"];
  if (!["", "default", "host-local"].includes(ipam))
    refuse(what, `--ipam-driver ${ipam}`, "addresses are given out by proa itself", "leave it out");
  const [option] = args["ipam-opt"];
  if (option !== undefined) refuse(what, `--ipam-opt ${option}`, "giving out addresses has no options");
  const { scope } = args;
  if (scope !== undefined && scope !== "" && scope !== "local")
    refuse(what, `--scope ${scope}`, "a network is of this machine alone: other scopes need a swarm");
  if (args.ingress) refuse(what, "--ingress", "it is the network of a swarm, and this machine is in none");
  if (args["config-only"])
    refuse(what, "--config-only", "a configuration without a network serves the machines of a swarm");
  const from = args["config-from"];
  if (from !== undefined)
    refuse(what, `--config-from ${from}`, "there are no networks of configuration only to copy from");
}
