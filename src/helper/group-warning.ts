/** What a container's control group is without, in a sentence. */
import { HelperError } from "./facts";
import type { Facts } from "./protocol";

/** Files of both versions, by what they begin with, and the options that write them. */
const OPTIONS: readonly (readonly [RegExp, string])[] = [
  [/^memory\.(swap\.max|memsw\.)/, "--memory-swap"],
  [/^memory\.(low|soft_limit)/, "--memory-reservation"],
  [/^memory\.swappiness/, "--memory-swappiness"],
  [/^memory\.oom_control/, "--oom-kill-disable"],
  [/^memory\.(max|limit_in_bytes)/, "--memory"],
  [/^cpu\.(weight|shares)/, "--cpu-shares"],
  [/^cpu\.(max|cfs_)/, "--cpus"],
  [/^cpu\.rt_/, "--cpu-rt-runtime"],
  [/^cpuset\.cpus/, "--cpuset-cpus"],
  [/^cpuset\.mems/, "--cpuset-mems"],
  [/^pids\.max/, "--pids-limit"],
  [/^(io|blkio)\.(bfq\.)?weight/, "--blkio-weight"],
  [
    /^(io\.max|blkio\.throttle)/,
    "--device-read-bps, --device-write-bps, --device-read-iops, --device-write-iops",
  ],
];

/** One for each thing that was asked for: what proa has limited by itself (processes, and swap by the memory) is not missed. */
export function groupWarnings(all: readonly Facts[]): string[] {
  const memory = all.find((facts) => isFile(facts, "memory.max"));
  const isOwn = (facts: Facts): boolean =>
    (isFile(facts, "pids.max") && valueIn(facts) === USUAL_PIDS) ||
    (isFile(facts, "memory.swap.max") && memory !== undefined && valueIn(facts) === valueIn(memory));
  return all.filter((facts) => !isOwn(facts)).map(groupWarning);
}

const USUAL_PIDS = "2048";

function isFile({ step, object }: Facts, file: string): boolean {
  return step === "limit" && object.slice(object.lastIndexOf("/") + 1) === file;
}

/** `VALUE: why`. */
function valueIn({ detail }: Facts): string {
  return detail.split(":", 1)[0] ?? "";
}

function groupWarning(facts: Facts): string {
  const { message, hint } = new HelperError("run", facts);
  const more = hint === undefined ? "" : `; ${hint}`;
  if (facts.step !== "limit") return `the container has no control group of its own: ${message}${more}`;
  const file = facts.object.slice(facts.object.lastIndexOf("/") + 1);
  const option = OPTIONS.find(([pattern]) => pattern.test(file))?.[1] ?? file;
  return `${option} is ignored: ${message}${more}`;
}
