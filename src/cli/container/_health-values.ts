/** The values of the options about health checks, read. */
import { statSync } from "node:fs";
import { isAbsolute } from "node:path";
import { EngineError } from "../../error";
import { type HealthAction, type HealthConfig, type Healthcheck, parseBytes } from "../../oci";
import type { Values } from "../tree";
import type { healthArgs } from "./_health-options";

type HealthValues = Values<typeof healthArgs>;

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

/** What the options ask for. `options`: those of them that were given. Throws `invalid`. */
export function healthFrom(
  args: HealthValues,
  given: ReadonlySet<string>,
  options: readonly string[],
): HealthConfig {
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

function checkFrom(args: HealthValues): Healthcheck {
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

function startupFrom(args: HealthValues, options: readonly string[]): HealthConfig["StartupHealthCheck"] {
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
  const fail = (why: string) => new EngineError("invalid", "--health-log-destination", text, why);
  if (!isAbsolute(text)) throw fail("expected local, events_logger or an absolute directory");
  if (!statSync(text, { throwIfNoEntry: false })?.isDirectory()) throw fail("it is no directory");
  return text;
}
