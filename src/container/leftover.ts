/**
 * What a container has left running whose supervisor was killed and whose pid namespace is another's: where it is its own the kernel ends all
 * with the first process, which dies with the supervisor. Elsewhere they are known by their root, which no other container has.
 */
import { closeSync, readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { pidfdOpen, pidfdSendSignal } from "../helper";
import type { RuntimeConfig } from "../oci";
import type { Context } from "../state";
import { containerDirectory } from "./places";

/** Kill them. To be called when the container's lock is free and it has left no record of its end. */
export function killLeftovers(context: Context, id: string): void {
  if (!sharesProcesses(context, id)) return;
  const mark = `/containers/${id}/`;
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name) || !isRootedAt(name, mark)) continue;
    try {
      const pidfd = pidfdOpen(Number(name));
      // looked at once more now that the number cannot become another's
      if (isRootedAt(name, mark)) pidfdSendSignal(pidfd, constants.signals.SIGKILL);
      closeSync(pidfd);
    } catch {
      // gone meanwhile
    }
  }
}

function sharesProcesses(context: Context, id: string): boolean {
  try {
    const text = readFileSync(join(containerDirectory(context, id), "config.json"), "utf8");
    const { linux } = JSON.parse(text) as RuntimeConfig;
    return !linux.namespaces.some(({ type, path }) => type === "pid" && path === undefined);
  } catch {
    return false;
  }
}

/** proc_pid_mountinfo(5): field 5 is where, and the layers are named in the line. */
function isRootedAt(pid: string, mark: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/mountinfo`, "utf8")
      .split("\n")
      .some((line) => line.split(" ")[4] === "/" && line.includes(mark));
  } catch {
    return false; // gone, or none of ours
  }
}
