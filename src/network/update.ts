/** Changing a network that is there. */
import { EngineError } from "../error";
import { type Context, type Network, networkById, setResolvers } from "../state";
import { RESOLVERS_MOST, resolverOf } from "./resolvers";

/**
 * Change the name servers of a network.
 *
 * @returns the network as it is now
 * @throws EngineError `invalid` for what is no address, and for one to drop that it does not have; `not-found`
 */
export function updateResolvers(
  context: Context,
  network: Network,
  add: readonly string[],
  drop: readonly string[],
): Network {
  const what = "update network";
  const fail = (why: string): EngineError => new EngineError("invalid", what, network.name, why);
  if (!network.names) throw fail("it answers no names, and asks nobody");
  const [added, dropped] = [add, drop].map((list) => list.map((text) => resolverOf(what, text))) as [
    string[],
    string[],
  ];
  const db = context.db();
  const update = db.transaction((): Network => {
    const now = networkById(db, network.id);
    if (!now) throw new EngineError("not-found", what, network.name, "no such network", { exitCode: 1 });
    const missing = dropped.find((address) => !now.resolvers.includes(address));
    if (missing !== undefined) throw fail(`it does not have the name server ${missing}`);
    const kept = now.resolvers.filter((address) => !dropped.includes(address));
    const resolvers = [...new Set([...kept, ...added])];
    if (resolvers.length > RESOLVERS_MOST)
      throw fail(`it would have more than ${RESOLVERS_MOST} name servers`);
    setResolvers(db, now.id, resolvers);
    return { ...now, resolvers };
  });
  return update.immediate();
}
