/** `proa system df` against what was made: counts, sizes, what is shared, docker's formats. */
import { describe, expect, test } from "bun:test";
import { makeImage, makeLayer, missing, tinyLayer, useTiny } from "../../harness";
import { pushImage } from "../../harness/image";

describe.skipIf(missing !== null)(`system df${missing === null ? "" : ` (${missing})`}`, () => {
  const set = useTiny();
  const { engine } = set;

  type Line = { Type: string; TotalCount: string; Active: string; Size: string; Reclaimable: string };

  async function lines(): Promise<Record<string, Line>> {
    const text = await engine.ok(["system", "df", "--format", "json"]);
    const all = text.split("\n").map((line) => JSON.parse(line) as Line);
    return Object.fromEntries(all.map((line) => [line.Type, line]));
  }

  /** Bytes of each kind, unrounded. */
  async function raw(): Promise<Record<string, number[]>> {
    const text = await engine.ok(["system", "df", "--format", "{{.Type}}|{{.RawSize}}|{{.RawReclaimable}}"]);
    return Object.fromEntries(
      text.split("\n").map((line) => {
        const [type = "", ...numbers] = line.split("|");
        return [type, numbers.map(Number)];
      }),
    );
  }

  test("prints docker's table", async () => {
    const text = await engine.ok(["system", "df"]);
    const [titles, ...rows] = text.split("\n");
    expect(titles).toMatch(/^TYPE +TOTAL +ACTIVE +SIZE +RECLAIMABLE$/);
    expect(rows.map((row) => row.split(/ {2,}/)[0])).toEqual([
      "Images",
      "Containers",
      "Local Volumes",
      "Build Cache",
    ]);
    expect(rows[3]).toMatch(/^Build Cache +0 +0 +0B +0B$/);
  });

  test("an image without containers can be reclaimed whole, one with a container not at all", async () => {
    const before = (await lines())["Images"];
    expect(before).toMatchObject({ TotalCount: "1", Active: "0" });
    expect(before?.Reclaimable).toBe(`${before?.Size} (100%)`);
    await engine.ok(["create", "--name", "holder", set.tiny, "true"]);
    const after = (await lines())["Images"];
    expect(after).toMatchObject({ TotalCount: "1", Active: "1", Size: before?.Size, Reclaimable: "0B (0%)" });
    await engine.ok(["rm", "holder"]);
  });

  test("containers count what they wrote; those that run cannot be reclaimed", async () => {
    await engine.ok(["run", "--name", "wrote", set.tiny, "sh", "-c", "head -c 300000 /dev/zero >/file"]);
    expect((await raw())["Containers"]).toEqual([300_000, 300_000]);
    await engine.ok([
      "run",
      "-d",
      "--name",
      "lives",
      set.tiny,
      "sh",
      "-c",
      "head -c 5000 /dev/zero >/f; sleep 300",
    ]);
    await engine.ok(["exec", "lives", "sh", "-c", "until [ -s /f ]; do sleep 0.05; done"]);
    expect((await raw())["Containers"]).toEqual([305_000, 300_000]);
    expect((await lines())["Containers"]).toMatchObject({ TotalCount: "2", Active: "1" });
    await engine.ok(["rm", "-f", "wrote", "lives"]);
  });

  test("volumes count their files; one that a container mounts cannot be reclaimed", async () => {
    await engine.ok(["volume", "create", "idle"]);
    await engine.ok([
      "run",
      "--name",
      "user",
      "-v",
      "used:/v",
      set.tiny,
      "sh",
      "-c",
      "head -c 7000 /dev/zero >/v/f",
    ]);
    await engine.ok(["run", "--rm", "-v", "idle:/v", set.tiny, "sh", "-c", "head -c 2000 /dev/zero >/v/f"]);
    expect((await raw())["Local Volumes"]).toEqual([9000, 2000]);
    expect((await lines())["Local Volumes"]).toMatchObject({
      TotalCount: "2",
      Active: "1",
      Size: "9kB",
      Reclaimable: "2kB (22%)",
    });
    const verbose = JSON.parse(await engine.ok(["system", "df", "-v", "--format", "json"]));
    expect(
      verbose.Volumes.map(({ Name, Links, Size }: Record<string, string>) => [Name, Links, Size]),
    ).toEqual([
      ["idle", "0", "2kB"],
      ["used", "1", "7kB"],
    ]);
    await engine.ok(["rm", "user"]);
    await engine.ok(["volume", "rm", "idle", "used"]);
  });

  test("layers that two images share are counted once", async () => {
    const noise = new Uint8Array(60_000).map(() => Math.random() * 256);
    const base = await makeLayer({ base: noise });
    const pull = async (tag: string, layers: Parameters<typeof makeImage>[0]["layers"]): Promise<string> => {
      const name = await pushImage(`${set.registry.host}/shared:${tag}`, await makeImage({ layers }));
      await engine.ok(["pull", "-q", name]);
      return name;
    };
    const [empty] = (await raw())["Images"] ?? [];
    const one = await pull("one", [base]);
    const [first = 0] = (await raw())["Images"] ?? [];
    const two = await pull("two", [base, { small: "small" }]);
    const [second = 0] = (await raw())["Images"] ?? [];
    expect(first - (empty ?? 0)).toBeGreaterThan(120_000); // the layer and its blob
    expect(second - first).toBeLessThan(10_000);
    const shown = JSON.parse(await engine.ok(["system", "df", "-v", "--format", "json"]));
    const shared = shown.Images.filter(({ Repository }: { Repository: string }) =>
      Repository.endsWith("/shared"),
    );
    expect(new Set(shared.map(({ SharedSize }: { SharedSize: string }) => SharedSize)).size).toBe(1);
    expect(shared[0].SharedSize).toMatch(/^12\d(\.\d+)?kB$/);
    await engine.ok(["rmi", one, two]);
    expect((await raw())["Images"]?.[0]).toBe(empty as number);
  });

  test("-v prints docker's four tables", async () => {
    const text = await engine.ok(["system", "df", "-v"]);
    expect(text).toMatch(
      /^Images space usage:\n\nREPOSITORY +TAG +IMAGE ID +CREATED +SIZE +SHARED SIZE +UNIQUE SIZE +CONTAINERS\n/,
    );
    expect(text).toMatch(
      /\n\nContainers space usage:\n\nCONTAINER ID +IMAGE +COMMAND +LOCAL VOLUMES +SIZE +CREATED +STATUS +NAMES\n/,
    );
    expect(text).toMatch(/\nLocal Volumes space usage:\n\nVOLUME NAME +LINKS +SIZE\n/);
    expect(text).toMatch(
      /\nBuild cache usage: 0B\n\nCACHE ID +CACHE TYPE +SIZE +CREATED +LAST USED +USAGE +SHARED$/,
    );
    expect(text).toMatch(/\/tiny +latest +[0-9a-f]{12} +.* +0B +[\d.]+[kM]B +0\n/);
  });

  test("templates, tables of one's own, and what cannot be", async () => {
    expect(await engine.ok(["system", "df", "--format", "{{.Type}}:{{.Total}}"])).toStartWith("Images:1\n");
    expect(await engine.ok(["system", "df", "--format", "table {{.Type}}\t{{.Active}}"])).toMatch(
      /^TYPE +ACTIVE\nImages +0\n/,
    );
    expect(await engine.ok(["system", "df", "-v", "--format", "{{range .Images}}{{.Tag}}{{end}}"])).toBe(
      "latest",
    );
    const wrong = await engine.proa(["system", "df", "--format", "{{.Nothing}}"]);
    expect(wrong.stderr).toContain("Nothing");
    expect(wrong.exitCode).not.toBe(0);
  });

  test("an empty store has nothing", async () => {
    await engine.ok(["rmi", set.tiny]);
    expect(await lines()).toMatchObject({
      Images: { TotalCount: "0", Active: "0", Size: "0B", Reclaimable: "0B" },
      Containers: { TotalCount: "0", Size: "0B", Reclaimable: "0B" },
    });
    await engine.ok(["pull", "-q", set.tiny]);
  });

  test("the tiny layer alone: SIZE of the image is its layer and its blobs", async () => {
    const layer = await tinyLayer();
    const [size = 0] = (await raw())["Images"] ?? [];
    expect(size).toBeGreaterThan(layer.bytes.length);
  });
});
