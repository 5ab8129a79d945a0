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

export function checkCgroups({ cgroups, configuration, configurationFile }: HostFacts): Verdict {
  if ("failed" in cgroups) {
    if ("failed" in configuration)
      return warn(
        "not known: the configuration cannot be read",
        "no container starts",
        `correct ${configurationFile}`,
      );
    return warn(cgroups.failed, "limits of containers are ignored", cgroups.hint ?? "proa info tells more");
  }
  const { version, manager, controllers, missing } = cgroups.ok;
  const [first] = missing;
  const by = manager === "none" ? "" : `, by ${manager === "v1" ? "directories of your own" : manager}`;
  if (first === undefined) return ok(`version ${version}${by}: ${controllers.join(", ")}`);
  const names = missing.map(({ controller }) => controller);
  const has = controllers.length > 0 ? `${controllers.join(", ")}; not ${names.join(", ")}: ` : "";
  return warn(
    `${version === 0 ? "none" : `version ${version}${by}`}: ${has}${first.why}`,
    `${names.map((name) => OPTIONS[name] ?? name).join(", ")} ${names.length === 1 ? "is" : "are"} ignored`,
    mendOf(missing),
  );
}

/** One command for all of them, where they are commands of one kind. */
function mendOf(missing: readonly { mend: string }[]): string {
  const first = missing[0]?.mend ?? "";
  const word = /^sudo \S+/.exec(first)?.[0];
  if (word === undefined) return first;
  const alike = missing.map(({ mend }) => mend).filter((mend) => mend.startsWith(word));
  return [...new Set(alike)].join(" && ");
}
