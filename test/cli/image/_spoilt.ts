/** What a failed pull must leave: nothing that can be seen, and a store that the next one can use. */
import { expect } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "../../harness";
import { digestOf } from "../../harness/image";

/** Files below the store that no image accounts for; every blob is read and checked. */
export function strayFiles(engine: Engine): string[] {
  const { dataHome } = engine.sandbox;
  const images = join(dataHome, "proa/images");
  const stray = list(join(images, "ingest")).map((name) => `ingest/${name}`);
  for (const name of list(join(images, "blobs/sha256"))) {
    if (digestOf(readFileSync(join(images, "blobs/sha256", name))) !== `sha256:${name}`)
      stray.push(`blob ${name}`);
  }
  for (const kind of list(join(dataHome, "proa/layers"))) {
    const names = list(join(dataHome, "proa/layers", kind));
    stray.push(
      ...names.filter((name) => !/^[0-9a-f]{64}$/.test(name)).map((name) => `layers/${kind}/${name}`),
    );
  }
  return stray;
}

function list(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

/** The store holds no image of this repository, no half blob, no temporary file. */
export async function expectNothingOf(engine: Engine, name: string): Promise<void> {
  expect(strayFiles(engine)).toEqual([]);
  const repository = name.replace(/:[^/:]*$/, "");
  expect(await engine.ok(["images", "-q", repository])).toBe("");
  const index = readFileSync(join(engine.sandbox.dataHome, "proa/images/index.json"), "utf8");
  expect(index).not.toContain(`${repository}:`);
}
