/** Reading values that the commands of networks share. */
import { EngineError } from "../../error";

/** `KEY=VALUE` lines as an object; a key alone has an empty value. Throws `invalid` for one without a key. */
export function pairs(what: string, texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const equals = text.indexOf("=");
      if (text === "" || equals === 0)
        throw new EngineError("invalid", what, JSON.stringify(text), "it has no name before the =");
      return equals < 0 ? [text, ""] : [text.slice(0, equals), text.slice(equals + 1)];
    }),
  );
}

/** Values of a flag that takes several, each of which may hold more behind commas. */
export function splitCommas(texts: readonly string[]): string[] {
  return texts.flatMap((text) => text.split(",")).filter((text) => text !== "");
}

/** Refuse what only a swarm, or root on the host, could give. */
export function refuse(what: string, on: string, why: string, hint?: string): never {
  throw new EngineError("unsupported", what, on, why, { hint });
}
