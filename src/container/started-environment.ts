/** The variables that a container's own program was given, for those that `exec` adds. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ContainerSpec } from "../oci";
import type { ContainerRow, Context } from "../state";
import { containerDirectory } from "./places";

/** What follows from the user and the terminal of a process is its own. */
const OF_PROCESS = new Set(["HOME", "TERM"]);

/** Those of the spec, below them what was only known at the start: of links and secrets. */
export function startedEnvironment(
  context: Context,
  row: Pick<ContainerRow, "id">,
  spec: ContainerSpec,
): string[] {
  const { Links, Secrets } = spec.HostConfig;
  if (!Links?.length && !Secrets?.some(({ Type }) => Type === "env")) return spec.Env;
  const config: { process?: { env?: string[] } } = JSON.parse(
    readFileSync(join(containerDirectory(context, row.id), "config.json"), "utf8"),
  );
  const started = (config.process?.env ?? []).filter((line) => !OF_PROCESS.has(line.split("=", 1)[0] ?? ""));
  return [...started, ...spec.Env];
}
