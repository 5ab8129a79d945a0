import type { Candidate, CompletionRequest, Provider } from "./completion";
import type { ValueKind } from "./tree";

type NamedKind = Extract<ValueKind, string>;

/** Where the values of each kind come from, for completion. Kinds without a provider are offered nothing. */
export const providers: Partial<Record<NamedKind, Provider>> = {
  container: (request) => containers(request, () => true),
  "running-container": (request) => containers(request, (status) => status === "running"),
  "stopped-container": (request) => containers(request, (status) => status !== "running"),
  image: images,
  network: networks,
  volume: volumes,
  signal: async () => (await import("./_value-names")).signalNames.map((value) => ({ value })),
  capability: async () => (await import("./_value-names")).capabilityNames.map((value) => ({ value })),
  platform: async () => (await import("./_value-names")).platformNames.map((value) => ({ value })),
};

/** Names; ids as well where what was typed can only be one of those. */
async function containers(
  { app, prefix }: CompletionRequest,
  wanted: (status: string) => boolean,
): Promise<Candidate[]> {
  const { listContainers } = await import("../container");
  const rows = (await listContainers(app.context, true)).filter(({ status }) => wanted(status));
  const described = rows.map((row) => ({ ...row, description: `${row.image_ref}, ${row.status}` }));
  const byName = described.map(({ name, description }) => ({ value: name, description }));
  if (prefix.length < 2 || byName.some(({ value }) => value.startsWith(prefix))) return byName;
  return described.map(({ id, name, description }) => ({
    value: prefix.length > 12 ? id : id.slice(0, 12),
    description: `${name}, ${description}`,
  }));
}

/** Names with their tags; `latest` only where the name in front of it is complete already. */
async function images({ app, prefix }: CompletionRequest): Promise<Candidate[]> {
  const { listImages } = await import("../image");
  const { imageSize } = await import("./output/size");
  return listImages(app.context).flatMap(({ tags, sizeBytes }) =>
    tags.map((tag) => {
      const repository = tag.replace(/:latest$/, "");
      return {
        value: prefix.length > repository.length ? tag : repository,
        description: imageSize(sizeBytes),
      };
    }),
  );
}

/** Names; ids as well where what was typed can only be one of those. */
async function networks({ app, prefix }: CompletionRequest): Promise<Candidate[]> {
  const { listNetworks } = await import("../network");
  const all = listNetworks(app.context).map(({ id, name, driver, subnets }) => ({
    id,
    name,
    description: [driver, ...subnets.map(({ subnet }) => subnet)].join(", "),
  }));
  const byName = all.map(({ name, description }) => ({ value: name, description }));
  if (prefix.length < 2 || byName.some(({ value }) => value.startsWith(prefix))) return byName;
  return all.map(({ id, name, description }) => ({
    value: prefix.length > 12 ? id : id.slice(0, 12),
    description: `${name}, ${description}`,
  }));
}

/** Names. */
async function volumes({ app }: CompletionRequest): Promise<Candidate[]> {
  const { allVolumes } = await import("../state");
  return allVolumes(app.context.db()).map(({ name, driver, options }) => ({
    value: name,
    description: options["type"] ? `${driver}, ${options["type"]}` : driver,
  }));
}
