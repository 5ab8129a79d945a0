import { readFileSync } from "node:fs";

/** Whether something is mounted at PATH in the mount namespace of this process. */
export function isMountPoint(path: string): boolean {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .some((line) => mountPointOf(line) === path);
}

/** Field 5 of mountinfo (proc_pid_mountinfo(5)), in which blanks are written in octal. */
function mountPointOf(line: string): string {
  const field = line.split(" ")[4] ?? "";
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
