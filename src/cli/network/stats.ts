import { findContainer } from "../../container";
import type { EndpointStatus } from "../../helper";
import { listNetworks, netdStatus } from "../../network";
import { rowFlags } from "../_flags";
import { type Field, formatRows } from "../output/format";
import { humanSize } from "../output/size";
import { defineCommand } from "../tree";

/** A line: a container has one a network. */
type Line = EndpointStatus & { id: string; name: string; networkName: string };

const count = (
  header: string,
  key: "rxPackets" | "txPackets" | "rxErrors" | "txErrors" | "rxDropped" | "txDropped",
) => ({ header, value: (line: Line) => String(line[key]) }) as const;

const fields: Record<string, Field<Line>> = {
  ID: { header: "CONTAINER ID", value: ({ id }, { noTrunc }) => (noTrunc ? id : id.slice(0, 12)) },
  Name: { header: "NAME", isWhole: true, value: ({ name }) => name },
  Network: { header: "NETWORK", value: ({ networkName }) => networkName },
  Interface: { header: "INTERFACE", value: (line) => line.interface },
  IPv4: { header: "IPV4", value: ({ ipv4 }) => ipv4 ?? "" },
  IPv6: { header: "IPV6", value: ({ ipv6 }) => ipv6 ?? "" },
  Received: { header: "RECEIVED", value: ({ rxBytes }) => humanSize(rxBytes, 3) },
  Sent: { header: "SENT", value: ({ txBytes }) => humanSize(txBytes, 3) },
  NetIO: {
    header: "NET I/O",
    value: ({ rxBytes, txBytes }) => `${humanSize(rxBytes, 3)} / ${humanSize(txBytes, 3)}`,
  },
  RxBytes: { header: "RX BYTES", value: ({ rxBytes }) => String(rxBytes) },
  TxBytes: { header: "TX BYTES", value: ({ txBytes }) => String(txBytes) },
  RxPackets: count("RX PACKETS", "rxPackets"),
  TxPackets: count("TX PACKETS", "txPackets"),
  RxErrors: count("RX ERRORS", "rxErrors"),
  TxErrors: count("TX ERRORS", "txErrors"),
  RxDropped: count("RX DROPPED", "rxDropped"),
  TxDropped: count("TX DROPPED", "txDropped"),
};

export const command = defineCommand({
  meta: {
    description: "Show what containers have received and sent",
    details:
      "A line for each connection of a container that runs, since its start. Fields for --format besides those shown: IPv4, IPv6, NetIO, RxBytes, TxBytes, RxPackets, TxPackets, RxErrors, TxErrors, RxDropped, TxDropped.",
    examples: [
      { command: "proa network stats", does: "of all that run" },
      {
        command: "proa network stats --format '{{.Name}} {{.RxBytes}}' web",
        does: "bytes that web has received",
      },
    ],
    seeAlso: ["proa-network-inspect(1)"],
  },
  args: {
    format: rowFlags.format,
    "no-trunc": rowFlags["no-trunc"],
    noheading: rowFlags.noheading,
    container: {
      type: "positional",
      rest: true,
      required: false,
      value: "running-container",
      description: "Only these, by name or id",
    },
  },
  fields: () => Object.keys(fields),
  async run({ app, args }) {
    const { context, io } = app;
    const wanted = new Set<string>();
    for (const name of args.container)
      wanted.add((await findContainer(context, "show statistics of container", name)).id);
    const status = await netdStatus(context);
    const names = new Map(listNetworks(context).map(({ id, name }) => [id, name]));
    const lines = (status?.containers ?? [])
      .filter(({ id }) => wanted.size === 0 || wanted.has(id))
      .flatMap(({ id, name, endpoints }): Line[] =>
        endpoints.map((endpoint) => ({
          ...endpoint,
          id,
          name,
          networkName: names.get(endpoint.network) ?? endpoint.network.slice(0, 12),
        })),
      )
      .sort((a, b) => (`${a.name} ${a.interface}` < `${b.name} ${b.interface}` ? -1 : 1));
    const text = await formatRows(lines, {
      fields,
      columns: ["ID", "Name", "Network", "Interface", "Received", "Sent"],
      quietField: "ID",
      noTrunc: args["no-trunc"],
      noHeading: args.noheading,
      on: io.stdout,
      format: args.format,
    });
    io.stdout.write(text);
  },
});
