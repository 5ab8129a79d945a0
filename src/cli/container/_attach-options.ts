/** Taking part in a container: the detach keys and the size of the terminal. */
import { EngineError } from "../../error";
import { usageError } from "../args";
import type { Io } from "../io";
import type { Args, Values } from "../tree";

/** The streams that the client takes part in. */
export type Attached = { stdin: boolean; stdout: boolean; stderr: boolean };

export const attachArgs = {
  "detach-keys": {
    type: "string",
    valueHint: "KEYS",
    value: "none",
    default: "ctrl-p,ctrl-q",
    description: "Keys that leave the container running",
    details:
      "A list of single characters and ctrl-X, X being a letter or one of @[\\]^_. An empty value: no keys.",
  },
  "sig-proxy": { type: "boolean", default: true, description: "Pass signals on to the container" },
} as const satisfies Args;

export const attachedArgs = {
  attach: {
    type: "string",
    alias: "a",
    multiple: true,
    valueHint: "STREAM",
    value: { suggest: ["stdin", "stdout", "stderr"] },
    description: "Attach to stdin, stdout or stderr only",
  },
} as const satisfies Args;

export const descriptorArgs = {
  "preserve-fds": {
    type: "int",
    valueHint: "NUMBER",
    default: 0,
    min: 0,
    max: 1024,
    description: "Pass that many open files on to the command, from descriptor 3 on",
  },
  "preserve-fd": {
    type: "string",
    multiple: true,
    valueHint: "FD[,FD...]",
    value: "none",
    description: "Pass an open file on to the command, by its descriptor",
  },
} as const satisfies Args;

/** The descriptors that the command gets. To be asked before anything else is opened. Throws `invalid` for one that is not open. */
export function descriptorsFrom(args: Values<typeof descriptorArgs>): number[] {
  if (args["preserve-fds"] === 0 && args["preserve-fd"].length === 0) return [];
  return (require("./_descriptors") as typeof import("./_descriptors")).openDescriptors(args);
}

const STREAMS = ["stdin", "stdout", "stderr"];

/** What `--attach` names; null where it is not given. Throws `usage` in docker's words. */
export function attachedStreams(texts: readonly string[]): Attached | null {
  const names = texts.flatMap((text) => text.split(",")).map((text) => text.toLowerCase());
  const wrong = names.find((name) => !STREAMS.includes(name));
  if (wrong !== undefined) {
    const why = "valid streams are STDIN, STDOUT and STDERR";
    throw usageError(`invalid argument "${wrong}" for "-a, --attach" flag: ${why}`);
  }
  if (names.length === 0) return null;
  return {
    stdin: names.includes("stdin"),
    stdout: names.includes("stdout"),
    stderr: names.includes("stderr"),
  };
}

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
