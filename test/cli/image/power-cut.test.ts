/** The power fails after a pull: layers whose files may not have reached the disk are not trusted, and made again from their blobs. */

import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { makeImage, tinyLayer, useEngine } from "../../harness";
import { FakeRegistry } from "../../registry/_fake";
import { strayFiles } from "./_spoilt";

const engine = useEngine();
let registry: FakeRegistry;
let count = 0;

beforeAll(async () => {
  registry = await FakeRegistry.start();
});
afterAll(async () => {
  await engine.assertNothingLeft();
  await registry[Symbol.asyncDispose]();
});

const store = () => join(engine.sandbox.dataHome, "proa");
const notes = () => join(store(), "images/unsynced");
const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();

async function pulled(): Promise<string> {
  const said = { said: `number ${count}` };
  const image = await makeImage({ layers: [await tinyLayer(), said], config: { Env: ["PATH=/bin"] } });
  const name = registry.addImage(`power${count++}`, "v1", image);
  await engine.ok(["pull", "-q", name]);
  return name;
}

/** Every file of this name in the layers loses its content, as it may in a power cut. */
function spoil(file: string): void {
  for (const kind of readdirSync(join(store(), "layers"))) {
    if (kind.includes("-ids-")) continue; // leads to the files of the others
    for (const layer of readdirSync(join(store(), "layers", kind))) {
      const path = join(store(), "layers", kind, layer, file);
      if (existsSync(path)) truncateSync(path, 0);
    }
  }
}

/** The notes say that they were made in another boot, and no command has run in this one. */
function reboot(): void {
  for (const name of readdirSync(notes())) {
    unlinkSync(join(notes(), name));
    symlinkSync("11111111-2222-3333-4444-555555555555", join(notes(), name));
  }
  const remembered = join(engine.sandbox.env["XDG_CACHE_HOME"] ?? "", "proa/storage-driver.json");
  writeFileSync(remembered, readFileSync(remembered, "utf8").replace(boot, "another-boot"));
}

describe("after a power cut", () => {
  test("a layer that was on its way to the disk is unpacked again before anything runs on it", async () => {
    const name = await pulled();
    expect(readdirSync(notes()).map((note) => readlinkSync(join(notes(), note)))).toContain(boot);
    spoil("said");
    expect(await engine.ok(["run", "--rm", name, "cat", "/said"])).toBe(""); // the damage is real
    reboot();
    expect(await engine.ok(["run", "--rm", name, "cat", "/said"])).toBe(`number ${count - 1}`);
    expect((await engine.proa(["system", "check"])).stdout).toBe("");
    await engine.ok(["rmi", name]);
    expect(strayFiles(engine)).toEqual([]);
  });

  test("so it is where the driver is named, and for a container with ids of its own", async () => {
    const name = await pulled();
    const run = ["run", "--rm", "--userns=keep-id", "--user=0", name, "cat", "/said"];
    await engine.ok(run);
    spoil("said");
    reboot();
    expect(await engine.ok(["--storage-driver", "overlay", ...run])).toBe(`number ${count - 1}`);
    await engine.ok(["rmi", name]);
  });

  test("a layer whose row was lost is not taken for whole because it is there", async () => {
    const name = await pulled();
    const db = new Database(join(store(), "state.db"));
    db.run("DELETE FROM layer");
    db.close();
    spoil("said");
    await engine.ok(["pull", "-q", name]);
    expect(await engine.ok(["run", "--rm", name, "cat", "/said"])).toBe(`number ${count - 1}`);
    await engine.ok(["rmi", name]);
    expect(strayFiles(engine)).toEqual([]);
  });
});

test("layers of some time ago are seen to be on the disk, and count as whole from then on", async () => {
  const name = await pulled();
  expect(readdirSync(notes()).length).toBeGreaterThan(0);
  for (const note of readdirSync(notes()))
    Bun.spawnSync(["touch", "-h", "-d", "5 minutes ago", join(notes(), note)]);
  const other = await pulled();
  const left = readdirSync(notes()).length;
  expect(left).toBe(1); // of the last pull: tiny's layer was there
  await engine.ok(["rmi", name, other]);
});
