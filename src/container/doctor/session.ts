/** What belongs to the user's session on this machine, and to the machine's clock. */
import type { HostFacts } from "./facts";
import { fail, ok, type Verdict, warn } from "./finding";

export function checkRuntimeDirectory(facts: HostFacts): Verdict {
  const { uid, session, runtime } = facts;
  const { runtimeVariable: variable = "", runtimeDirectory: directory, used } = session;
  const mend = runtimeMend(facts);
  const elsewhere = "commands with the right one, as in a session, do not see these containers run";
  if (variable === "") {
    if (uid === 0 || used.startsWith(`/run/user/${uid}/`)) return ok(`${used}; XDG_RUNTIME_DIR is not set`);
    return warn(`XDG_RUNTIME_DIR is not set; ${used} is used`, elsewhere, mend);
  }
  if (!variable.startsWith("/"))
    return warn(
      `XDG_RUNTIME_DIR is ${JSON.stringify(variable)}, which is no absolute path; ${used} is used`,
      elsewhere,
      mend,
    );
  const why =
    directory === null
      ? "there is nothing"
      : directory.isDirectory
        ? directory.uid === uid
          ? null
          : `it belongs to the id ${directory.uid}`
        : "it is no directory";
  if (why !== null) return fail(`XDG_RUNTIME_DIR is ${variable}: ${why}`, "no container starts", mend);
  if (directory !== null && (directory.mode & 0o022) !== 0)
    return fail(
      `others may write in ${variable} (mode ${(directory.mode & 0o777).toString(8)})`,
      "somebody else could put locks and sockets there",
      `chmod 700 ${variable}`,
    );
  if (runtime.fileSystem !== "tmpfs" && runtime.fileSystem !== "ramfs")
    return warn(
      `${variable} is on ${runtime.fileSystem}, and not in memory`,
      "every start writes to the disk, and what a crash leaves outlives a restart of the machine",
      variable === `/run/user/${uid}` ? `sudo mount -t tmpfs -o mode=700,uid=${uid} tmpfs ${variable}` : mend,
    );
  return ok(`${variable}, in memory, and yours alone`);
}

function runtimeMend({ uid, user, session }: HostFacts): string {
  const path = `/run/user/${uid}`;
  if (session.hasLoginDirectory || session.runtimeVariable === path) {
    return session.hasLoginDirectory && session.runtimeVariable !== path
      ? `export XDG_RUNTIME_DIR=${path}`
      : `sudo install -d -m 700 -o ${user} ${path}`;
  }
  if (session.hasSystemd) return `sudo loginctl enable-linger ${user} && export XDG_RUNTIME_DIR=${path}`;
  return `sudo install -d -m 700 -o ${user} ${path} && export XDG_RUNTIME_DIR=${path}`;
}

export function checkLingering({ uid, user, session }: HostFacts): Verdict {
  if (uid === 0) return ok("root's containers need no session");
  if (!session.hasSystemd) return ok("no systemd here: nothing ends containers when you log out");
  if (session.lingers) return ok("your services and containers live on when you log out");
  const boot =
    session.restarting > 0
      ? `, and ${session.restarting} ${session.restarting === 1 ? "container that is" : "containers that are"} to be started again ${session.restarting === 1 ? "is" : "are"} not`
      : "";
  return warn(
    "it is off: systemd ends your services when you log out",
    `containers may end with your last session${boot}`,
    `sudo loginctl enable-linger ${user}`,
  );
}

const YEAR_2024 = 1_704_067_200_000;
const STEP_MS = 60_000;
const DAY_MS = 86_400_000;

export function checkClock({ nowMs, lastWrittenMs, builtMs }: HostFacts): Verdict {
  const now = new Date(nowMs).toISOString().replace(/\.\d+Z$/, "Z");
  const mend = "sudo timedatectl set-ntp true";
  if (nowMs < Math.max(YEAR_2024, builtMs - DAY_MS))
    return fail(
      `it says ${now}, which is before this proa was made`,
      "certificates of registries are not valid yet, and times of containers are wrong",
      mend,
    );
  if (lastWrittenMs > nowMs + STEP_MS)
    return warn(
      `it says ${now}, and has been ${durationText(lastWrittenMs - nowMs)} ahead when proa wrote last`,
      "the order and the ages of containers and events are wrong for that long",
      mend,
    );
  return ok(now);
}

function durationText(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} seconds`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} minutes`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} hours` : `${Math.round(seconds / 86_400)} days`;
}

const FEW_FILES = 4096;
const PROCESSES_EACH = 10; // a supervisor, a first process, and what that starts
const FEW_PROCESSES = 512;

export function checkOpenFiles({ limits }: HostFacts): Verdict {
  if (limits.openFiles >= FEW_FILES) return ok(`${countText(limits.openFiles)} a process`);
  return warn(
    `${limits.openFiles} a process (the hard limit)`,
    "containers cannot have more, and servers in them run out of connections",
    "echo '* hard nofile 1048576' | sudo tee /etc/security/limits.d/proa.conf",
  );
}

export function checkProcesses({ limits, user }: HostFacts): Verdict {
  const left = limits.processes - limits.running;
  if (left >= FEW_PROCESSES || limits.processes === Number.POSITIVE_INFINITY)
    return ok(`${countText(limits.processes)} processes, ${limits.running} run`);
  return (left < 2 * PROCESSES_EACH ? fail : warn)(
    `${limits.processes} processes (the limit), and ${limits.running} run`,
    "containers' processes count, too: programs cannot start others",
    `echo '${user} - nproc unlimited' | sudo tee /etc/security/limits.d/proa.conf`,
  );
}

function countText(count: number): string {
  return count === Number.POSITIVE_INFINITY ? "any number of" : String(count);
}
