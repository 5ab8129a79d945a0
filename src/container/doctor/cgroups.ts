/** Which limits containers can have. */
import type { HostFacts } from "./facts";
import { ok, type Verdict, warn } from "./finding";

/** The option that each controller is for. */
const OPTIONS: Readonly<Record<string, string>> = {
  cpu: "--cpus",
  cpuset: "--cpuset-cpus",
  io: "--blkio-weight",
  memory: "--memory",
  pids: "--pids-limit",
};

export function checkCgroups({ cgroups }: HostFacts): Verdict {
  if ("failed" in cgroups)
    return warn(cgroups.failed, "limits of containers are ignored", cgroups.hint ?? "proa info tells more");
  const { version, manager, controllers, missing } = cgroups.ok;
  const [first] = missing;
  const by = manager === "none" ? "" : `, by ${manager === "v1" ? "directories of your own" : manager}`;
  if (first === undefined) return ok(`version ${version}${by}: ${controllers.join(", ")}`);
  const names = missing.map(({ controller }) => controller);
  const has = controllers.length > 0 ? `${controllers.join(", ")}; not ${names.join(", ")}: ` : "";
  return warn(
    `${version === 0 ? "none" : `version ${version}${by}`}: ${has}${first.why}`,
    `${names.map((name) => OPTIONS[name] ?? name).join(", ")} ${names.length === 1 ? "is" : "are"} ignored`,
    first.mend,
  );
}
