/** The records of `exec`: what runs beside a container's first process, and what has just ended. The helper writes them (native/session.h). */
import { readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";
import type { ContainerRow, Context } from "../state";
import { liveState } from "./live";
import { runDirectory } from "./places";

/** docker's ExecInspect. */
export type ExecSession = {
  ID: string;
  ContainerID: string;
  Running: boolean;
  ExitCode: number | null;
  Pid: number;
  CanRemove: boolean;
  DetachKeys: string;
  OpenStdin: boolean;
  OpenStdout: boolean;
  OpenStderr: boolean;
  ProcessConfig: { tty: boolean; entrypoint: string; arguments: string[]; privileged: boolean; user: string };
};

/** The sessions of a container that runs, ended ones too as long as they are kept. `first`: pid of its first process. */
export function execSessions(context: Context, row: Pick<ContainerRow, "id">, first: number): ExecSession[] {
  const directory = join(runDirectory(context, row.id), "exec");
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch {
    return []; // there was none in this life
  }
  return names.flatMap((name) => {
    if (!/^[0-9a-f]{64}\.json$/.test(name)) return [];
    try {
      const session: ExecSession = JSON.parse(readFileSync(join(directory, name), "utf8"));
      return [{ ...session, Running: session.Running && isInside(session.Pid, first) }];
    } catch {
      return []; // it has just been removed
    }
  });
}

/** Remove the record of one that has ended. Throws `not-found`, and `in-use` for one that runs. */
export function forgetExecSession(context: Context, row: ContainerRow, id: string): void {
  const first = liveState(context, row)?.pid ?? 0;
  const found = execSessions(context, row, first).filter(({ ID }) => ID.startsWith(id));
  const [session] = found;
  const refuse = (code: "not-found" | "in-use" | "invalid", why: string) =>
    new EngineError(code, "clean up exec session", id, why, { exitCode: 1 });
  if (session === undefined) throw refuse("not-found", `${row.name} has no such session`);
  if (found.length > 1) throw refuse("invalid", "several sessions begin with it");
  if (session.Running) throw refuse("in-use", "it runs");
  rmSync(join(runDirectory(context, row.id), "exec", `${session.ID}.json`), { force: true });
}

/** Ids of those that run; null where there are none, as docker answers it. */
export function execIds(context: Context, row: Pick<ContainerRow, "id">, first: number): string[] | null {
  const running = execSessions(context, row, first).filter(({ Running }) => Running);
  return running.length > 0 ? running.map(({ ID }) => ID).sort() : null;
}

/** Its record says that it runs; who was to write that it has ended may have been killed. */
function isInside(pid: number, first: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`) === readlinkSync(`/proc/${first}/ns/mnt`);
  } catch {
    return false;
  }
}
