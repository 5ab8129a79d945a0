/** A further process in a running container. */
import { closeSync } from "node:fs";
import { type Attach, becomeHelper, type ExecRequest } from "../helper";
import { processBase, rlimitsOf } from "../oci";
import type { ContainerRow, Context } from "../state";
import { notRunning, openAlive } from "./alive";
import { maxOpenFiles } from "./limits";
import { containerDirectory, ownExecutable, runDirectory } from "./places";
import { seccompCacheOf } from "./seccomp-cache";
import { specOf } from "./spec";
import { lookUpUserIn } from "./user-inside";

export type ExecOptions = {
  args: string[];
  terminal: boolean;
  stdin: boolean;
  detach: boolean;
  attach: Attach | null;
  /** "": the container's user. */
  user: string;
  /** "": the container's working directory. */
  cwd: string;
  /** `NAME=value`, on top of the container's. */
  env: string[];
  consoleSize: { height: number; width: number } | undefined;
};

/** Execute `options.args` in the container. Does not return. Throws `not-running`. */
export function execInContainer(context: Context, row: ContainerRow, options: ExecOptions): never {
  const spec = specOf(context, row);
  const alive = openAlive(context, row);
  if (!alive) throw notRunning("exec", row);
  const user = lookUpUserIn(alive.pid, options.user || spec.User, spec.HostConfig.GroupAdd);
  closeSync(alive.pidfd); // the helper opens its own, under the same rule
  const base = processBase(spec, user, options.terminal, options.args, [...spec.Env, ...options.env]);
  const request: ExecRequest = {
    proa: ownExecutable(),
    runDir: runDirectory(context, row.id),
    bundle: containerDirectory(context, row.id),
    process: {
      ...base,
      cwd: options.cwd || spec.WorkingDir || "/",
      rlimits: rlimitsOf(spec, maxOpenFiles()),
      ...(options.consoleSize ? { consoleSize: options.consoleSize } : {}),
    },
    stdin: options.stdin,
    detach: options.detach,
    attach: options.attach,
    seccompCache: seccompCacheOf(context, containerDirectory(context, row.id)),
  };
  becomeHelper(context.paths.cache, "exec", request);
}
