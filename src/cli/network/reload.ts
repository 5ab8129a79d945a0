import { findContainer, listContainers, reloadNetworks } from "../../container";
import { isBridged, parseNetworkMode } from "../../oci";
import { usageError } from "../args";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Make the connections of running containers again",
    details:
      "Interfaces, addresses and routes are taken down and made anew, so that what the container has done to them is undone; published ports stay open. The ids are printed.",
    examples: [{ command: "proa network reload --all", does: "those of every container that runs" }],
    seeAlso: ["proa-network-connect(1)"],
  },
  args: {
    all: { type: "boolean", alias: "a", description: "Every container that runs and is connected" },
    latest: { type: "boolean", alias: "l", description: "The newest container that runs" },
    container: {
      type: "positional",
      rest: true,
      required: false,
      value: "running-container",
      description: "Name or id",
    },
  },
  async run({ app, args, typed }) {
    const { context, io } = app;
    const ways = Number(args.all) + Number(args.latest) + Number(args.container.length > 0);
    if (ways !== 1) throw usageError(`"${typed}" takes containers, or --all, or --latest`);
    const names =
      args.container.length > 0
        ? args.container
        : (await listContainers(context, false))
            .slice(0, args.latest ? 1 : undefined)
            .filter(({ spec }) => args.latest || isBridged(parseNetworkMode(spec.HostConfig.NetworkMode)))
            .map(({ id }) => id);
    return forEachTarget(io, names, async (name) => {
      const row = await findContainer(context, "reload networks of container", name);
      await reloadNetworks(context, row);
      return row.id;
    });
  },
});
