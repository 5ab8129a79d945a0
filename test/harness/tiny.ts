/** The usual start of a test file: an engine that has the tiny image. */
import { beforeAll } from "bun:test";
import { type Engine, useEngine } from "./engine";
import { pushImage } from "./image";
import { tinyImage, tinyMissing } from "./images";
import { registryMissing, useRegistry } from "./registry";

/** Null where `useTiny` works, otherwise what is missing: `describe.skipIf(missing !== null)`. */
export const missing: string | null = registryMissing ?? tinyMissing;

/** `tiny`: the reference that the image was pulled by. */
export function useTiny(): { engine: Engine; registry: { readonly host: string }; readonly tiny: string } {
  const registry = useRegistry();
  const engine = useEngine();
  let tiny = "";
  beforeAll(async () => {
    tiny = await pushImage(`${registry.host}/tiny:latest`, await tinyImage());
    await engine.ok(["pull", "--quiet", tiny]);
  });
  return {
    engine,
    registry,
    get tiny() {
      return tiny;
    },
  };
}
