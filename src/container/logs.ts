/**
 * Showing the output that containers have left: the helper reads and prints it, and nobody waits beside it.
 */
import { readFileSync } from "node:fs";
import { EngineError } from "../error";
import { becomeHelper, type LogSource, type Moment } from "../helper";
import type { ContainerRow, Context } from "../state";
import { logPlace } from "./log-target";
import { exitFile, lossFile, ownExecutable, runDirectory } from "./places";
import { specOf } from "./spec";

export type LogOptions = {
  follow: boolean;
  /** Lines from the end; undefined: all. */
  tail: number | undefined;
  since: Moment | undefined;
  until: Moment | undefined;
  timestamps: boolean;
  /** Labels and variables that the log has with each line. */
  details: boolean;
};

/** A container, and what stands before each of its lines. */
export type LogOf = { row: ContainerRow; prefix: string };

/**
 * Become the process that prints the logs. Does not return.
 *
 * @throws EngineError `unsupported` where nothing is logged, or it cannot be read
 */
export function showLogs(context: Context, logs: LogOf[], options: LogOptions): never {
  const sources = logs.map(({ row, prefix }) => logSource(context, row, prefix));
  for (const { row } of logs) warnOfLoss(context, row);
  const { tail, since, until, ...others } = options;
  becomeHelper(context.paths.cache, "logs", {
    proa: ownExecutable(),
    sources,
    tail: tail ?? -1,
    since: since ?? null,
    until: until ?? null,
    ...others,
  });
}

/** Where the log is read from. Throws `unsupported`. */
export function logSource(context: Context, row: ContainerRow, prefix: string): LogSource {
  const spec = specOf(context, row);
  const place = logPlace(context, row.id, spec);
  const refuse = (why: string, hint?: string) =>
    new EngineError("unsupported", "logs", row.name, why, { exitCode: 1, hint });
  if (place === null)
    throw refuse(`the container has no log (--log-driver ${spec.HostConfig.LogConfig.Type})`);
  const source = { ...place, runDir: runDirectory(context, row.id), prefix };
  if (place.driver !== "journald") return source;
  const journalctl = Bun.which("journalctl");
  if (journalctl === null) throw refuse("the journal is read with journalctl, which is not installed");
  return { ...source, journalctl, id: row.id };
}

/** What the log could not take: a full disk, or a journal that takes nothing. */
export function lostBytes(context: Context, row: ContainerRow): number {
  try {
    if (row.status === "running") return Number(readFileSync(lossFile(context, row.id), "utf8"));
    return Number(JSON.parse(readFileSync(exitFile(context, row.id), "utf8")).logLostBytes);
  } catch {
    return 0;
  }
}

function warnOfLoss(context: Context, row: ContainerRow): void {
  const lost = lostBytes(context, row);
  if (lost > 0)
    context.warn(`${row.name}: ${lost} bytes of its output are not in the log: there was no room for them`);
}
