import { accessSync, constants, existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";
import { callHelper, type Features, HelperError } from "../helper";
import { type Context, makePrivateDirectory, replaceFile } from "../state";
import { fuseOverlayfsDriver, fuseOverlayfsProgram } from "./_fuse-overlayfs";
import { overlayDriver } from "./_overlay";
import { makeMappedDirectory } from "./_owner";
import { makeTemporary } from "./_temporary";
import { vfsDriver } from "./_vfs";
import type { Driver, DriverName } from "./driver";
import { discard, ensureLayersDirectory, layerKind } from "./layers";

/** Which driver is used: the configured one, else the best that works here. What works is tried once a boot and remembered. */

const drivers: Record<DriverName, Driver> = {
  overlay: overlayDriver,
  "fuse-overlayfs": fuseOverlayfsDriver,
  vfs: vfsDriver,
};

type Remembered = { key: string; driver: DriverName; reason: string };

export type Selected = {
  driver: Driver;
  /** Why it is not the best one, for `info` and warnings; "" when it is, or when the user chose it. */
  reason: string;
};

const selected = new WeakMap<Context, Promise<Selected>>();

/** Asked once a command. @throws EngineError `invalid` for a driver that does not exist */
export function selectDriver(context: Context): Promise<Selected> {
  let known = selected.get(context);
  if (!known) {
    known = select(context);
    selected.set(context, known);
  }
  return known;
}

async function select(context: Context): Promise<Selected> {
  const asked = context.storageDriver;
  if (asked !== undefined && asked !== "") {
    await forgetDoubtful(context);
    return { driver: driverByName(asked), reason: "" };
  }
  const path = join(context.paths.cache, "storage-driver.json"); // driver-name.ts reads it, too
  const known = readRemembered(path);
  if (known?.key === keyOf(context, known?.driver))
    return { driver: drivers[known.driver], reason: known.reason };
  await forgetDoubtful(context); // the first time since the machine was started, or about that
  const found = await probe(context);
  remember(path, { key: keyOf(context, found.driver), ...found });
  if (found.reason !== "") context.warn(`storage driver ${found.driver} is used: ${found.reason}`);
  return { driver: drivers[found.driver], reason: found.reason };
}

async function forgetDoubtful(context: Context): Promise<void> {
  (await import("./unsynced")).forgetDoubtful(context);
}

function driverByName(name: string): Driver {
  if (Object.hasOwn(drivers, name)) return drivers[name as DriverName];
  throw new EngineError("invalid", "choose storage driver", name, "no such driver", {
    hint: `the drivers are ${Object.keys(drivers).join(", ")}`,
  });
}

/** What the answer depends on: the boot (kernel and its settings), the file system, the id maps, and where overlay was not it the fuse program. */
function keyOf(context: Context, driver: DriverName | undefined): string {
  makePrivateDirectory(context.paths.data, context.uid);
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  const device = statSync(context.paths.data).dev;
  const fuse = driver === "overlay" ? "" : (fuseOverlayfsProgram() ?? ""); // a search along PATH
  return [boot, device, JSON.stringify(context.host().mappings), fuse].join(" ");
}

function readRemembered(path: string): Remembered | null {
  try {
    const value = JSON.parse(readFileSync(path, "utf8")) as Remembered;
    return typeof value.key === "string" && Object.hasOwn(drivers, value.driver) ? value : null;
  } catch {
    return null; // never probed, or not ours: probe
  }
}

function remember(path: string, value: Remembered): void {
  try {
    mkdirSync(join(path, ".."), { recursive: true, mode: 0o700 });
    replaceFile(path, JSON.stringify(value));
  } catch {
    // only costs the next command another look
  }
}

/** What the kernel lets this user do where containers lie, found out by doing it. @throws EngineError */
export async function tryFeatures(context: Context): Promise<Features> {
  const scratch = makeTemporary(ensureLayersDirectory(context, layerKind(context, overlayDriver)));
  try {
    makeMappedDirectory(context, scratch.path, 0o700);
    const request = { mappings: context.host().mappings, scratch: scratch.path };
    return await callHelper(context.paths.cache, "features", request);
  } finally {
    await discard(context, scratch);
  }
}

async function probe(context: Context): Promise<{ driver: DriverName; reason: string }> {
  const features = await tryFeatures(context);
  if (features.userNamespace !== null) throw new HelperError("features", features.userNamespace);
  if (features.overlay === null) return { driver: "overlay", reason: "" };
  const why = new HelperError("features", features.overlay).message;
  if (fuseOverlayfsProgram() !== null && canUseFuse()) {
    return {
      driver: "fuse-overlayfs",
      reason: `the kernel's overlay does not work here (${why}), and it is slower`,
    };
  }
  const missing =
    fuseOverlayfsProgram() === null ? "fuse-overlayfs is not installed" : "/dev/fuse cannot be opened";
  return {
    driver: "vfs",
    reason: `the kernel's overlay does not work here (${why}) and ${missing}; each container is a full copy`,
  };
}

function canUseFuse(): boolean {
  try {
    accessSync("/dev/fuse", constants.R_OK | constants.W_OK);
    return existsSync("/dev/fuse");
  } catch {
    return false;
  }
}
