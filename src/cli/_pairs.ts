/** `KEY=VALUE` on the command line. */
import { EngineError } from "../error";

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
