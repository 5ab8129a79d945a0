import { readFileSync } from "node:fs";

/** The hard limit of open files: no process of ours can give a container more. */
export function maxOpenFiles(): number {
  const line = /^Max open files +\S+ +(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
  const hard = Number(line?.[1]);
  return Number.isFinite(hard) ? hard : Number.MAX_SAFE_INTEGER;
}
