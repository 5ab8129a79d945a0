/** What has to hold after every fault. */
import { expect } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "./engine";

/**
 * Remove every container by the user's own commands and prune, each of which has to work, and fail unless no process, mount, run directory, unfinished
 * layer or note of the engine's is left. Images stay.
 */
export async function expectNothingLeft(engine: Engine): Promise<void> {
  const ids = (await engine.ok(["ps", "-aq", "--no-trunc"])).split("\n").filter(Boolean);
  if (ids.length > 0) await engine.ok(["rm", "-f", "-v", ...ids], { timeoutMs: 60_000 });
  await engine.ok(["system", "prune", "-f", "--volumes"]);
  expect(await engine.ok(["ps", "-aq"])).toBe("");
  await engine.assertNothingLeft();
  const { dataHome } = engine.sandbox;
  const notes = ["unfinished", "images/ingest"].flatMap((name) => {
    const path = join(dataHome, "proa", name);
    return existsSync(path) ? readdirSync(path).map((file) => join(path, file)) : [];
  });
  expect(notes).toEqual([]);
}
