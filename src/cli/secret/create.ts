import { closeSync, openSync, readSync } from "node:fs";
import { EngineError } from "../../error";
import { randomBytes } from "../../helper";
import { allSecrets, insertSecret } from "../../state";
import type { App } from "../app";
import { defineCommand } from "../tree";

const DATA_MOST = 512_000; // bytes
const NAME = /^[a-zA-Z0-9]([a-zA-Z0-9_.-]{0,251}[a-zA-Z0-9])?$/;

export const command = defineCommand({
  meta: {
    description: "Keep a secret for containers",
    details:
      "What it says is read from a file, from stdin (-), or with --env from a variable of the environment; it is kept in a file that only this user can read.",
    usage: "[OPTIONS] NAME FILE|-",
    examples: [
      { command: "pass show db | proa secret create db -", does: "from stdin" },
      { command: "proa run --rm --secret db debian cat /run/secrets/db", does: "a container that reads it" },
    ],
    seeAlso: ["proa-secret-ls(1)", "proa-run(1)"],
  },
  args: {
    driver: {
      type: "string",
      alias: "d",
      valueHint: "DRIVER",
      value: { oneOf: ["file"] },
      default: "file",
      description: "How it is kept",
    },
    "driver-opts": {
      type: "string",
      multiple: true,
      valueHint: "KEY=VALUE",
      value: "none",
      description: "Option of the driver; that of files has none",
    },
    env: { type: "boolean", description: "FILE is the name of a variable of the environment" },
    ignore: { type: "boolean", description: "Leave one that has the name as it is" },
    label: {
      type: "string",
      alias: "l",
      multiple: true,
      valueHint: "KEY[=VALUE]",
      value: "label",
      description: "Set a label",
    },
    replace: { type: "boolean", description: "Put it in the place of one that has the name" },
    name: { type: "positional", valueHint: "NAME", value: "none", description: "Name of the secret" },
    file: {
      type: "positional",
      value: "file",
      valueHint: "FILE|-",
      required: false,
      description: "What it says",
    },
  },
  run({ app, args }) {
    const { context, io } = app;
    if (!NAME.test(args.name))
      throw new EngineError(
        "invalid",
        "secret name",
        JSON.stringify(args.name),
        "use letters, digits, _ . and -",
      );
    const [option] = args["driver-opts"];
    if (option !== undefined)
      throw new EngineError("invalid", "driver option", option, "the driver file has no options");
    const kept = args.ignore ? allSecrets(context).find(({ name }) => name === args.name) : undefined;
    if (kept) {
      io.stdout.write(`${kept.id}\n`);
      return;
    }
    const data = dataFrom(app, args.file ?? "-", args.env);
    if (data.length === 0 || data.length >= DATA_MOST) {
      const why = "secret data must be larger than 0 and less than 512000 bytes";
      throw new EngineError("invalid", "create secret", args.name, why);
    }
    const now = context.now();
    const labels = Object.fromEntries(
      args.label.map((line) => {
        const cut = line.indexOf("=");
        return cut < 0 ? [line, ""] : [line.slice(0, cut), line.slice(cut + 1)];
      }),
    );
    const id = randomBytes(13).toHex().slice(0, 25);
    const secret = { id, name: args.name, createdMs: now, updatedMs: now, labels, options: {} };
    insertSecret(context, secret, data, args.replace);
    io.stdout.write(`${id}\n`);
  },
});

function dataFrom(app: App, source: string, isVariable: boolean): Uint8Array {
  if (isVariable) {
    const value = app.env[source];
    if (value !== undefined) return new TextEncoder().encode(value);
    throw new EngineError("not-found", "create secret", source, "no such variable in the environment");
  }
  if (source === "-") {
    if (!app.io.stdin.isTTY) return readUpTo(app.io.stdin.fd);
    throw new EngineError("invalid", "create secret", "-", "no data is piped into stdin");
  }
  let fd: number;
  try {
    fd = openSync(source, "r");
  } catch (error) {
    throw new EngineError("io", "create secret", source, error);
  }
  try {
    return readUpTo(fd);
  } catch (error) {
    throw new EngineError("io", "create secret", source, error);
  } finally {
    closeSync(fd);
  }
}

/** To the end, or a byte more than is allowed. */
function readUpTo(fd: number): Uint8Array {
  const bytes = new Uint8Array(DATA_MOST + 1);
  let length = 0;
  while (length < bytes.length) {
    const count = readSync(fd, bytes, length, bytes.length - length, null);
    if (count === 0) break;
    length += count;
  }
  return bytes.subarray(0, length);
}
