/** Mounts of containers that another OCI runtime runs, and with keep-id. */
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing } from "../../harness";
import { sh, useVolumes } from "../volume/_volumes";
import { removeAll } from "./_shell";

const crun = existsSync("/usr/bin/crun") ? null : "crun is not installed";

describe.skipIf(missing !== null || crun !== null)("--runtime crun", () => {
  const place = useVolumes();
  const { engine } = place;
  const within = (options: string[], script: string, image = place.full) =>
    sh(place, image, ["--runtime", "crun", ...options], script);

  test("a volume is filled, a part of it bound, an overlay laid, owners changed, an image seen", async () => {
    expect(await within(["-v", "c:/data"], "ls /data; cat /data/file")).toBe(
      "closed\nfile\nlink\nfrom the image",
    );
    expect(await within(["--mount", "src=c,dst=/s,volume-subpath=file"], "cat /s")).toBe("from the image");
    expect(await within(["-v", "c:/o:O"], "touch /o/new; ls /o")).toBe("closed\nfile\nlink\nnew");
    expect(await within(["-u", "1000", "-v", "c2:/x:U"], "stat -c %u /x")).toBe("1000");
    expect(await within(["--mount", `type=image,src=${place.full},dst=/i,image-subpath=data`], "ls /i")).toBe(
      "closed\nfile\nlink",
    );
    expect(await within(["-v", "c:/data:ro"], "touch /data/x 2>/dev/null || echo refused")).toBe("refused");
    await engine.ok(["volume", "prune", "-af"]);
  });

  test("nothing is left of all these", () => removeAll(place));
});

describe.skipIf(missing !== null)("--userns=keep-id", () => {
  const place = useVolumes();
  const { engine } = place;

  test("the user's files are the container user's, both ways", async () => {
    const host = join(engine.sandbox.home, "kept");
    mkdirSync(host);
    writeFileSync(join(host, "mine"), "mine\n", { mode: 0o600 });
    const options = ["--userns=keep-id:uid=1000,gid=1000", "-u", "1000", "-v", `${host}:/x`];
    expect(
      await sh(
        place,
        place.tiny,
        options,
        "id -u; cat /x/mine; echo more >>/x/mine; echo new >/x/new; stat -c %u /x/new",
      ),
    ).toBe("1000\nmine\n1000");
    expect(readFileSync(join(host, "mine"), "utf8")).toBe("mine\nmore\n");
    expect(statSync(join(host, "new")).uid).toBe(process.getuid?.() ?? -1);
    expect(readdirSync(host).sort()).toEqual(["mine", "new"]);
  });

  test("a volume is filled with the image's owners", async () => {
    const look = "stat -c '%n %u:%g' /data /data/file";
    const options = ["--userns=keep-id:uid=1000,gid=1000", "-u", "1000", "-v", "kept:/data"];
    expect(await sh(place, place.full, options, look)).toBe("/data 1000:1000\n/data/file 1000:2000");
    await engine.ok(["volume", "rm", "kept"]);
  });

  test("nothing is left of all these", () => removeAll(place));
});
