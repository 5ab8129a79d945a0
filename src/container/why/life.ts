/** How a container's life has ended, by whom, and why it is not begun again: from its row, its supervisor's record and the journal. */
import type { ExitRecord } from "../../helper";
import type { ContainerSpec } from "../../oci";
import type { ContainerRow, JournalEvent } from "../../state";
import type { Health } from "../health";
import type { LiveState } from "../live";
import { type Claim, type Evidence, seen } from "./claim";
import { signalCause, signalName, statusWords } from "./status";

/** What is known of a life that has ended, or of one that goes on. */
export type Life = {
  row: ContainerRow;
  spec: ContainerSpec;
  /** Of the last end; null where there is none, or it is not to be read. */
  record: ExitRecord | null;
  recordPath: string;
  live: LiveState | null;
  livePath: string;
  /** Of this container, since its last start, oldest first. */
  events: readonly JournalEvent[];
  eventsPath: string;
  health: Health | undefined;
  healthPath: string;
  nowMs: number;
  /** When this machine was started. */
  bootMs: number;
};

const UNKNOWN = -1; // settle.ts
const SIGKILL = 9;
const TIMED_OUT = 255;
const BACK_OFF_FIRST_MS = 100; // native/life.c
const BACK_OFF_MOST_MS = 60_000;

export function timeText(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}

/** One sentence: what it is at. */
export function summaryOf({ row, record, live }: Life): string {
  const { name, status, exit_code: code, error } = row;
  if (status === "running" && live?.status === "restarting")
    return `${name} waits for its next start: it has ended with exit status ${live.exitCode ?? 0} after ${live.restartCount} restarts`;
  if (status === "running" && live?.status === "paused")
    return `${name} is paused: its processes stand still`;
  if (status === "running") return `${name} runs, since ${timeText(live?.startedMs || row.started_ms)}`;
  if (error !== "" && code !== UNKNOWN) {
    const before = status === "exited" ? `it has ended with exit status ${code}, and ` : "";
    return `${name} does not run: ${before}its start failed: ${error}`;
  }
  if (status === "created") return `${name} has been created, and never started`;
  if (code === UNKNOWN) return `${name} has ended, and nobody saw how`;
  return `${name} has ended with exit status ${code}: ${statusWords(code, record?.signal ?? 0)}`;
}

/** What ended it. */
export function endClaims(life: Life): Claim[] {
  const { row, record } = life;
  if (row.status === "running" && life.live?.status !== "restarting") return [];
  if (row.status === "created") return [];
  if (row.exit_code === UNKNOWN) return [unseenEnd(life)];
  const claims = [memoryClaim(life), timeoutClaim(life), healthClaim(life), userClaim(life)].filter(
    (claim) => claim !== null,
  );
  if (claims.length > 0) return claims;
  const signal = record?.signal ?? 0;
  return signal > 0 ? [foreignSignal(life, signal)] : [statusClaim(life)];
}

function fieldsOf({ record, recordPath }: Life, ...fields: (keyof ExitRecord)[]): Evidence[] {
  if (!record) return [];
  return [seen(fields.map((field) => `${field}: ${JSON.stringify(record[field])}`).join(", "), recordPath)];
}

/** Without a record: the supervisor was killed, and with a machine that went down everything. */
function unseenEnd({ row, recordPath, bootMs }: Life): Claim {
  const none = seen("no record of its end", recordPath);
  const started = seen(`started ${timeText(row.started_ms)}`, "the state database");
  if (bootMs > row.started_ms) {
    return {
      claim: "the machine went down while it ran",
      evidence: [started, seen(`the machine was started ${timeText(bootMs)}`, "/proc/stat"), none],
      mend: `proa start ${row.name}; with --restart always and \`proa system enable\` it comes back by itself`,
    };
  }
  return {
    claim: "its supervisor was killed, and the kernel ended the container with it",
    evidence: [none, started],
    mend: `proa start ${row.name}; was \`kill -9\` used, or did the machine run out of memory?`,
  };
}

function memoryClaim(life: Life): Claim | null {
  const { record, row, spec } = life;
  if (!record?.oomKilled && row.oom_killed !== 1) return null;
  const limit = spec.HostConfig.Memory ?? 0;
  return {
    claim:
      limit > 0
        ? `memory ran out: the kernel killed a process of it at its limit of ${bytesText(limit)}`
        : "memory ran out: the kernel killed a process of it",
    evidence: [
      ...fieldsOf(life, "oomKilled", "signal"),
      seen(limit > 0 ? `--memory ${bytesText(limit)}` : "no limit of its own", "settings of the container"),
      ...eventEvidence(life, "oom"),
    ],
    mend:
      limit > 0
        ? `give it more: proa update --memory ${bytesText(2 * limit)} ${row.name}`
        : "free memory on this machine",
  };
}

function timeoutClaim(life: Life): Claim | null {
  const { record, spec, row } = life;
  if (!record || record.exitCode !== TIMED_OUT || spec.Timeout <= 0) return null;
  const livedMs = record.finishedMs - record.startedMs;
  if (livedMs < spec.Timeout * 1000) return null;
  return {
    claim: `its time was over: --timeout ${spec.Timeout} ended it`,
    evidence: [
      seen(`it lived ${(livedMs / 1000).toFixed(1)} s`, life.recordPath),
      seen(`--timeout ${spec.Timeout}`, "settings of the container"),
    ],
    mend: `run it again with a longer --timeout; ${row.name} keeps its own`,
  };
}

function healthClaim(life: Life): Claim | null {
  const { record, spec, health, healthPath } = life;
  const action = spec.HealthcheckOnFailureAction ?? "none";
  if (action === "none" || action === "restart" || record?.health?.status !== "unhealthy") return null;
  return {
    claim: `it was unhealthy, and --health-on-failure ${action} ended it`,
    evidence: [
      ...fieldsOf(life, "health"),
      ...probeEvidence(health, healthPath),
      ...eventEvidence(life, "health_status: unhealthy"),
    ],
    mend: "let the check succeed, or give it more time: --health-start-period, --health-retries",
  };
}

/** The last check that has failed, with what it printed. */
export function probeEvidence(health: Health | undefined, path: string): Evidence[] {
  const last = health?.Log.findLast(({ ExitCode }) => ExitCode !== 0);
  if (!last) return [];
  const output = last.Output.trim();
  return [
    seen(`check at ${last.Start}: exit status ${last.ExitCode}${output === "" ? "" : `: ${output}`}`, path),
  ];
}

function eventEvidence({ events, eventsPath }: Life, action: string): Evidence[] {
  const found = events.findLast(({ Action }) => Action === action);
  return found ? [seen(`${timeText(Number(found.nanoseconds / 1_000_000n))} ${action}`, eventsPath)] : [];
}

/** Somebody said so: `stop` and `kill` are in the journal. */
function userClaim(life: Life): Claim | null {
  const { record, events, eventsPath, row, spec } = life;
  const kill = events.findLast(({ Action }) => Action === "kill");
  if (!record || !kill) return null;
  const sent = Number(kill.Actor.Attributes.signal);
  const sentMs = Number(kill.nanoseconds / 1_000_000n);
  const isStop = events.some(({ Action }) => Action === "stop");
  const told = seen(`${timeText(sentMs)} kill, signal ${sent} (SIG${signalName(sent)})`, eventsPath);
  const evidence = [told, ...eventEvidence(life, "stop"), ...fieldsOf(life, "exitCode", "signal")];
  if (isStop && record.signal === SIGKILL && sent !== SIGKILL) {
    return {
      claim: `\`proa stop\` ended it: it did not heed SIG${signalName(sent)}, and was killed ${Math.round((record.finishedMs - sentMs) / 1000)} s later`,
      evidence: [...evidence, seen(`--stop-timeout ${spec.StopTimeout}`, "settings of the container")],
      mend: `have the program end at SIG${signalName(sent)}, or start it with --init, which passes signals on and ends by them`,
    };
  }
  if (record.signal !== 0 && record.signal !== sent) return null; // another signal was faster
  const how = isStop ? "`proa stop`" : "`proa kill`";
  return { claim: `${how} ended it, by SIG${signalName(sent)}`, evidence, mend: `proa start ${row.name}` };
}

/** A signal that no command of proa has sent. */
function foreignSignal(life: Life, signal: number): Claim {
  const name = signalName(signal);
  const isFault = /^(ILL|TRAP|ABRT|BUS|FPE|SEGV|SYS)$/.test(name);
  const claim = isFault
    ? `the program crashed by SIG${name}: ${signalCause(signal)}`
    : `SIG${name} ended it, which no command of proa has sent: ${signalCause(signal)}`;
  const mend =
    name === "SYS"
      ? "find out which call it was: --security-opt seccomp=unconfined shows whether it is the profile"
      : name === "KILL"
        ? "was it `kill -9`, or did the machine run out of memory? dmesg tells"
        : isFault
          ? "the log's last lines say what it was at"
          : "";
  return {
    claim,
    evidence: [
      ...fieldsOf(life, "exitCode", "signal"),
      seen("no kill or stop of this life", life.eventsPath),
    ],
    mend,
  };
}

function statusClaim(life: Life): Claim {
  const { row, record } = life;
  const code = life.live?.exitCode ?? row.exit_code;
  const evidence = record
    ? fieldsOf(life, "exitCode", "signal")
    : [seen(`exit status ${code}`, life.live ? life.livePath : "the state database")];
  const held = code - 128;
  const cause = held > 0 && held <= 64 ? `; SIG${signalName(held)}: ${signalCause(held)}` : "";
  return { claim: `nobody asked it to: it has ended by itself${cause}`, evidence, mend: "" };
}

/** Why it is started again, or not. */
export function restartClaims(life: Life): Claim[] {
  const { row, spec, live } = life;
  const { Name: policy, MaximumRetryCount: most } = spec.HostConfig.RestartPolicy;
  if (policy === "no") return [];
  const named = `--restart ${policy}${most > 0 ? `:${most}` : ""}`;
  const setting = seen(named, "settings of the container");
  const claimOf = (claim: string, evidence: Evidence[], mend: string): Claim[] => [
    { claim, evidence: [setting, ...evidence], mend },
  ];
  if (live?.status === "restarting") {
    const pause = Math.min(BACK_OFF_MOST_MS, BACK_OFF_FIRST_MS * 2 ** Math.min(20, live.restartCount));
    const next = (live.finishedMs ?? life.nowMs) + pause;
    return claimOf(
      `it is started again and again: the next time at ${timeText(next)} or sooner`,
      [
        seen(
          `restartCount: ${live.restartCount}, finishedMs: ${live.finishedMs ?? 0} (${timeText(live.finishedMs ?? 0)})`,
          life.livePath,
        ),
      ],
      `have it stop: proa stop ${row.name}, or proa update --restart no ${row.name}`,
    );
  }
  if (row.status !== "exited") return [];
  const start = `proa start ${row.name}`;
  if (row.exit_code === UNKNOWN)
    return claimOf("it is not started again: who does that, its supervisor, is gone", [], start);
  if (row.user_stopped === 1)
    return claimOf(
      "it is not started again: its end was asked for",
      [seen("user_stopped", "the state database")],
      start,
    );
  if (policy === "on-failure" && row.exit_code === 0)
    return claimOf("it is not started again: it has ended without an error", [], start);
  if (policy === "on-failure" && most > 0 && row.restart_count >= most)
    return claimOf(
      `it is not started again: it has been, ${row.restart_count} times`,
      [seen(`restartCount: ${row.restart_count}`, life.recordPath)],
      start,
    );
  return [];
}

function bytesText(bytes: number): string {
  for (const [unit, size] of [
    ["g", 1 << 30],
    ["m", 1 << 20],
    ["k", 1 << 10],
  ] as const) {
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return `${bytes}b`;
}
