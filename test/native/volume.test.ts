/** What the member `proa` of a mount asks for (native/volume.h): bad records, copies, overlays, subpaths, owners. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { OciMount } from "../../src/oci";
import { factsOf, makePlace, outputOf, type Place, removePlaces, runBundle } from "./_bundle";
import { helperMissing } from "./_container";

setDefaultTimeout(30_000);
afterAll(removePlaces);

const sh = (script: string): string[] => ["sh", "-c", script];
/** The bundle's mounts with these behind them. */
const mounting =
  (...mounts: OciMount[]) =>
  (config: { mounts: object[] }): void => {
    config.mounts.push(...mounts);
  };

/** A place with a volume, and a directory `mounts` to work things out in. */
function makeStore(): Place & { store: string; marker: string; scratch: string } {
  const place = makePlace();
  const store = join(place.path, "volume");
  mkdirSync(join(store, "_data"), { recursive: true });
  mkdirSync(join(place.path, "mounts"));
  mkdirSync(join(place.rootfs, "image/deep"), { recursive: true });
  writeFileSync(join(place.rootfs, "image/deep/file"), "of the image\n");
  return { ...place, store, marker: join(place.path, "copied"), scratch: join(place.path, "mounts/0") };
}

const filled = ({ store, marker }: ReturnType<typeof makeStore>): OciMount => ({
  destination: "/image",
  type: "bind",
  source: join(store, "_data"),
  options: ["rbind"],
  proa: { copyUp: { store, marker, keepOwner: false } },
});

describe.skipIf(helperMissing !== undefined)("mounts with more to do", () => {
  test.each([
    [{ fly: 1 }, "mount"],
    [{ scratch: 5 }, "mount"],
    [{ owner: { uid: 0 } }, "owner"],
    [{ copyUp: { store: "/x" } }, "copyUp"],
    [{ from: "/", overlay: {} }, "overlay"],
    [{ from: "/", scratch: "/x", overlay: { upper: "/x" } }, "overlay"],
  ])("the record %j is refused", async (proa, object) => {
    const mount = {
      destination: "/a",
      type: "bind",
      source: "/tmp",
      options: ["bind"],
      proa,
    } as unknown as OciMount;
    const outcome = await runBundle(["true"], { config: mounting(mount) });
    expect(factsOf(outcome).object).toContain(object);
    expect(factsOf(outcome).exit).toBe(125);
  });

  test("an empty volume is filled once, and the marker keeps it from being filled again", async () => {
    const place = makeStore();
    const config = mounting(filled(place));
    const script = "cat /image/deep/file; rm -rf /image/deep; ls /image";
    expect(await outputOf(sh(script), { place, config })).toBe("of the image");
    expect(readFileSync(place.marker, "utf8")).toBe("1");
    expect(await outputOf(sh("ls /image"), { place, config })).toBe("");
    expect(readdirSync(place.store)).toEqual(["_data"]);
  });

  test("two mounts of one volume are filled by the first", async () => {
    const place = makeStore();
    const config = mounting(filled(place), { ...filled(place), destination: "/again" });
    expect(await outputOf(sh("cat /image/deep/file /again/deep/file"), { place, config })).toBe(
      "of the image\nof the image",
    );
  });

  test("a volume without its directory is named", async () => {
    const place = makeStore();
    const mount = {
      ...filled(place),
      source: "/tmp",
      proa: { copyUp: { store: join(place.path, "no"), marker: place.marker, keepOwner: false } },
    };
    expect(factsOf(await runBundle(["true"], { place, config: mounting(mount) }))).toMatchObject({
      step: "open volume",
      errno: "ENOENT",
    });
  });

  test("a subpath is found below its source, whatever its links say, and worked out anew in each life", async () => {
    const place = makeStore();
    const from = join(place.path, "source");
    mkdirSync(join(from, "in/er"), { recursive: true });
    writeFileSync(join(from, "in/er/f"), "inner\n");
    symlinkSync("/in/er", join(from, "absolute"));
    symlinkSync("../../../../../../../../tmp", join(from, "up"));
    const at = (subpath: string, destination = "/s"): OciMount => ({
      destination,
      type: "bind",
      source: place.scratch,
      options: ["rbind"],
      proa: { from, scratch: place.scratch, subpath },
    });
    expect(await outputOf(sh("cat /s/f"), { place, config: mounting(at("in/er")) })).toBe("inner");
    expect(await outputOf(sh("cat /f"), { place, config: mounting(at("in/er/f", "/f")) })).toBe("inner");
    expect(await outputOf(sh("cat /s/f"), { place, config: mounting(at("absolute")) })).toBe("inner");
    const outcome = await runBundle(["true"], { place, config: mounting(at("up")) });
    expect(factsOf(outcome)).toMatchObject({
      step: "open mount source",
      errno: "ENOENT",
      detail: 'subpath "up"',
    });
  });

  test("an overlay that is fresh begins anew, one that is not goes on, one in memory leaves nothing", async () => {
    const place = makeStore();
    const from = join(place.path, "source");
    mkdirSync(from);
    writeFileSync(join(from, "f"), "lower\n");
    const over = (overlay: NonNullable<OciMount["proa"]>["overlay"]): OciMount => ({
      destination: "/o",
      type: "bind",
      source: place.scratch,
      options: ["rbind"],
      proa: { from, scratch: place.scratch, ...(overlay ? { overlay } : {}) },
    });
    const [upper, work] = [`${place.scratch}.upper`, `${place.scratch}.work`];
    const look = sh("ls /o; echo changed >/o/f; touch /o/new");
    const fresh = mounting(over({ upper, work, fresh: true }));
    for (let life = 0; life < 2; life++) expect(await outputOf(look, { place, config: fresh })).toBe("f");
    const kept = mounting(over({ upper, work }));
    expect(await outputOf(look, { place, config: kept })).toBe("f\nnew");
    const memory = mounting(over({ tmpfs: true }));
    for (let life = 0; life < 2; life++) expect(await outputOf(look, { place, config: memory })).toBe("f");
    expect(readFileSync(join(from, "f"), "utf8")).toBe("lower\n");
    expect(existsSync(join(from, "new"))).toBe(false);
  });

  test("layers make an overlay of their own, a part of which can be bound", async () => {
    const place = makeStore();
    const layers = ["top", "low"].map((name) => join(place.path, name));
    for (const [at, layer] of layers.entries()) {
      mkdirSync(join(layer, "d"), { recursive: true });
      writeFileSync(join(layer, "d/f"), `${at}\n`);
      writeFileSync(join(layer, `d/only${at}`), "");
    }
    const overlay = {
      lower: layers,
      upper: `${place.scratch}.upper`,
      work: `${place.scratch}.work`,
      fresh: true,
    };
    const of = (proa: object): OciMount => ({
      destination: "/i",
      type: "bind",
      source: place.scratch,
      options: ["rbind", "ro"],
      proa: { scratch: place.scratch, overlay, ...proa },
    });
    expect(await outputOf(sh("cat /i/d/f; ls /i/d"), { place, config: mounting(of({})) })).toBe(
      "0\nf\nonly0\nonly1",
    );
    const part = mounting(of({ subpath: "d" }));
    expect(await outputOf(sh("ls /i; touch /i/x 2>/dev/null || echo refused"), { place, config: part })).toBe(
      "f\nonly0\nonly1\nrefused",
    );
  });

  test("owners are changed before it is bound", async () => {
    const place = makeStore();
    const from = join(place.path, "source");
    mkdirSync(join(from, "d"), { recursive: true });
    const mount: OciMount = {
      destination: "/u",
      type: "bind",
      source: from,
      options: ["rbind"],
      proa: { from, owner: { uid: 7, gid: 8 } },
    };
    expect(await outputOf(sh("stat -c %u:%g /u /u/d"), { place, config: mounting(mount) })).toBe("7:8\n7:8");
  });
});
