import { EngineError } from "../../error";
import { isPermanent, listNetworks, usersOf } from "../../network";
import type { Context, Network } from "../../state";
import { filterFlag, rowFlags } from "../_flags";
import { timeOf } from "../_moment";
import { type Filters, hasLabel, isTrue, matchesName, parseFilters, passesFilters } from "../output/filter";
import { type Field, formatRows } from "../output/format";
import { localTime } from "../output/time";
import { defineCommand } from "../tree";

const hasFamily = ({ subnets }: Network, family: 4 | 6): boolean =>
  subnets.some((subnet) => subnet.family === family);

const extra = (header: string, value: (network: Network) => unknown): Field<Network> => ({
  header,
  value,
  isExtra: true,
});

const fields: Record<string, Field<Network>> = {
  ID: {
    header: "NETWORK ID",
    isWhole: true,
    value: ({ id }, { noTrunc }) => (noTrunc ? id : id.slice(0, 12)),
  },
  Name: { header: "NAME", isWhole: true, value: ({ name }) => name },
  Driver: { header: "DRIVER", value: ({ driver }) => driver },
  Scope: { header: "SCOPE", value: () => "local" },
  IPv4: { header: "IPV4", value: (network) => String(hasFamily(network, 4)) },
  IPv6: { header: "IPV6", value: (network) => String(hasFamily(network, 6)) },
  Internal: { header: "INTERNAL", value: ({ internal }) => String(internal) },
  Labels: {
    header: "LABELS",
    value: ({ labels }) =>
      Object.entries(labels)
        .map((pair) => pair.join("="))
        .join(","),
  },
  Label: {
    header: "",
    value:
      ({ labels }) =>
      (key: unknown) =>
        labels[String(key)] ?? "",
  },
  CreatedAt: {
    header: "CREATED AT",
    value: ({ createdMs }) => (createdMs === 0 ? "N/A" : localTime(createdMs)),
  },
  Subnets: { header: "SUBNETS", value: ({ subnets }) => subnets.map(({ subnet }) => subnet).join(",") },
  // podman's names
  Created: extra("CREATED", ({ createdMs }) => (createdMs === 0 ? "N/A" : localTime(createdMs))),
  NetworkInterface: extra("NETWORK INTERFACE", ({ bridge }) => bridge),
  DNSEnabled: extra("DNS ENABLED", ({ names }) => names),
  IPv6Enabled: extra("IPV6 ENABLED", (network) => hasFamily(network, 6)),
  Options: extra("OPTIONS", ({ options }) =>
    Object.entries(options)
      .map((pair) => pair.join("="))
      .join(","),
  ),
};

const FILTERS = ["dangling", "driver", "id", "label", "label!", "name", "scope", "type", "until"];

export const command = defineCommand({
  meta: {
    description: "List networks",
    examples: [
      { command: "proa network ls", does: "list all networks" },
      { command: "proa network ls -q --filter dangling=true", does: "ids of those that no container uses" },
      { command: "proa network ls --format '{{.Name}} {{.Subnets}}'", does: "names and subnets" },
    ],
    seeAlso: ["proa-network-inspect(1)", "proa-network-create(1)"],
  },
  args: {
    filter: filterFlag(FILTERS, "networks"),
    ...rowFlags,
    noheading: { ...rowFlags.noheading, alias: "n" },
  },
  fields: () => Object.keys(fields),
  async run({ app, args }) {
    const filters = parseFilters(args.filter, FILTERS);
    const networks = listNetworks(app.context);
    const tests = testsFor(app.context, filters);
    const kept = filters.size > 0 ? networks.filter((each) => passesFilters(filters, tests(each))) : networks;
    const text = await formatRows(kept, {
      fields,
      columns: ["ID", "Name", "Driver", "Scope"],
      quietField: "ID",
      quiet: args.quiet,
      noTrunc: args["no-trunc"],
      noHeading: args.noheading,
      on: app.io.stdout,
      format: args.format,
    });
    app.io.stdout.write(text);
  },
});

type Tests = Record<string, (value: string) => boolean>;

function testsFor(context: Context, filters: Filters): (network: Network) => Tests {
  const invalid = (key: string, value: string, why: string) =>
    new EngineError("invalid", "filter", `${key}=${value}`, why);
  for (const value of filters.get("type") ?? []) {
    if (value !== "custom" && value !== "builtin")
      throw invalid("type", value, "a type is custom or builtin");
  }
  for (const value of filters.get("scope") ?? []) {
    if (!["local", "swarm", "global"].includes(value))
      throw invalid("scope", value, "a scope is local, swarm or global");
  }
  const until = filters.get("until")?.map((value) => timeOf("filter until", value, context.now())) ?? [];
  return (network) => ({
    id: (value) => network.id.startsWith(value),
    name: (value) => matchesName(network.name, value),
    driver: (value) => network.driver === value,
    scope: (value) => value === "local",
    type: (value) => isPermanent(network) === (value === "builtin"),
    label: (value) => hasLabel(network.labels, value),
    "label!": (value) => !hasLabel(network.labels, value),
    dangling: (value) => isDangling(context, network) === isTrue("dangling", value),
    until: () => !isPermanent(network) && until.every((time) => network.createdMs < time),
  });
}

/** A network of a user's that no container is set up to be in. */
function isDangling(context: Context, network: Network): boolean {
  return !isPermanent(network) && usersOf(context, network).length === 0;
}
