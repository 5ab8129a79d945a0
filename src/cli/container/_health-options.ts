/** Options of `run` and `create` about a container's health checks. */
import { isAbsolute } from "node:path";
import { EngineError } from "../../error";
import { type HealthAction, type HealthConfig, type Healthcheck, parseBytes } from "../../oci";
import type { Args, Values } from "../tree";

const GROUP = "Health checks";
const duration = { type: "string", valueHint: "DURATION", group: GROUP } as const;

export const healthArgs = {
  "health-cmd": {
    type: "string",
    valueHint: "COMMAND",
    group: GROUP,
    description: "Command that tells whether the container is well",
    details:
      'It is run in the container by its shell; a JSON list of words, ["test","-e","/ready"], without one. none is --no-healthcheck.',
  },
  "health-interval": {
    ...duration,
    description: "Time between two checks, as 1m30s (default 30s)",
    details: "disable: only proa healthcheck run makes one.",
  },
  "health-timeout": { ...duration, description: "Longest time that a check may take (default 30s)" },
  "health-retries": {
    type: "int",
    valueHint: "NUMBER",
    group: GROUP,
    min: 0,
    description: "Failures in a row that make the container unhealthy (default 3)",
  },
  "health-start-period": {
    ...duration,
    description: "Time from the start in which failures do not count (default 0s)",
  },
  "health-start-interval": {
    ...duration,
    description: "Time between two checks in the start period (default 5s)",
  },
  "no-healthcheck": {
    type: "boolean",
    group: GROUP,
    description: "Make no checks, also where the image has some",
  },
  "health-on-failure": {
    type: "string",
    valueHint: "ACTION",
    value: { oneOf: ["none", "kill", "restart", "stop"] },
    default: "none",
    group: GROUP,
    description: "What happens to the container when it becomes unhealthy",
  },
  "health-log-destination": {
    type: "string",
    valueHint: "PLACE",
    value: { suggest: ["local", "events_logger"] },
    default: "local",
    group: GROUP,
    description: "Where the results go as well: a directory, or events_logger",
  },
  "health-max-log-count": {
    type: "int",
    valueHint: "NUMBER",
    default: 5,
    min: 0,
    group: GROUP,
    description: "Results that are kept, 0 for no limit",
  },
  "health-max-log-size": {
    type: "string",
    valueHint: "BYTES",
    default: "4096",
    group: GROUP,
    description: "What is kept of the output of each, 0 for no limit",
  },
  "health-startup-cmd": {
    type: "string",
    valueHint: "COMMAND",
    group: GROUP,
    description: "Command that is run in place of the check until it succeeds",
  },
  "health-startup-interval": { ...duration, description: "Time between two startup checks (default 30s)" },
  "health-startup-timeout": {
    ...duration,
    description: "Longest time that a startup check may take (default 30s)",
  },
  "health-startup-retries": {
    type: "int",
    valueHint: "NUMBER",
    default: 0,
    min: 0,
    group: GROUP,
    description: "Failures of the startup check after which the container is started again, 0 for none",
  },
  "health-startup-success": {
    type: "int",
    valueHint: "NUMBER",
    default: 0,
    min: 0,
    group: GROUP,
    description: "Successes in a row that end the startup checks",
  },
} as const satisfies Args;

const UNIT_NS: Readonly<Record<string, number>> = {
  h: 3_600_000_000_000,
  m: 60_000_000_000,
  s: 1_000_000_000,
  ms: 1_000_000,
  us: 1000,
  µs: 1000,
  ns: 1,
};

/** Go's durations, as docker and podman take them: nanoseconds. Throws `invalid`. */
function nanoseconds(option: string, text: string): number {
  if (text === "0") return 0;
  if (!/^[-+]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))*$/.test(text)) {
    throw new EngineError(
      "invalid",
      `--${option}`,
      JSON.stringify(text),
      "expected a duration such as 1m30s",
    );
  }
  if (text.startsWith("-")) throw new EngineError("invalid", `--${option}`, text, "it cannot be negative");
  const parts = [...text.matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h)/g)];
  return Math.round(
    parts.reduce((sum, [, number, unit = ""]) => sum + Number(number) * (UNIT_NS[unit] ?? 0), 0),
  );
}

/** `COMMAND` for the shell; podman's list of words, of which a single one is for the shell, too; or a test as an image has it. */
function testOf(option: string, text: string): string[] {
  if (/^none$/i.test(text)) return ["NONE"];
  const words = text.startsWith("[") ? listOf(text) : text.trim().split(/\s+/);
  if (words === null) return ["CMD-SHELL", text]; // [ is a command, too
  const [kind = "", ...rest] = words;
  if (/^(CMD|CMD-SHELL|NONE)$/i.test(kind) && (rest.length > 0 || /^none$/i.test(kind))) {
    if (!/^none$/i.test(kind)) return [kind.toUpperCase(), ...rest];
    if (rest.length === 0) return ["NONE"];
    throw new EngineError("invalid", `--${option}`, text, "NONE stands alone");
  }
  if (!text.startsWith("[")) return ["CMD-SHELL", text];
  return rest.length === 0 ? ["CMD-SHELL", kind] : ["CMD", ...words];
}

/** Null where the text is no list of words. */
function listOf(text: string): string[] | null {
  try {
    const words: unknown = JSON.parse(text);
    const isList =
      Array.isArray(words) && words.length > 0 && words.every((word) => typeof word === "string");
    return isList ? (words as string[]) : null;
  } catch {
    return null;
  }
}

/** What the options ask for; what they leave open is the image's. Throws `invalid`. */
export function healthOptionsFrom(args: Values<typeof healthArgs>, given: ReadonlySet<string>): HealthConfig {
  const options = Object.keys(healthArgs).filter((key) => given.has(key));
  if (options.length === 0) return {};
  if (args["no-healthcheck"]) {
    const other = options.find((key) => key !== "no-healthcheck");
    if (other === undefined) return { Healthcheck: { Test: ["NONE"] } };
    throw new EngineError("invalid", "options", `--no-healthcheck, --${other}`, "conflicting options");
  }
  const Healthcheck = checkFrom(args);
  const startup = startupFrom(args, options);
  return {
    ...(Object.keys(Healthcheck).length > 0 ? { Healthcheck } : {}),
    ...(args["health-interval"] === "disable" ? { HealthcheckManual: true } : {}),
    ...(startup ? { StartupHealthCheck: startup } : {}),
    ...(given.has("health-on-failure")
      ? { HealthcheckOnFailureAction: args["health-on-failure"] as HealthAction }
      : {}),
    ...(given.has("health-log-destination")
      ? { HealthLogDestination: destination(args["health-log-destination"]) }
      : {}),
    ...(given.has("health-max-log-count") ? { HealthcheckMaxLogCount: args["health-max-log-count"] } : {}),
    ...(given.has("health-max-log-size")
      ? { HealthcheckMaxLogSize: parseBytes("--health-max-log-size", args["health-max-log-size"]) }
      : {}),
  };
}

function checkFrom(args: Values<typeof healthArgs>): Healthcheck {
  const interval = args["health-interval"] === "disable" ? undefined : args["health-interval"];
  const time = (key: "Timeout" | "StartPeriod" | "StartInterval", option: keyof typeof healthArgs) => {
    const text = args[option];
    return typeof text === "string" ? { [key]: nanoseconds(option, text) } : {};
  };
  return {
    ...(args["health-cmd"] ? { Test: testOf("health-cmd", args["health-cmd"]) } : {}),
    ...(interval === undefined ? {} : { Interval: nanoseconds("health-interval", interval) }),
    ...time("Timeout", "health-timeout"),
    ...time("StartPeriod", "health-start-period"),
    ...time("StartInterval", "health-start-interval"),
    ...(args["health-retries"] === undefined ? {} : { Retries: args["health-retries"] }),
  };
}

function startupFrom(
  args: Values<typeof healthArgs>,
  options: readonly string[],
): HealthConfig["StartupHealthCheck"] {
  if (!args["health-startup-cmd"]) {
    const other = options.find((key) => key.startsWith("health-startup-"));
    if (other === undefined) return undefined;
    throw new EngineError("invalid", `--${other}`, "startup check", "it needs --health-startup-cmd");
  }
  const interval = args["health-startup-interval"];
  const timeout = args["health-startup-timeout"];
  return {
    Test: testOf("health-startup-cmd", args["health-startup-cmd"]),
    ...(interval === undefined ? {} : { Interval: nanoseconds("health-startup-interval", interval) }),
    ...(timeout === undefined ? {} : { Timeout: nanoseconds("health-startup-timeout", timeout) }),
    Retries: args["health-startup-retries"],
    Successes: args["health-startup-success"],
  };
}

function destination(text: string): string {
  if (text === "local" || text === "events_logger") return text;
  const { statSync } = require("node:fs") as typeof import("node:fs");
  const fail = (why: string) => new EngineError("invalid", "--health-log-destination", text, why);
  if (!isAbsolute(text)) throw fail("expected local, events_logger or an absolute directory");
  if (!statSync(text, { throwIfNoEntry: false })?.isDirectory()) throw fail("it is no directory");
  return text;
}
