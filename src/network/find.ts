/** From what a user types to a network. */
import { EngineError } from "../error";
import { allNetworks, type Context, type Network, networkByName, networksByIdPrefix } from "../state";
import { DEFAULT_NETWORK, defaultNetwork } from "./default";

/** Further names of the default network. */
const defaultAliases: readonly string[] = ["bridge", "default"];

const predefined = (name: string, driver: "host" | "null", id: string): Network => ({
  id,
  name,
  driver,
  bridge: "",
  createdMs: 0,
  internal: false,
  isolated: false,
  names: false,
  attachable: false,
  mtu: 0,
  resolvers: [],
  routes: [],
  labels: {},
  options: {},
  subnets: [],
});

/** The two that are no networks of netd's: a container has the host's interfaces, or none. Their ids are made up, and the same everywhere. */
const hostNetwork = predefined(
  "host",
  "host",
  "eda8f829fdbf2af0cd7f5d3757fe3fc569f7f3e1650c2eac1563edc2be77682e",
);
const noneNetwork = predefined(
  "none",
  "null",
  "617a31e3a1e4c41b2bd15df67fb0a16ab00483c7f6d00f1734c435d1916cb8e6",
);

/** Is this a name that no network of a user's can have? */
export function isPredefined(name: string): boolean {
  return [DEFAULT_NETWORK, ...defaultAliases, hostNetwork.name, noneNetwork.name].includes(name);
}

/**
 * The network that `reference` names: full name, full id, or the beginning of an id that fits one.
 *
 * @param what what is being done, for the error
 * @throws EngineError `not-found`, `ambiguous`
 */
export function findNetwork(context: Context, what: string, reference: string): Network {
  const found = lookUp(context, what, reference);
  if (found) return found;
  throw new EngineError("not-found", what, reference, "no such network", {
    exitCode: 1,
    hint: "list them: proa network ls",
  });
}

function lookUp(context: Context, what: string, reference: string): Network | null {
  if (reference === DEFAULT_NETWORK || defaultAliases.includes(reference)) return defaultNetwork(context);
  const fixed = [hostNetwork, noneNetwork].find(({ id, name }) => reference === name || reference === id);
  if (fixed) return fixed;
  const db = context.db();
  const byName = networkByName(db, reference);
  if (byName || !/^[0-9a-f]{1,64}$/.test(reference)) return byName;
  const [first, second] = [
    ...networksByIdPrefix(db, reference),
    ...[hostNetwork, noneNetwork].filter(({ id }) => id.startsWith(reference)),
  ];
  if (second) {
    throw new EngineError("ambiguous", what, reference, "several networks have ids that begin so", {
      exitCode: 1,
      hint: "type more of the id: proa network ls --no-trunc",
    });
  }
  return first ?? null;
}

/** Every network, the predefined ones too, by name. */
export function listNetworks(context: Context): Network[] {
  defaultNetwork(context);
  const all = [...allNetworks(context.db()), hostNetwork, noneNetwork];
  return all.sort((a, b) => (a.name < b.name ? -1 : 1));
}
