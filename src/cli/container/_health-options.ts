/** Options of `run` and `create` about a container's health checks. */
import type { HealthConfig } from "../../oci";
import type { Args, Values } from "../tree";

const GROUP = "Health checks";
const duration = { type: "string", valueHint: "DURATION", value: "none", group: GROUP } as const;

export const healthArgs = {
  "health-cmd": {
    type: "string",
    valueHint: "COMMAND",
    value: "none",
    group: GROUP,
    description: "Command that tells whether the container is well",
    details:
      'It is run in the container by its shell; a JSON list of words, ["test","-e","/ready"], without one. none is --no-healthcheck.',
  },
  "health-interval": {
    ...duration,
    description: "Time between two checks, as 1m30s (default: 30s)",
    details: "disable: only proa healthcheck run makes one.",
  },
  "health-timeout": { ...duration, description: "Longest time that a check may take (default: 30s)" },
  "health-retries": {
    type: "int",
    valueHint: "NUMBER",
    group: GROUP,
    min: 0,
    description: "Failures in a row that make the container unhealthy (default: 3)",
  },
  "health-start-period": {
    ...duration,
    description: "Time from the start in which failures do not count (default: 0s)",
  },
  "health-start-interval": {
    ...duration,
    description: "Time between two checks in the start period (default: 5s)",
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
    value: "none",
    default: "4096",
    group: GROUP,
    description: "What is kept of the output of each, 0 for no limit",
  },
  "health-startup-cmd": {
    type: "string",
    valueHint: "COMMAND",
    value: "none",
    group: GROUP,
    description: "Command that is run in place of the check until it succeeds",
  },
  "health-startup-interval": { ...duration, description: "Time between two startup checks (default: 30s)" },
  "health-startup-timeout": {
    ...duration,
    description: "Longest time that a startup check may take (default: 30s)",
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

/** What the options ask for; what they leave open is the image's. Throws `invalid`. */
export function healthOptionsFrom(args: Values<typeof healthArgs>, given: ReadonlySet<string>): HealthConfig {
  const options = Object.keys(healthArgs).filter((key) => given.has(key));
  if (options.length === 0) return {};
  const { healthFrom } = require("./_health-values") as typeof import("./_health-values"); // most containers have no check
  return healthFrom(args, given, options);
}
