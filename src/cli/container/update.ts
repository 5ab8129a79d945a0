import { findContainer, updateContainer } from "../../container";
import type { HealthConfig, HostConfig } from "../../oci";
import { parseRestartPolicy } from "../../oci";
import { usageError } from "../args";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";
import { environmentArgs } from "./_environment-options";
import { healthArgs, healthOptionsFrom } from "./_health-options";
import { restartArg } from "./_life-options";
import { limitsFrom, limitUpdateArgs } from "./_limit-options";
import { environmentFrom } from "./_process-options";
import { latestArg, newest, optionalNames, targetNames } from "./_targets";

const { env, "env-file": envFile, unsetenv } = environmentArgs;

export const command = defineCommand({
  meta: {
    description: "Change containers, also while they run",
    details:
      "Limits and the restart policy are in force at once, and for every start that follows. Variables, resource limits (--ulimit) and health checks are those of the next start. A limit that has no effect on this host is kept, with a warning.",
    examples: [
      { command: "proa update --restart unless-stopped web", does: "have it started again from now on" },
      { command: "proa update --restart no web db", does: "let both end when they end" },
      { command: "proa update -m 512m --cpus 1.5 web", does: "other limits, while it runs" },
    ],
    seeAlso: ["proa-create(1)", "proa-stats(1)", "proa-system-enable(1)"],
  },
  args: {
    restart: {
      ...restartArg,
      description: "When it is started again after its end: no, always, unless-stopped, on-failure[:NUMBER]",
    },
    ...limitUpdateArgs,
    env,
    "env-file": envFile,
    unsetenv: { ...unsetenv, description: "Take away a variable" },
    ulimit: {
      type: "string",
      multiple: true,
      valueHint: "NAME=SOFT[:HARD]",
      value: "ulimit",
      description: "Set a resource limit; host takes all of yours",
    },
    ...healthArgs,
    latest: latestArg,
    container: { ...optionalNames, value: "container", description: "Name or id" },
  },
  async run({ app, args, given }) {
    const restartPolicy = args.restart === undefined ? null : parseRestartPolicy(args.restart);
    const resources = limitsFrom(args, given);
    const hasLimits = Object.keys(limitUpdateArgs).some((key) => given.has(key));
    const health = Object.keys(healthArgs).some((key) => given.has(key))
      ? healthOptionsFrom(args, given)
      : null;
    const lines = environmentFrom(args["env-file"], args.env, app.env);
    const hasEnvironment = lines.length + args.unsetenv.length > 0;
    const ulimits = args.ulimit.length > 0 ? await ulimitsOf(args.ulimit) : null;
    const named = targetNames("update", args.container, { latest: args.latest });
    if (!restartPolicy && !hasLimits && !health && !hasEnvironment && !ulimits)
      throw usageError("You must provide one or more flags when using this command.");
    const names = args.latest ? [(await newest(app, "update")).id] : named;
    return forEachTarget(app.io, names, async (name) => {
      await updateContainer(app.context, await findContainer(app.context, "update", name), {
        ...(restartPolicy ? { restartPolicy } : {}),
        ...(hasLimits ? { resources } : {}),
        ...(health ? { health: (before) => mergedHealth(before, health) } : {}),
        ...(ulimits ? { ulimits } : {}),
        ...(hasEnvironment ? { env: { set: lines, unset: args.unsetenv } } : {}),
      });
      return name;
    });
  },
});

async function ulimitsOf(given: readonly string[]): Promise<HostConfig["Ulimits"]> {
  const { ownLimits, parseUlimit } = await import("./_security-values");
  return given.flatMap((text) => (text === "host" ? ownLimits() : [parseUlimit(text)]));
}

/** What is given takes the place of what was there, field by field. */
function mergedHealth(before: HealthConfig, asked: HealthConfig): HealthConfig {
  const { Healthcheck, HealthcheckManual: _, ...others } = before;
  const test = asked.Healthcheck?.Test?.[0];
  const check = test === "NONE" ? asked.Healthcheck : { ...Healthcheck, ...asked.Healthcheck };
  const isManual = before.HealthcheckManual && asked.Healthcheck?.Interval === undefined;
  return {
    ...others,
    ...(isManual ? { HealthcheckManual: true } : {}),
    ...asked,
    ...(check && Object.keys(check).length > 0 ? { Healthcheck: check } : {}),
  };
}
