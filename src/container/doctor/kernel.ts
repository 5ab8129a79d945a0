/** Whether the kernel, and what restricts it, lets an ordinary user make containers. */
import { HelperError, hintFor } from "../../helper";
import type { HostFacts } from "./facts";
import { fail, ok, type Verdict, warn } from "./finding";

const NEEDED = [5, 12] as const; // mount_setattr(2), overlay in user namespaces came in 5.11
const NOTHING_STARTS = "no container starts";
const FEW_NAMESPACES = 100;

export function checkKernel({ kernel }: HostFacts): Verdict {
  const [, major = "0", minor = "0"] = /^(\d+)\.(\d+)/.exec(kernel) ?? [];
  const isNewEnough =
    Number(major) > NEEDED[0] || (Number(major) === NEEDED[0] && Number(minor) >= NEEDED[1]);
  if (isNewEnough) return ok(`Linux ${kernel}`);
  return fail(
    `Linux ${kernel}, and proa needs ${NEEDED.join(".")}`,
    NOTHING_STARTS,
    "boot a newer kernel (Debian 12 and Ubuntu 22.04 have one)",
  );
}

export function checkUserNamespaces(facts: HostFacts): Verdict {
  const { features } = facts;
  if ("failed" in features)
    return fail(
      `they cannot be tried: ${features.failed}`,
      NOTHING_STARTS,
      features.hint ?? "see the other failures first",
    );
  const why = features.ok.userNamespace;
  if (why !== null) {
    const error = new HelperError("features", why);
    const hint = hintFor(why, (path) => facts.sysctl(path.replace("/proc/sys/", "")) ?? "");
    return fail(
      error.message,
      NOTHING_STARTS,
      hint ?? "ask who runs this machine to allow user namespaces to ordinary users",
    );
  }
  const limit = Number(facts.sysctl("user/max_user_namespaces") ?? Number.POSITIVE_INFINITY);
  if (limit < FEW_NAMESPACES) {
    return warn(
      `they work, and there may be no more than ${limit}`,
      "a container takes one or two of them: starts fail when they are used up",
      "sudo sysctl -w user.max_user_namespaces=15000",
    );
  }
  return ok(features.ok.mappings === "range" ? "they work, with a range of ids" : "they work");
}

const RESTRICT = "kernel/apparmor_restrict_unprivileged_userns";

export function checkAppArmor(facts: HostFacts): Verdict {
  const confined = facts.appArmor === "" || facts.appArmor.startsWith("unconfined");
  if (facts.sysctl(RESTRICT) !== "1") {
    if (confined) return ok("it does not restrict user namespaces");
    return ok(`it does not restrict user namespaces; proa runs under the profile ${facts.appArmor}`);
  }
  if (worksInside(facts))
    return ok(`it restricts user namespaces, and lets proa have them (${facts.appArmor})`);
  return fail(
    "it restricts user namespaces: they come into being, and nothing may be mounted in them",
    NOTHING_STARTS,
    "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
  );
}

function worksInside({ features }: HostFacts): boolean {
  return "ok" in features && features.ok.userNamespace === null && features.ok.overlay === null;
}

export function checkSeLinux({ seLinux }: HostFacts): Verdict {
  if (seLinux === "") return ok("not in use");
  if (seLinux === "permissive") return ok("it only watches");
  return ok("it enforces: directories of yours need :z or :Z behind them in -v");
}

export function checkNewPrivileges({ noNewPrivileges, uid }: HostFacts): Verdict {
  if (!noNewPrivileges) return ok("programs may gain rights when they are started");
  if (uid === 0) return ok("programs gain no rights when they are started; root needs none");
  return fail(
    "no_new_privs is set: newuidmap and newgidmap gain no rights",
    "no container starts with more than one id",
    "start proa outside of the service or sandbox that sets it (NoNewPrivileges=no in a unit of systemd)",
  );
}

export function checkSeccomp({ features }: HostFacts): Verdict {
  if ("failed" in features || features.ok.seccomp) return ok("the kernel filters system calls");
  return warn(
    "this kernel cannot filter system calls",
    "containers start with --security-opt seccomp=unconfined only, and have the whole of the kernel before them",
    "boot a kernel with CONFIG_SECCOMP_FILTER",
  );
}
