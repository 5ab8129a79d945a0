/** What the tests of volumes share: an image with content at the place of a volume, and looks into volumes. */
import { beforeAll } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Engine, makeImage, pushImage, tinyLayer, useTiny } from "../../harness";

/** `full`: tiny with /data, which has files of several owners, a link and a directory that is closed; and /own, a VOLUME. */
export function useVolumes(): { engine: Engine; readonly tiny: string; readonly full: string } {
  const place = useTiny();
  let full = "";
  beforeAll(async () => {
    const image = await makeImage({
      layers: [
        await tinyLayer(),
        {
          "data/": { type: "directory", uid: 1000, gid: 1000, mode: 0o750 },
          "data/file": { content: "from the image\n", uid: 1000, gid: 2000, mode: 0o640 },
          "data/link": { type: "symlink", target: "file" },
          "data/closed/": { type: "directory", uid: 1000, gid: 1000, mode: 0o700 },
          "data/closed/inner": { content: "inner\n", uid: 1000, gid: 1000, mode: 0o600 },
          "own/": { type: "directory", uid: 1000, gid: 1000, mode: 0o700 },
          "own/file": { content: "own\n" },
        },
      ],
      config: { Cmd: ["sh"], Env: ["PATH=/bin:/sbin"], Volumes: { "/own": {} } },
    });
    full = await pushImage(`${place.registry.host}/full:latest`, image);
    await place.engine.ok(["pull", "--quiet", full]);
  });
  return {
    engine: place.engine,
    get tiny() {
      return place.tiny;
    },
    get full() {
      return full;
    },
  };
}

export type Place = ReturnType<typeof useVolumes>;

export function volumesDirectory({ engine }: Pick<Place, "engine">): string {
  return join(engine.sandbox.dataHome, "proa/volumes");
}

/** Is the directory of a volume there? */
export function isStored(place: Pick<Place, "engine">, name: string): boolean {
  return existsSync(join(volumesDirectory(place), name));
}

export async function volumes({ engine }: Pick<Place, "engine">): Promise<string[]> {
  return (await engine.ok(["volume", "ls", "-q"])).split("\n").filter(Boolean);
}

/** What a shell in a new container prints, trimmed; it fails where the shell does. */
export function sh(
  place: Pick<Place, "engine">,
  image: string,
  options: string[],
  script: string,
): Promise<string> {
  return place.engine.ok(["run", "--rm", ...options, image, "sh", "-c", script]).then((text) => text.trim());
}
