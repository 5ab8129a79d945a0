import type { Provider } from "./completion";
import type { ValueKind } from "./tree";

type NamedKind = Extract<ValueKind, string>;

/** Where the values of each kind come from, for completion. Kinds without a provider are offered nothing. */
export const providers: Partial<Record<NamedKind, Provider>> = {
  signal: async () => (await import("./_value-names")).signalNames.map((value) => ({ value })),
  capability: async () => (await import("./_value-names")).capabilityNames.map((value) => ({ value })),
  platform: async () => (await import("./_value-names")).platformNames.map((value) => ({ value })),
};
