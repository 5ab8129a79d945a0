import { EngineError } from "../error";

const UNITS: Record<string, number> = { "": 1, b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/** A size as Docker's options have it: `64m`, `1.5g`, `512`, `1GiB`; units are powers of 1024. Throws `invalid`. */
export function parseBytes(what: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?) ?([bkmgt]?)(?:i?b)?$/i.exec(text.trim());
  const unit = UNITS[match?.[2]?.toLowerCase() ?? ""];
  const bytes = Math.floor(Number(match?.[1]) * (unit ?? Number.NaN));
  if (!Number.isSafeInteger(bytes)) {
    throw new EngineError("invalid", what, text, "expected a size such as 512, 64m or 1g");
  }
  return bytes;
}
