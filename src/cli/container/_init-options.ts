/** Options of `run` and `create` about the container's first process. */
import { EngineError } from "../../error";
import type { HostConfig } from "../../oci";
import type { Args, Values } from "../tree";

const INIT_LIMIT_BYTES = 16 << 20; // the helper copies it into memory

export const initArgs = {
  init: {
    type: "boolean",
    description: "Run the command below an init, which passes signals on and reaps what nobody waits for",
    details:
      "With TINI_KILL_PROCESS_GROUP in its environment the signals go to the command's whole process group.",
  },
  "init-path": {
    type: "string",
    valueHint: "FILE",
    value: "file",
    description: "Program of the host that is the init in place of proa's own",
    details: "It is started with -- and the command, and must need no library.",
  },
} as const satisfies Args;

/** Throws `invalid` for a program that is not there. */
export function initOptionsFrom(args: Values<typeof initArgs>): Pick<HostConfig, "Init" | "InitPath"> {
  const path = args["init-path"];
  if (path === undefined) return args.init ? { Init: true } : {};
  if (!args.init) return {}; // podman's: it only says which one --init takes
  const { statSync } = require("node:fs") as typeof import("node:fs");
  const { resolve } = require("node:path") as typeof import("node:path");
  const file = resolve(path);
  const fail = (why: string) => new EngineError("invalid", "--init-path", path, why);
  const found = statSync(file, { throwIfNoEntry: false });
  if (!found) throw fail("there is no such file");
  if (!found.isFile()) throw fail("it is no file");
  if (found.size > INIT_LIMIT_BYTES) throw fail("it is larger than 16 MiB");
  return { Init: true, InitPath: file };
}
