import { connectContainer, findContainer } from "../../container";
import { findNetwork } from "../../network";
import { defineCommand, type Values } from "../tree";
import { pairs, refuse } from "./_options";

const argsOfConnect = {
  ip: { type: "string", valueHint: "ADDRESS", value: "none", description: "IPv4 address in the network" },
  ip6: { type: "string", valueHint: "ADDRESS", value: "none", description: "IPv6 address in the network" },
  "mac-address": {
    type: "string",
    valueHint: "ADDRESS",
    value: "none",
    description: "MAC address of the interface",
  },
  alias: {
    type: "string",
    multiple: true,
    valueHint: "NAME",
    value: "none",
    description: "A further name that the container answers to in the network",
  },
  "driver-opt": {
    type: "string",
    multiple: true,
    valueHint: "KEY=VALUE",
    value: { suggest: ["com.docker.network.endpoint.ifname=", "host-loopback=true"] },
    description: "Set an option of the connection",
    details:
      "com.docker.network.endpoint.ifname=NAME names the interface; host-loopback=true lets host.containers.internal reach the loopback of the host.",
  },
  "gw-priority": {
    type: "int",
    valueHint: "NUMBER",
    description: "The connection with the highest has the default route; 0 when absent",
  },
  link: {
    type: "string",
    multiple: true,
    valueHint: "CONTAINER",
    value: "none",
    hidden: true,
    description: "Refused",
  },
  "link-local-ip": {
    type: "string",
    multiple: true,
    valueHint: "ADDRESS",
    hidden: true,
    description: "Refused",
  },
  network: { type: "positional", value: "network", description: "Network" },
  container: { type: "positional", value: "container", description: "Container" },
} as const;

export const command = defineCommand({
  meta: {
    description: "Connect a container to a network",
    details:
      "One that runs has the new interface when the command ends; one that does not, when it is started. Nothing is printed.",
    examples: [
      { command: "proa network connect back web", does: "connect web to the network back" },
      {
        command: "proa network connect --ip 10.90.5.7 --alias db back pg",
        does: "at a given address, with a further name",
      },
    ],
    seeAlso: ["proa-network-disconnect(1)", "proa-network-create(1)"],
  },
  args: argsOfConnect,
  async run({ app, args }) {
    refuseForeign(args);
    const what = "connect container";
    const network = findNetwork(app.context, what, args.network);
    const container = await findContainer(app.context, what, args.container);
    await connectContainer(app.context, container, network, {
      IPAMConfig: {
        ...(args.ip === undefined ? {} : { IPv4Address: args.ip }),
        ...(args.ip6 === undefined ? {} : { IPv6Address: args.ip6 }),
      },
      Aliases: args.alias.flatMap((text) => text.split(",")),
      ...(args["mac-address"] === undefined ? {} : { MacAddress: args["mac-address"] }),
      ...(args["gw-priority"] === undefined ? {} : { GwPriority: args["gw-priority"] }),
      DriverOpts: pairs("driver option", args["driver-opt"]),
    });
  },
});

function refuseForeign(args: Values<typeof argsOfConnect>): void {
  const [link] = args.link;
  if (link !== undefined) {
    refuse(
      "link",
      link,
      "containers of a network find each other by their names",
      "give the other one a further name: proa network connect --alias",
    );
  }
  const [address] = args["link-local-ip"];
  if (address !== undefined)
    refuse("link-local address", address, "every interface chooses its own: there is no setting for it");
}
