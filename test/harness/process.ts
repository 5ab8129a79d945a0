/** What the kernel counts for a process. */
import { readFileSync } from "node:fs";

/** KiB of memory, what is shared divided by its users. */
export function pssKib(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]);
}

const TICKS_PER_SECOND = 100; // USER_HZ on every architecture of Linux that Bun runs on

/** User and system time so far. */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
