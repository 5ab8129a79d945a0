/** Devices of the Container Device Interface: `vendor.com/class=name` and what its specification files say a container needs for it. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";
import { cdiName, isCdiDevice, type OciMount } from "../oci";
import type { Context } from "../state";
import type { DeviceEdits } from "./devices";

/** "containerEdits" of the specification, as far as it can be carried out. */
type Edits = {
  env?: string[];
  deviceNodes?: { path?: string; hostPath?: string }[];
  mounts?: { hostPath?: string; containerPath?: string; options?: string[]; type?: string }[];
  hooks?: { hookName?: string; path?: string }[];
  additionalGids?: number[];
};

type CdiSpec = {
  kind?: string;
  containerEdits?: Edits;
  devices?: { name?: string; containerEdits?: Edits }[];
};

/** Later directories take precedence. */
function directories(context: Context): string[] {
  const own = [
    context.env.XDG_CONFIG_HOME ?? (context.env.HOME ? join(context.env.HOME, ".config") : ""),
    context.env.XDG_RUNTIME_DIR ?? "",
  ];
  return ["/etc/cdi", "/run/cdi", "/var/run/cdi", ...own.filter(Boolean).map((path) => join(path, "cdi"))];
}

/** What NAMES bring. Throws `not-found` for one that no file describes, `invalid` for a file that cannot be read. */
export async function cdiEdits(context: Context, names: readonly string[]): Promise<DeviceEdits> {
  const specs = readSpecs(context);
  const edits: DeviceEdits = { mounts: [], env: [], additionalGids: [] };
  const used = new Set<CdiSpec>();
  const missing = names.filter((name) => !isCdiDevice(name) || findDevice(specs, name) === null);
  if (missing.length > 0)
    throw new EngineError(
      "not-found",
      "CDI device injection failed",
      "",
      `unresolvable CDI devices ${missing.join(", ")}`,
      {
        hint: `specifications are looked for in ${directories(context).join(", ")}`,
      },
    );
  for (const name of names) {
    const found = findDevice(specs, name);
    if (!found) continue;
    if (!used.has(found.spec)) addEdits(context, edits, found.spec.containerEdits);
    used.add(found.spec);
    addEdits(context, edits, found.edits);
  }
  return edits;
}

function findDevice(
  specs: readonly CdiSpec[],
  name: string,
): { spec: CdiSpec; edits: Edits | undefined } | null {
  const { kind, device } = cdiName(name);
  for (const spec of specs.toReversed()) {
    if (spec.kind !== kind) continue;
    const found = spec.devices?.find((entry) => String(entry.name) === device);
    if (found) return { spec, edits: found.containerEdits };
  }
  return null;
}

function addEdits(context: Context, to: DeviceEdits, edits: Edits | undefined): void {
  for (const line of edits?.env ?? []) to.env.push(String(line));
  for (const node of edits?.deviceNodes ?? []) to.mounts.push(...nodeMounts(node));
  for (const mount of edits?.mounts ?? []) to.mounts.push(mountOf(mount));
  for (const gid of edits?.additionalGids ?? [])
    if (Number.isInteger(gid) && gid > 0) to.additionalGids.push(gid);
  for (const hook of edits?.hooks ?? [])
    context.warn(
      `a CDI hook is left out, proa runs no programs of others for a container: ${hook.hookName ?? ""} ${hook.path ?? ""}`,
    );
}

function nodeMounts(node: NonNullable<Edits["deviceNodes"]>[number]): OciMount[] {
  const destination = node.path ?? "";
  const source = node.hostPath || destination;
  if (!destination.startsWith("/") || !source.startsWith("/"))
    throw new EngineError("invalid", "CDI device", destination || '""', "its path is not absolute");
  try {
    statSync(source);
  } catch (error) {
    throw new EngineError("not-found", "CDI device", source, error);
  }
  return [{ destination, type: "bind", source, options: ["bind", "nosuid", "noexec", "rprivate"] }];
}

function mountOf({
  hostPath = "",
  containerPath = "",
  options = [],
  type,
}: NonNullable<Edits["mounts"]>[number]): OciMount {
  if (type && type !== "bind" && type !== "none")
    return { destination: containerPath, type, source: hostPath, options };
  const kept = options.filter((option) => option !== "bind" && option !== "rbind");
  return {
    destination: containerPath,
    type: "bind",
    source: hostPath,
    options: ["rbind", "rprivate", ...kept],
  };
}

function readSpecs(context: Context): CdiSpec[] {
  return directories(context).flatMap((directory) =>
    namesIn(directory).flatMap((name) => {
      const path = join(directory, name);
      const spec = readSpec(path);
      if (spec === null) context.warn(`a CDI specification cannot be read and is left out: ${path}`);
      return spec === null ? [] : [spec];
    }),
  );
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => /\.(json|ya?ml)$/.test(name))
      .sort();
  } catch {
    return [];
  }
}

function readSpec(path: string): CdiSpec | null {
  try {
    const text = readFileSync(path, "utf8");
    const value: unknown = path.endsWith(".json") ? JSON.parse(text) : Bun.YAML.parse(text);
    return typeof value === "object" && value !== null ? (value as CdiSpec) : null;
  } catch {
    return null;
  }
}
