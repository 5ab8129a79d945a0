/** Every check of `proa doctor`, in the order they are printed: what all else rests on comes first. */
import { checkCgroups } from "./cgroups";
import type { HostFacts } from "./facts";
import type { Finding, Verdict } from "./finding";
import { checkIdRanges, checkMapPrograms } from "./ids";
import {
  checkAppArmor,
  checkKernel,
  checkNewPrivileges,
  checkSeccomp,
  checkSeLinux,
  checkUserNamespaces,
} from "./kernel";
import { checkLowPorts, checkNetwork, checkPing, checkTun } from "./network";
import { checkClock, checkLingering, checkOpenFiles, checkProcesses, checkRuntimeDirectory } from "./session";
import {
  checkConfiguration,
  checkCredentials,
  checkDatabase,
  checkLeftovers,
  checkRegistries,
} from "./state";
import {
  checkCacheDirectory,
  checkDataDirectory,
  checkDataSpace,
  checkFuse,
  checkRuntimeSpace,
  checkStorageDriver,
} from "./storage";

const checks: Readonly<Record<string, (facts: HostFacts) => Verdict>> = {
  kernel: checkKernel,
  "user namespaces": checkUserNamespaces,
  AppArmor: checkAppArmor,
  SELinux: checkSeLinux,
  "new privileges": checkNewPrivileges,
  seccomp: checkSeccomp,
  "id ranges": checkIdRanges,
  "id programs": checkMapPrograms,
  "control groups": checkCgroups,
  "storage driver": checkStorageDriver,
  "fuse-overlayfs": checkFuse,
  "data directory": checkDataDirectory,
  "cache directory": checkCacheDirectory,
  "disk space": checkDataSpace,
  network: checkNetwork,
  "network device": checkTun,
  ping: checkPing,
  ports: checkLowPorts,
  clock: checkClock,
  "runtime directory": checkRuntimeDirectory,
  "runtime space": checkRuntimeSpace,
  lingering: checkLingering,
  "open files": checkOpenFiles,
  processes: checkProcesses,
  database: checkDatabase,
  leftovers: checkLeftovers,
  configuration: checkConfiguration,
  registries: checkRegistries,
  credentials: checkCredentials,
};

export function examine(facts: HostFacts): Finding[] {
  return Object.entries(checks).map(([check, judge]) => ({ check, ...judge(facts) }));
}
