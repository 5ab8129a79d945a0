/** A further process in a running container. */
import { closeSync } from "node:fs";
import { type Attach, becomeHelper, type ExecRequest } from "../helper";
import { processBase, rlimitsOf } from "../oci";
import type { ContainerRow, Context } from "../state";
import { notRunning, openAlive } from "./alive";
import { journalRequest } from "./journal";
import { maxOpenFiles } from "./limits";
import { randomId } from "./name";
import { checkNotPaused } from "./pause";
import { containerDirectory, ownExecutable, runDirectory } from "./places";
import { seccompCacheOf } from "./seccomp-cache";
import { specOf } from "./spec";
import { startedEnvironment } from "./started-environment";
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
  /** All capabilities, whatever the container has. */
  privileged?: boolean;
  /** False: nothing is recorded of it. */
  session?: boolean;
  /** Open descriptors that the program gets. */
  preserveFds?: number[];
  /** As the user typed them, for the record. */
  detachKeys?: string;
};

/** Execute `options.args` in the container. Does not return. Throws `not-running`, `invalid` for a paused one. */
export function execInContainer(context: Context, row: ContainerRow, options: ExecOptions): never {
  const spec = specOf(context, row);
  checkNotPaused(context, "exec", row);
  const alive = openAlive(context, row);
  if (!alive) throw notRunning("exec", row);
  const user = lookUpUserIn(alive.pid, options.user || spec.User, spec.HostConfig.GroupAdd);
  closeSync(alive.pidfd); // the helper opens its own, under the same rule
  const env = [...startedEnvironment(context, row, spec), ...options.env];
  const privileged = options.privileged ?? false;
  const base = processBase(spec, user, options.terminal, options.args, env, { privileged });
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
    id: row.id,
    journal: journalRequest(context, row.name, spec.Image, spec.Labels),
    ...(options.preserveFds?.length ? { preserveFds: options.preserveFds } : {}),
    ...(options.session === false ? {} : { session: sessionOf(row, options) }),
  };
  becomeHelper(context.paths.cache, "exec", request, options.preserveFds);
}

/** What is recorded, in the shape of docker's ExecInspect; the helper adds Pid, Running and ExitCode. */
function sessionOf(row: ContainerRow, options: ExecOptions): NonNullable<ExecRequest["session"]> {
  const [entrypoint = "", ...args] = options.args;
  const id = randomId();
  return {
    id,
    record: {
      ID: id,
      ContainerID: row.id,
      CanRemove: false,
      DetachKeys: options.detachKeys ?? "",
      OpenStdin: options.stdin,
      OpenStdout: !options.detach,
      OpenStderr: !options.detach,
      ProcessConfig: {
        tty: options.terminal,
        entrypoint,
        arguments: args,
        privileged: options.privileged ?? false,
        user: options.user,
      },
    },
  };
}
