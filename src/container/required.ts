/** Containers that others need: they are started first. */
import { EngineError, isNotFound } from "../error";
import { imageById } from "../image";
import type { ContainerSpec } from "../oci";
import { allContainerSpecs, type ContainerRow, type Context } from "../state";
import type { RootSource } from "../storage";
import { findContainer } from "./find";
import { readSpec, specOf } from "./spec";
import { startDetached } from "./start";

/** With ids in place of what was typed. Throws `not-found`. */
export async function withRequiredIds(context: Context, spec: ContainerSpec): Promise<ContainerSpec> {
  const ids: string[] = [];
  for (const reference of spec.HostConfig.Requires ?? [])
    ids.push((await findContainer(context, "require container", reference)).id);
  return { ...spec, HostConfig: { ...spec.HostConfig, Requires: ids } };
}

/** Start those that do not run, in order, each after those that it needs itself. Throws where one cannot be started. */
export async function startRequired(context: Context, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const row = await findContainer(context, "start required container", id);
    if (row.status === "running") continue;
    const spec = specOf(context, row);
    const status = await startDetached(context, row, spec, sourceOf(context, row, spec));
    if (status === 0) continue;
    throw new EngineError("not-running", "start required container", row.name, "it could not be started");
  }
}

function sourceOf(context: Context, row: ContainerRow, spec: ContainerSpec): RootSource {
  if (row.image_id === null) return { kind: "directory", path: spec.HostConfig.Rootfs };
  return { kind: "image", image: imageById(context, row.image_id) };
}

/** The containers that need one of these, and those that need them, and so on: last the ones that nothing needs. */
export async function dependentsOf(context: Context, ids: readonly string[]): Promise<ContainerRow[]> {
  const specs = [...allContainerSpecs(context.db())].map(([id, text]) => [id, readSpec(text)] as const);
  const found = new Set(ids);
  for (let size = -1; size !== found.size; ) {
    size = found.size;
    for (const [id, spec] of specs) {
      if (needs(spec).some((other) => found.has(other))) found.add(id);
    }
  }
  const rows: ContainerRow[] = [];
  for (const id of found) {
    if (ids.includes(id)) continue;
    try {
      rows.push(await findContainer(context, "remove container", id));
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
  return rows;
}

/** Ids of the containers without which one does not start. */
function needs({ HostConfig: host }: ContainerSpec): string[] {
  const modes = Object.entries(host).flatMap(([key, value]) => (MODES.has(key) ? String(value) : []));
  const joined = modes.flatMap((mode) => /^container:(.*)$/.exec(mode)?.[1] ?? []);
  return [...(host.Requires ?? []), ...joined];
}

const MODES = new Set(["NetworkMode", "PidMode", "IpcMode", "UTSMode", "UsernsMode", "CgroupnsMode"]);
