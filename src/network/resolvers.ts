/** Name servers of networks. */
import { EngineError } from "../error";
import { canonicalAddress } from "./address";

export const RESOLVERS_MOST = 8; // netd asks no more

/** The canonical address of a name server. Throws `invalid`. */
export function resolverOf(what: string, text: string): string {
  const address = canonicalAddress(text);
  if (address !== null) return address;
  throw new EngineError("invalid", what, JSON.stringify(text), "it is no address of a name server");
}
