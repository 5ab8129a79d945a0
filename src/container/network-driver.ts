/**
 * What the default network is made by: netd, where the kernel has what it needs, else pasta, else slirp4netns. What works is tried once
 * a boot and remembered.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { EngineError, reasonOf } from "../error";
import { callHelper, HelperError, type NetdFeatures } from "../helper";
import type { NetworkMode } from "../oci";
import { type Context, makePrivateDirectory, replaceFile } from "../state";

export type NetworkDriver = {
  name: "netd" | "pasta" | "slirp4netns" | "none";
  /** Why it is not netd, or what netd has to do without; "" when it has all. */
  reason: string;
};

type Remembered = NetworkDriver & { key: string };

/** The mode that a container starts in. Only the default one has a choice. Throws `unsupported` where nothing works. */
export async function chosenMode<M extends NetworkMode>(
  context: Context,
  mode: M,
): Promise<
  | Exclude<M, { kind: "default" }>
  | { kind: "bridge"; network: string }
  | { kind: "pasta" | "slirp4netns"; options: string[] }
> {
  if (mode.kind !== "default") return mode as Exclude<M, { kind: "default" }>;
  const { name, reason } = await selectNetworkDriver(context);
  switch (name) {
    case "netd":
      return { kind: "bridge", network: "bridge" };
    case "pasta":
    case "slirp4netns":
      return { kind: name, options: [] };
    case "none":
      throw new EngineError("unsupported", "choose network", "", reason, {
        hint: "install passt or slirp4netns, or start the container with --network none or host",
      });
  }
}

export async function selectNetworkDriver(context: Context): Promise<NetworkDriver> {
  const path = join(context.paths.cache, "network-driver.json");
  const key = keyOf();
  const known = readRemembered(path);
  if (known?.key === key) return known;
  const { isLasting, ...found } = await probe(context);
  if (isLasting) remember(context, path, { key, ...found });
  if (found.name !== "netd" && found.name !== "none")
    context.warn(`the default network is made by ${found.name}: ${found.reason}`);
  return found;
}

/** The boot: kernel, modules and settings hardly change within it. */
function keyOf(): string {
  return `1 ${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()}`;
}

function readRemembered(path: string): Remembered | null {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Remembered;
  } catch {
    return null; // not there yet, or half of it: tried again
  }
}

function remember(context: Context, path: string, value: Remembered): void {
  try {
    makePrivateDirectory(context.paths.cache, context.uid, "XDG_CACHE_HOME");
    replaceFile(path, JSON.stringify(value));
  } catch {
    // tried again at the next start
  }
}

/** `isLasting`: it is the kernel's answer, and not one of this moment or of what happens to be installed. */
async function probe(context: Context): Promise<NetworkDriver & { isLasting: boolean }> {
  let why: string;
  let isLasting = false;
  try {
    const { features, error } = await callHelper(context.paths.cache, "netd-probe", {});
    if (error) throw new HelperError("netd-probe", error);
    if (features.tproxy) return { name: "netd", reason: missing(features), isLasting: true };
    why = missing(features);
    isLasting = true;
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    why = reasonOf(error);
  }
  const name = (["pasta", "slirp4netns"] as const).find((program) => Bun.which(program) !== null);
  if (name !== undefined) return { name, reason: why, isLasting };
  const reason = `${why}; and neither pasta nor slirp4netns is installed`;
  return { name: "none", reason, isLasting: false };
}

function missing(features: NetdFeatures): string {
  return features.why.filter((line) => line !== "").join("; ");
}
