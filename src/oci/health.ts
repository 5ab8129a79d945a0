/** Health checks in the shape of the Docker Engine API, and what podman adds to it. Pure. */
import { EngineError } from "../error";
import type { ImageHealthcheck } from "./image-config";

/** Times in nanoseconds; 0, and an absent field, is the image's or the default. */
export type Healthcheck = {
  /** [] or absent: the image's. Else behind "NONE", "CMD" or "CMD-SHELL". */
  Test?: string[];
  Interval?: number;
  Timeout?: number;
  StartPeriod?: number;
  StartInterval?: number;
  Retries?: number;
};

export type HealthAction = "none" | "kill" | "restart" | "stop";

/** What a spec says of health; the fields that Docker has not are podman's, as its `inspect` calls them. */
export type HealthConfig = {
  Healthcheck?: Healthcheck;
  /** proa: checks are made when they are asked for only. */
  HealthcheckManual?: boolean;
  /** What happens to a container that is unhealthy; absent: nothing. */
  HealthcheckOnFailureAction?: HealthAction;
  /** `local`, `events_logger`, or an absolute directory. */
  HealthLogDestination?: string;
  /** 0: no limit. */
  HealthcheckMaxLogCount?: number;
  /** Bytes of one output; 0: no limit. */
  HealthcheckMaxLogSize?: number;
  StartupHealthCheck?: Healthcheck & { Successes?: number };
};

const NS_PER_MS = 1e6;

export const HEALTH_DEFAULTS = {
  intervalMs: 30_000,
  timeoutMs: 30_000,
  startIntervalMs: 5_000,
  retries: 3,
  logCount: 5,
  logSizeBytes: 4096,
};

/** What a test begins with. An image that says something else has none, as Docker has it. */
const KINDS: ReadonlySet<string> = new Set(["NONE", "CMD", "CMD-SHELL"]);

const TIMES = ["Interval", "Timeout", "StartPeriod", "StartInterval"] as const;

/** What the user asked for above what the image has, field by field, as Docker has it. */
export function mergeHealthcheck(
  asked: Healthcheck | undefined,
  image: ImageHealthcheck | undefined,
): Healthcheck | undefined {
  if (!image || !KINDS.has(image.Test[0] ?? "") || isOff(asked)) return asked;
  const merged: Healthcheck = { Test: asked?.Test?.length ? asked.Test : image.Test };
  for (const key of [...TIMES, "Retries"] as const) {
    const value = asked?.[key] || image[key];
    if (value) merged[key] = value;
  }
  return merged;
}

function isOff(check: Healthcheck | undefined): boolean {
  return check?.Test?.[0] === "NONE";
}

/** The words of a check's program; null where there is none. Throws `invalid`. `shell`: [] is /bin/sh -c. */
export function checkProgram(check: Healthcheck | undefined, shell: readonly string[]): string[] | null {
  const [kind, ...words] = check?.Test ?? [];
  if (kind === undefined || kind === "" || kind === "NONE") return null;
  if (kind === "CMD" && words.length > 0) return words;
  if (kind === "CMD-SHELL" && words.length > 0)
    return [...(shell.length > 0 ? shell : ["/bin/sh", "-c"]), words.join(" ")];
  throw new EngineError(
    "invalid",
    "health check",
    JSON.stringify(check?.Test),
    "expected NONE, CMD or CMD-SHELL first",
  );
}

/** Throws `invalid` for what is out of range: Docker's limits. */
export function checkHealth(spec: HealthConfig & { Shell?: string[] }): void {
  const shell = spec.Shell ?? [];
  const program = checkProgram(spec.Healthcheck, shell);
  const startup = checkProgram(spec.StartupHealthCheck, shell);
  if (startup && !program)
    throw new EngineError("invalid", "health check", "startup", "it needs a check that follows it", {
      hint: "--health-cmd",
    });
  const action = spec.HealthcheckOnFailureAction ?? "none";
  if (action !== "none" && !program)
    throw new EngineError(
      "invalid",
      "health check",
      `on failure ${action}`,
      "there is no check that could fail",
      {
        hint: "--health-cmd",
      },
    );
  for (const check of [spec.Healthcheck, spec.StartupHealthCheck]) {
    for (const key of TIMES) {
      const value = check?.[key] ?? 0;
      if (value < 0) throw new EngineError("invalid", "health check", key, "it cannot be negative");
      if (value !== 0 && value < NS_PER_MS)
        throw new EngineError("invalid", "health check", key, "it cannot be less than 1ms");
    }
    if ((check?.Retries ?? 0) < 0)
      throw new EngineError("invalid", "health check", "Retries", "it cannot be negative");
  }
}

export type CheckTimes = { intervalMs: number; timeoutMs: number; retries: number };

function times(check: Healthcheck): CheckTimes {
  return {
    intervalMs: milliseconds(check.Interval) || HEALTH_DEFAULTS.intervalMs,
    timeoutMs: milliseconds(check.Timeout) || HEALTH_DEFAULTS.timeoutMs,
    retries: check.Retries || HEALTH_DEFAULTS.retries,
  };
}

function milliseconds(nanoseconds: number | undefined): number {
  return Math.round((nanoseconds ?? 0) / NS_PER_MS);
}

/** Times and limits of a spec that has a check, with the defaults filled in. */
export function healthTimes(spec: HealthConfig): {
  regular: CheckTimes & { startPeriodMs: number; startIntervalMs: number };
  startup: CheckTimes & { successes: number };
  logCount: number;
  logSizeBytes: number;
} {
  const check = spec.Healthcheck ?? {};
  const startup = spec.StartupHealthCheck ?? {};
  const regular = times(check);
  return {
    regular: {
      ...regular,
      intervalMs: spec.HealthcheckManual ? 0 : regular.intervalMs,
      startPeriodMs: milliseconds(check.StartPeriod),
      startIntervalMs: milliseconds(check.StartInterval) || HEALTH_DEFAULTS.startIntervalMs,
    },
    // without a number of its own a startup check may fail for ever
    startup: { ...times(startup), retries: startup.Retries ?? 0, successes: startup.Successes ?? 0 },
    logCount: spec.HealthcheckMaxLogCount ?? HEALTH_DEFAULTS.logCount,
    logSizeBytes: spec.HealthcheckMaxLogSize ?? HEALTH_DEFAULTS.logSizeBytes,
  };
}
