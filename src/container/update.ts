/** Changing what a container was created with. */
import { EngineError } from "../error";
import {
  type ContainerSpec,
  checkHealth,
  type HealthConfig,
  type HostConfig,
  type Resources,
  type RestartPolicy,
} from "../oci";
import { type ContainerRow, type Context, containerSpec, markUserStopped, setContainerSpec } from "../state";
import { tell } from "./journal";
import { changePolicy } from "./life";
import { readSpec } from "./spec";

/** What is to be another; absent: as it is. */
export type Changes = {
  restartPolicy?: RestartPolicy;
  /** Fields of HostConfig; those that are absent stay. */
  resources?: Resources;
  /** From the next start on, as the environment. */
  health?: (before: HealthConfig) => HealthConfig;
  env?: { set: string[]; unset: string[] };
  /** Those of the same names are others; the rest stays. */
  ulimits?: HostConfig["Ulimits"];
};

/**
 * Change a container, at once where it lives and that can be. What has no effect, or none yet, is warned about.
 *
 * @throws `not-found`, `invalid` for limits that cannot be, `in-use` for a policy of one that removes itself, HelperError where a limit is refused: nothing is changed then
 */
export async function updateContainer(context: Context, row: ContainerRow, changes: Changes): Promise<void> {
  const { restartPolicy, resources, health, env, ulimits } = changes;
  if (!restartPolicy && !resources && !health && !env && !ulimits) return;
  const limits = resources
    ? (require("./update-limits") as typeof import("./update-limits")).limitChange(context, row, resources)
    : null;
  const before = record(context, row, (spec) => {
    let changed = restartPolicy ? withPolicy(row, spec, restartPolicy) : spec;
    if (limits) changed = { ...changed, HostConfig: limits.merge(changed.HostConfig) };
    if (env) changed = withEnvironment(changed, env);
    if (ulimits) changed = withUlimits(changed, ulimits);
    if (health) {
      const { Healthcheck: _, ...others } = changed;
      changed = { ...others, ...health(changed) };
    }
    if (health) checkHealth(changed);
    return changed;
  });
  if (row.status === "running") {
    if (restartPolicy) await changePolicy(context, row, restartPolicy);
    try {
      await limits?.apply(row);
    } catch (error) {
      record(context, row, (spec) => ({
        ...spec,
        HostConfig: limits?.undo(spec.HostConfig, before) ?? spec.HostConfig,
      }));
      throw error;
    }
    if (ulimits) context.warn(`${row.name}: it runs: --ulimit holds from its next start on`);
    if (health || env)
      context.warn(
        `${row.name}: it runs: its program, and its health checks, are as they were until its next start`,
      );
  }
  for (const warning of limits?.warnings ?? []) context.warn(warning);
  tell(context, row, "update");
}

/**
 * First the record: what the supervisor is told last is what is in force, whoever stops the container meanwhile. Returns what was there before.
 */
function record(
  context: Context,
  row: ContainerRow,
  change: (spec: ContainerSpec) => ContainerSpec,
): HostConfig {
  const db = context.db();
  const both = db.transaction(() => {
    const text = containerSpec(db, row.id);
    if (text === null)
      throw new EngineError("not-found", "update", row.name, "it was removed", { exitCode: 1 });
    const spec = readSpec(text);
    const changed = change(spec);
    setContainerSpec(db, row.id, JSON.stringify(changed));
    const isOther = changed.HostConfig.RestartPolicy !== spec.HostConfig.RestartPolicy;
    if (row.status === "exited" && isOther) markUserStopped(db, row.id); // it is not for the next boot to start what has ended before
    return spec.HostConfig;
  });
  return both.immediate();
}

function withPolicy(row: ContainerRow, spec: ContainerSpec, RestartPolicy: RestartPolicy): ContainerSpec {
  if (spec.HostConfig.AutoRemove && RestartPolicy.Name !== "no") {
    throw new EngineError(
      "in-use",
      "update",
      row.name,
      "it removes itself at its end: it cannot be started again",
      {
        exitCode: 1,
      },
    );
  }
  return { ...spec, HostConfig: { ...spec.HostConfig, RestartPolicy } };
}

function withUlimits(spec: ContainerSpec, ulimits: HostConfig["Ulimits"]): ContainerSpec {
  const named = new Set(ulimits.map(({ Name }) => Name));
  const kept = spec.HostConfig.Ulimits.filter(({ Name }) => !named.has(Name));
  return { ...spec, HostConfig: { ...spec.HostConfig, Ulimits: [...kept, ...ulimits] } };
}

const nameOf = (line: string): string => line.split("=", 1)[0] ?? "";

/** podman's: what is set anew takes the place of what was there. */
function withEnvironment(spec: ContainerSpec, env: { set: string[]; unset: string[] }): ContainerSpec {
  const gone = new Set([...env.set.map(nameOf), ...env.unset]);
  const UnsetEnv = (spec.UnsetEnv ?? []).filter((name) => !gone.has(name)).concat(env.unset);
  const { UnsetEnv: _, ...others } = spec;
  return {
    ...others,
    ...(UnsetEnv.length > 0 ? { UnsetEnv } : {}),
    Env: [...spec.Env.filter((line) => !gone.has(nameOf(line))), ...env.set],
  };
}
