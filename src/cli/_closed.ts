import { readFileSync } from "node:fs";
import { BrokenPipe } from "./broken-pipe";

const CLOSE_ON_EXEC = 0o2000000; // O_CLOEXEC, proc_pid_fdinfo(5)

/**
 * For commands that print until they are interrupted: without a standard output (`>&-`) nobody ever reads them, and no write would say so, because the
 * runtime opens /dev/null in its place. What was handed over at the start cannot be marked to be closed then: what is marked so is the runtime's.
 *
 * @throws BrokenPipe
 */
export function needStdout(): void {
  const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync("/proc/self/fdinfo/1", "utf8"))?.[1] ?? "0";
  if ((Number.parseInt(flags, 8) & CLOSE_ON_EXEC) !== 0) throw new BrokenPipe();
}
