/** Reading values that the commands of networks share. */
import { EngineError } from "../../error";

export { pairs } from "../_pairs";

/** Values of a flag that takes several, each of which may hold more behind commas. */
export function splitCommas(texts: readonly string[]): string[] {
  return texts.flatMap((text) => text.split(",")).filter((text) => text !== "");
}

/** Refuse what only a swarm, or root on the host, could give. */
export function refuse(what: string, on: string, why: string, hint?: string): never {
  throw new EngineError("unsupported", what, on, why, { hint });
}
