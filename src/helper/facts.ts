/** The helper's facts in words, with the hints that only a human can follow. */
import { existsSync, readFileSync } from "node:fs";
import { EngineError, wordsOfErrno } from "../error";
import type { Facts } from "./protocol";

/** A failure in the helper. `facts` keep the step, object and errno apart for code to branch on. */
export class HelperError extends EngineError {
  override name = "HelperError";

  constructor(
    readonly verb: string,
    readonly facts: Facts,
  ) {
    super("helper", facts.step, facts.object, reasonOfFacts(facts), {
      exitCode: facts.exit,
      hint: hintFor(facts),
    });
  }
}

function reasonOfFacts(facts: Facts): string {
  if (facts.step === "execute" && facts.exit === 127) return "command not found in the container";
  const reason = wordsOfErrno(facts.errno);
  if (reason === "") return facts.detail;
  return facts.detail === "" ? reason : `${reason} (${facts.detail})`;
}

function readSysctl(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8").trim() : "";
}

/** What to type or check for the failures that have a cause outside the engine. */
function hintFor(facts: Facts): string | undefined {
  if (facts.step === "create user namespace") return userNamespaceHint(facts);
  if (facts.step === "map ids" && facts.errno === "ENOENT") {
    return "install newuidmap and newgidmap (Debian: apt-get install uidmap)";
  }
  if (facts.errno === "ENOSPC" || facts.errno === "EDQUOT")
    return "free some space, for example with `proa rmi`";
  return undefined;
}

function userNamespaceHint(facts: Facts): string {
  if (readSysctl("/proc/sys/kernel/unprivileged_userns_clone") === "0") {
    return "an administrator can allow it: sysctl -w kernel.unprivileged_userns_clone=1";
  }
  if (readSysctl("/proc/sys/user/max_user_namespaces") === "0") {
    return "an administrator can allow it: sysctl -w user.max_user_namespaces=15000";
  }
  if (readSysctl("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") === "1") {
    return "an administrator can allow it: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for proa with `userns,`";
  }
  return facts.errno === "ENOSPC"
    ? "the limit of user namespaces is reached: see /proc/sys/user/max_user_namespaces"
    : "proa needs user namespaces: is it running in a container or sandbox that forbids them?";
}
