/** Other limits for a container that is there, by docker's rules. */
import { EngineError } from "../error";
import { checkResources, type HostConfig, linuxResources, type Resources } from "../oci";
import { type ContainerRow, type Context, containerSpec } from "../state";
import {
  checkVersion,
  controllersFor,
  deviceNumber,
  hostResources,
  warningsFor,
  withSwap,
} from "./cgroup-limits";
import { askSupervisor, FRAME } from "./control";
import { liveState } from "./live";
import { runDirectory } from "./places";
import { readSpec } from "./spec";

export type LimitChange = {
  warnings: string[];
  /** Throws `invalid` where they do not go with what the container has. */
  merge(host: HostConfig): HostConfig;
  undo(host: HostConfig, before: HostConfig): HostConfig;
  /** Have its supervisor set them. Throws HelperError. */
  apply(row: ContainerRow): Promise<void>;
};

/** Fields that are told together, for they are one file, or counted from each other. */
const TOGETHER: readonly (readonly (keyof Resources)[])[] = [
  ["Memory", "MemorySwap"],
  ["CpuPeriod", "CpuQuota"],
];

export function limitChange(context: Context, row: ContainerRow, asked: Resources): LimitChange {
  checkResources(alone(asked), hostResources(asked));
  const text = containerSpec(context.db(), row.id);
  const { host, controllers } = controllersFor(context, text === null ? {} : readSpec(text).HostConfig);
  checkVersion(asked, host);
  const warnings = warningsFor(asked, host, controllers, context.uid);
  let merged: HostConfig | undefined;
  return {
    warnings,
    merge: (before) => {
      merged = mergeLimits(before, asked);
      return merged;
    },
    undo: (host, before) => {
      const keys = Object.keys(asked) as (keyof Resources)[];
      const others = Object.entries(host).filter(([key]) => !keys.includes(key as keyof Resources));
      const old = Object.entries(before).filter(([key]) => keys.includes(key as keyof Resources));
      return { ...Object.fromEntries([...others, ...old]), MemorySwap: before.MemorySwap } as HostConfig;
    },
    apply: async (running) => {
      const live = liveState(context, running);
      const told: Resources = { ...asked };
      for (const keys of TOGETHER) {
        if (!keys.some((key) => key in asked)) continue;
        for (const key of keys) if (merged?.[key] !== undefined) Object.assign(told, { [key]: merged[key] });
      }
      const version = host.version === 1 ? 1 : 2;
      const resources = linuxResources(told, { version, controllers, deviceNumber });
      if (!resources || !live) return;
      if (!live.cgroup) {
        warnings.push(
          `${running.name}: it runs in no control group of its own, and has its limits from its next start on`,
        );
        return;
      }
      await askSupervisor(runDirectory(context, running.id), FRAME.UPDATE, { resources }, "update");
    },
  };
}

/** What is wrong with a value in itself: what goes with what is seen with the others. */
function alone({ MemorySwap: _, ...others }: Resources): Resources {
  return others;
}

/** docker's rules for a change. Throws `invalid`. */
export function mergeLimits(before: HostConfig, asked: Resources): HostConfig {
  const conflict = (on: string, why: string): EngineError =>
    new EngineError("invalid", "update", on, why, { exitCode: 1 });
  if (asked.NanoCpus && (before.CpuPeriod ?? 0) > 0)
    throw conflict(
      "--cpus",
      "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set",
    );
  if (asked.NanoCpus && (before.CpuQuota ?? 0) > 0)
    throw conflict(
      "--cpus",
      "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set",
    );
  if (asked.CpuPeriod && before.NanoCpus)
    throw conflict(
      "--cpu-period",
      "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set",
    );
  if (asked.CpuQuota && before.NanoCpus)
    throw conflict(
      "--cpu-quota",
      "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set",
    );
  const swap = before.MemorySwap ?? 0;
  if (asked.Memory && !asked.MemorySwap && swap > 0 && asked.Memory > swap)
    throw conflict(
      "--memory",
      "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
    );
  const merged = { ...before, ...asked };
  checkResources(merged, { cpuCount: Number.POSITIVE_INFINITY, cpus: "", memoryNodes: "" });
  return { ...merged, ...withSwap(merged) };
}
