/** How often a new container lives, and how long. */
import { EngineError } from "../../error";
import { parseRestartPolicy, type RestartPolicy } from "../../oci";
import type { Args, Values } from "../tree";

export const restartArg = {
  type: "string",
  valueHint: "POLICY",
  value: "restart-policy",
} as const;

export const lifeArgs = {
  restart: {
    ...restartArg,
    default: "no",
    description: "When it is started again after its end: no, always, unless-stopped, on-failure[:NUMBER]",
    details:
      "After 100 ms, then after twice as long each time up to a minute. What is always or unless-stopped starts at boot, too: proa system enable.",
  },
  timeout: {
    type: "int",
    valueHint: "SECONDS",
    default: 0,
    description: "Longest time that it may run",
    details:
      "It gets its stop signal then, and is killed when it has not ended two seconds later; the exit status is 255. 0: no limit.",
  },
} as const satisfies Args;

/** What of these options belongs to HostConfig, and what beside it. Throws `invalid`. */
export function lifeOptionsFrom(args: Values<typeof lifeArgs> & { rm: boolean }): {
  RestartPolicy: RestartPolicy;
  Timeout: number;
} {
  const RestartPolicy = parseRestartPolicy(args.restart);
  if (args.rm && RestartPolicy.Name !== "no") {
    throw new EngineError(
      "invalid",
      "options",
      "--restart, --rm",
      "a container is either removed or started again",
    );
  }
  if (args.timeout < 0)
    throw new EngineError("invalid", "timeout", String(args.timeout), "expected 0 or more seconds");
  return { RestartPolicy, Timeout: args.timeout };
}
