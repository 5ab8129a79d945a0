/** Taking part in a container: the detach keys and the size of the terminal. */
import { EngineError } from "../../error";
import type { Io } from "../io";
import type { Args } from "../tree";

export const attachArgs = {
  "detach-keys": {
    type: "string",
    valueHint: "KEYS",
    default: "ctrl-p,ctrl-q",
    description: "Keys that leave the container running",
    details:
      "A list of single characters and ctrl-X, X being a letter or one of @[\\]^_. An empty value: no keys.",
  },
  "sig-proxy": { type: "boolean", default: true, description: "Pass signals on to the container" },
} as const satisfies Args;

/** The bytes of `ctrl-p,ctrl-q`. Throws `invalid`. */
export function parseDetachKeys(text: string): number[] {
  if (text === "") return [];
  return text.split(",").map((key) => {
    if (/^[\x20-\x7e]$/.test(key)) return key.charCodeAt(0);
    const control = /^ctrl-([a-zA-Z@[\\\]^_])$/.exec(key)?.[1];
    if (control === undefined) {
      throw new EngineError("invalid", "detach keys", text, `"${key}" is neither a character nor ctrl-X`);
    }
    return control.toUpperCase().charCodeAt(0) & 0x1f;
  });
}

/** A container with a terminal that is attached to needs one here. Throws `invalid`, as Docker does. */
export function requireTerminal(io: Io, tty: boolean, interactive: boolean): void {
  if (!tty || !interactive || io.stdin.isTTY) return;
  throw new EngineError("invalid", "attach", "stdin", "the input is not a terminal", {
    hint: "leave -t out when input comes from a pipe or a file",
  });
}

export function consoleSize(io: Io): { height: number; width: number } | undefined {
  const { rows, columns } = io.stdout;
  return rows && columns ? { height: rows, width: columns } : undefined;
}
