/** A container that has never been started, made ready as far as its files go: its writable layer, and what will be mounted in it. */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RuntimeConfig } from "../oci";
import type { ContainerRow, Context } from "../state";
import { prepareRootfs } from "../storage";
import { mountsFor } from "./mounted";
import { rootfsFile } from "./places";
import { makeContainerDirectory, rootSourceOf, type StoredRoot } from "./root-files";
import { specOf } from "./spec";
import { lookUpUser } from "./user";

/** Called with the container's lock held. */
export async function prepareContainer(context: Context, row: ContainerRow): Promise<StoredRoot> {
  const spec = specOf(context, row);
  const source = rootSourceOf(context, row);
  const directory = makeContainerDirectory(context, row.id);
  const { idSpaceFor } = await import("./id-space");
  const { mappings, ranges } = await idSpaceFor(context, row.id, spec, source, { kind: "own" });
  const options = { volatile: false, ...(ranges ? { ranges } : {}) };
  const rootfs = await prepareRootfs(context, source, directory, options);
  const user = await lookUpUser(context, source, spec);
  const mounts = await mountsFor(context, spec, user, mappings, directory);
  writeFileSync(rootfsFile(context, row.id), JSON.stringify(rootfs), { mode: 0o600 });
  const config = {
    mounts,
    linux: { uidMappings: mappings.uid, gidMappings: mappings.gid },
  } as unknown as RuntimeConfig;
  return { rootfs, config, mappings, isFirst: !existsSync(join(directory, "config.json")) };
}
