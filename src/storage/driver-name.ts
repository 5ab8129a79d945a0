import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Context } from "../state";
import type { DriverName } from "./driver";

/** The driver by its name alone, without loading one: as the user chose it, else as the last probe found it. */
export function driverName(context: Context): DriverName {
  const asked = context.storageDriver;
  if (asked) return asked as DriverName;
  try {
    return (
      JSON.parse(readFileSync(join(context.paths.cache, "storage-driver.json"), "utf8")) as {
        driver: DriverName;
      }
    ).driver;
  } catch {
    return "overlay"; // nothing has been stored yet
  }
}
