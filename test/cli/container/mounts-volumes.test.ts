/** Named and anonymous volumes in containers: what fills them, who has them, when they go. */
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing, processesOf, waitUntil } from "../../harness";
import { isStored, sh, useVolumes, volumes, volumesDirectory } from "../volume/_volumes";
import { removeAll, SLEEP, supervisorOf } from "./_shell";

describe.skipIf(missing !== null)("-v NAME:TARGET", () => {
  const place = useVolumes();
  const { engine } = place;
  const inspect = async (name: string, template: string) => engine.ok(["inspect", "-f", template, name]);
  const clear = async () => {
    const ids = (await engine.ok(["ps", "-aq"])).split("\n").filter(Boolean);
    if (ids.length > 0) await engine.ok(["rm", "-f", "-v", ...ids]);
    await engine.ok(["volume", "prune", "-af"]);
    expect(await volumes(place)).toEqual([]);
  };

  test("an empty volume gets what the image has there, once, with owners, modes, links and the directory's own", async () => {
    const look = "cd /data; find . | sort | xargs stat -c '%n %u:%g %a'; cat closed/inner; readlink link";
    const first = await sh(place, place.full, ["-v", "v:/data"], look);
    expect(first).toBe(await sh(place, place.full, [], look));
    expect(first).toContain(". 1000:1000 750");
    await sh(place, place.full, ["-v", "v:/data"], "rm /data/file");
    expect(await sh(place, place.full, ["-v", "v:/data"], "ls /data")).toBe("closed\nlink");
    // the image's own is still there
    expect(await sh(place, place.full, [], "cat /data/file")).toBe("from the image");
    await clear();
  });

  test("a volume that has something keeps it; nocopy keeps an empty one empty; a subpath is not filled", async () => {
    await sh(place, place.tiny, ["-v", "v:/x"], "echo mine >/x/mine");
    expect(await sh(place, place.full, ["-v", "v:/data"], "ls -A /data")).toBe("mine");
    expect(await sh(place, place.full, ["-v", "n:/data:nocopy"], "ls -A /data; stat -c %u /data")).toBe("0");
    const mount = ["--mount", "src=m,dst=/data,volume-nocopy"];
    expect(await sh(place, place.full, mount, "ls -A /data")).toBe("");
    expect(await sh(place, place.full, ["--mount", "src=m,dst=/data"], "ls /data")).toBe(
      "closed\nfile\nlink",
    );
    await clear();
  });

  test("what a container has emptied stays empty when it starts again", async () => {
    const script = "if test -e /data/file; then rm -rf /data/* && echo first; else ls -A /data; fi";
    await engine.ok(["create", "--name", "again", "-v", "v:/data", place.full, "sh", "-c", script]);
    expect(await engine.ok(["start", "-a", "again"])).toBe("first");
    expect(await engine.ok(["start", "-a", "again"])).toBe("");
    await clear();
  });

  test("a file of the image is no content for a volume at its parent's link, and links are followed inside", async () => {
    await engine.ok(["run", "--name", "linked", place.full, "true"]);
    expect(
      await sh(place, place.full, ["-v", "v:/data/link/x"], "true").catch((error: Error) => error.message),
    ).toContain("not a directory");
    await clear();
  });

  test("anonymous volumes: of -v and of the image; rm -v and --rm take them, rm leaves them", async () => {
    const id = await engine.ok(["run", "-d", "--name", "aa", "-v", "/anon", place.full, ...SLEEP]);
    const mounts = JSON.parse(await inspect("aa", "{{json .Mounts}}"));
    expect(mounts.map(({ Destination }: { Destination: string }) => Destination)).toEqual(
      ["/own", "/anon"].sort().reverse(),
    );
    for (const mount of mounts) {
      expect(mount).toMatchObject({ Type: "volume", Driver: "local", Mode: "", RW: true, Propagation: "" });
      expect(mount.Source).toBe(join(volumesDirectory(place), mount.Name, "_data"));
      expect(await engine.ok(["volume", "inspect", "-f", "{{.Anonymous}}", mount.Name])).toBe("true");
    }
    expect(JSON.parse(await inspect("aa", "{{json .Config.Volumes}}"))).toEqual({ "/anon": {}, "/own": {} });
    expect(await engine.ok(["exec", "aa", "cat", "/own/file"])).toBe("own");
    expect(
      await engine.ok([
        "ps",
        "--no-trunc",
        "--format",
        "{{.LocalVolumes}}",
        "--filter",
        `volume=${mounts[0].Name}`,
      ]),
    ).toBe("2");
    expect(await engine.ok(["ps", "-q", "--no-trunc", "--filter", "volume=/anon"])).toBe(id);
    await engine.ok(["rm", "-f", "aa"]);
    expect((await volumes(place)).length).toBe(2);
    await engine.ok(["volume", "prune", "-f"]);

    await engine.ok(["run", "--name", "bb", "-v", "/anon", "-v", "named:/n", place.full, "true"]);
    await engine.ok(["rm", "-v", "bb"]);
    expect(await volumes(place)).toEqual(["named"]);

    await engine.ok(["run", "--rm", "-v", "/anon", "-v", "named:/n", place.full, "true"]);
    expect(await volumes(place)).toEqual(["named"]);
    expect(readdirSync(volumesDirectory(place)).sort()).toEqual([".lock", "named"]);
    await clear();
  });

  test("an anonymous volume that another container has outlives the first", async () => {
    await engine.ok(["run", "-d", "--name", "first", "-v", "/anon", place.tiny, ...SLEEP]);
    await engine.ok(["run", "-d", "--name", "second", "--volumes-from", "first", place.tiny, ...SLEEP]);
    await engine.ok(["rm", "-f", "-v", "first"]);
    expect((await volumes(place)).length).toBe(1);
    expect(await engine.ok(["exec", "second", "sh", "-c", "echo x >/anon/x; cat /anon/x"])).toBe("x");
    await engine.ok(["rm", "-f", "-v", "second"]);
    expect(await volumes(place)).toEqual([]);
  });

  test("--image-volume: tmpfs and ignore", async () => {
    const look = "grep -c ' /own ' /proc/self/mounts; ls /own";
    expect(await sh(place, place.full, ["--image-volume", "ignore"], look)).toBe("0\nfile");
    expect(
      await sh(
        place,
        place.full,
        ["--image-volume", "tmpfs"],
        "grep ' /own ' /proc/self/mounts | cut -d' ' -f1",
      ),
    ).toBe("tmpfs");
    expect(await sh(place, place.full, ["--image-volume", "bind"], look)).toBe("1\nfile");
    expect(await volumes(place)).toEqual([]);
  });

  test("--volumes-from takes volumes and binds, ro where it says so, and gives way to what is asked for", async () => {
    const host = join(engine.sandbox.home, "host");
    mkdirSync(host, { recursive: true });
    await engine.ok([
      "create",
      "--name",
      "source",
      "-v",
      "v:/v",
      "-v",
      `${host}:/h:ro`,
      "--tmpfs",
      "/t",
      place.tiny,
    ]);
    const look = "for d in /v /h; do touch $d/x 2>/dev/null && echo $d; done; test -e /t && echo tmpfs";
    expect(await sh(place, place.tiny, ["--volumes-from", "source"], `${look}; true`)).toBe("/v");
    expect(await sh(place, place.tiny, ["--volumes-from", "source:ro"], `${look}; true`)).toBe("");
    expect(await sh(place, place.tiny, ["--volumes-from", "source", "--tmpfs", "/v"], "ls -A /v")).toBe("");
    const wrong = await engine.proa(["run", "--rm", "--volumes-from", "nosuch", place.tiny]);
    expect(wrong.stderr).toContain("nosuch");
    expect(wrong.exitCode).toBe(125);
    expect((await engine.proa(["run", "--volumes-from", "source:fly", place.tiny])).exitCode).toBe(125);
    await clear();
  });

  test("a subpath is a part of the volume, and its links do not lead out of it", async () => {
    const script =
      "mkdir -p /v/a/b && echo in >/v/a/b/f && ln -s /etc /v/out && ln -s ../../../../etc /v/up && ln -s /a/b /v/in";
    await sh(place, place.tiny, ["-v", "v:/v"], script);
    const at = (subpath: string, what: string) =>
      engine.proa([
        "run",
        "--rm",
        "--mount",
        `src=v,dst=/m,volume-subpath=${subpath}`,
        place.tiny,
        "sh",
        "-c",
        what,
      ]);
    expect((await at("a/b", "cat /m/f")).stdout).toBe("in\n");
    expect((await at("a/b/f", "cat /m")).stdout).toBe("in\n");
    expect((await at("in", "cat /m/f")).stdout).toBe("in\n");
    for (const subpath of ["out", "up", "nosuch", "out/passwd", "up/passwd"]) {
      const result = await at(subpath, "cat /m/passwd /m");
      expect(result.stderr).toContain(`(subpath "${subpath}")`);
      expect(result.exitCode).toBe(125);
    }
    await clear();
  });

  test("HostConfig has what was asked for, Mounts what came of it", async () => {
    await engine.ok(["create", "--name", "shown", "-v", "v:/v:ro", "--mount", "src=w,dst=/w,ro", place.tiny]);
    expect(JSON.parse(await inspect("shown", "{{json .HostConfig.Binds}}"))).toEqual(["v:/v:ro"]);
    expect(JSON.parse(await inspect("shown", "{{json .HostConfig.Mounts}}"))).toMatchObject([
      { Type: "volume", Source: "w", Target: "/w", ReadOnly: true },
    ]);
    expect(JSON.parse(await inspect("shown", "{{json .Mounts}}"))).toMatchObject([
      { Type: "volume", Name: "v", Destination: "/v", Mode: "ro", RW: false },
      { Type: "volume", Name: "w", Destination: "/w", Mode: "z", RW: false },
    ]);
    expect(Object.keys(JSON.parse(await inspect("shown", "{{json .Config}}")))).not.toContain("MountPoints");
    await clear();
  });

  test.each([
    [["-v", "v:/x", "-v", "w:/x"], "several mounts have this target"],
    [["-v", "v:/x", "--tmpfs", "/x/"], "several mounts have this target"],
    [["-v", "v:/x", "--mount", "dst=/x"], "several mounts have this target"],
    [["-v", "v:/"], "the root itself"],
    [["-v", "v:x"], "absolute target"],
    [["-v", "a/b:/x"], "volume: a/b: "],
    [["-v", "/a:/x:nocopy"], "nocopy is of volumes"],
    [["-v", "v:/x:ro,rw"], '"ro" and "rw"'],
    [["--volume-driver", "rexray", "-v", "v:/x"], "proa has the driver local"],
    [["--mount", "type=npipe,src=a,dst=/x"], "Windows"],
    [["--mount", "type=image,src=nosuch,dst=/x"], "No such image: nosuch"],
    [["--mount", "type=bind,src=/no/such,dst=/x"], "bind source path does not exist"],
  ])("%j is refused, and makes nothing", async (options, why) => {
    const result = await engine.proa(["run", ...options, place.tiny, "true"]);
    expect(result.stderr).toContain(why);
    expect(result.exitCode).toBe(125);
    expect(await volumes(place)).toEqual([]);
    expect(await engine.ok(["ps", "-aq"])).toBe("");
  });

  test("two runs at once make one volume and fill it once", async () => {
    const names = Array.from({ length: 8 }, (_, at) => `r${at}`);
    const run = (name: string) =>
      engine.ok([
        "run",
        "--name",
        name,
        "-v",
        "raced:/data",
        place.full,
        "sh",
        "-c",
        `ls /data; touch /data/${name}`,
      ]);
    const seen = await Promise.all(names.map(run));
    for (const text of seen) expect(text).toContain("closed\nfile\nlink");
    expect(await volumes(place)).toContain("raced");
    const all = await sh(place, place.tiny, ["-v", "raced:/x"], "ls /x");
    expect(
      all
        .split("\n")
        .filter((name) => name.startsWith("r"))
        .sort(),
    ).toEqual(names);
    await clear();
  });

  test("a volume that is removed while containers are created is there for them, or in use", async () => {
    await engine.ok(["volume", "create", "contested"]);
    const creating = Array.from({ length: 6 }, (_, at) =>
      engine.proa([
        "run",
        "--rm",
        "-v",
        "contested:/x",
        place.tiny,
        "sh",
        "-c",
        `echo ${at} >/x/${at} && cat /x/${at}`,
      ]),
    );
    const removing = Array.from({ length: 6 }, () => engine.proa(["volume", "rm", "-f", "contested"]));
    for (const [at, result] of (await Promise.all(creating)).entries()) expect(result.stdout).toBe(`${at}\n`);
    for (const result of await Promise.all(removing))
      if (result.exitCode !== 0) expect(result.stderr).toContain("in use");
    await clear();
    expect(readdirSync(volumesDirectory(place))).toEqual([".lock"]);
  });

  test("whoever is killed while a volume is filled leaves no half of it to the next", async () => {
    const big = "/data/closed";
    await engine.ok(["volume", "create", "half"]);
    // a copy that was being made, and one that was complete but not moved yet, as a kill leaves them
    mkdirSync(join(volumesDirectory(place), "half/copy.tmp"));
    writeFileSync(join(volumesDirectory(place), "half/copy.tmp/part"), "half");
    expect(await sh(place, place.full, ["-v", "half:/data"], `ls -A /data ${big}`)).toBe(
      "/data:\nclosed\nfile\nlink\n\n/data/closed:\ninner",
    );
    expect(readdirSync(join(volumesDirectory(place), "half"))).toEqual(["_data"]);
    await engine.ok(["volume", "create", "moved"]);
    mkdirSync(join(volumesDirectory(place), "moved/copy"));
    for (const name of ["one", "two"]) writeFileSync(join(volumesDirectory(place), "moved/copy", name), name);
    writeFileSync(join(volumesDirectory(place), "moved/_data/one"), "one");
    expect(await sh(place, place.full, ["-v", "moved:/data"], "ls -A /data; cat /data/*")).toBe(
      "one\ntwo\nonetwo",
    );
    expect(readdirSync(join(volumesDirectory(place), "moved"))).toEqual(["_data"]);
    await clear();
  });

  test("kill -9 at any moment of a first use: the next one sees all or begins anew", async () => {
    for (let at = 0; at < 12; at++) {
      const name = `k${at}`;
      const child = engine.start(["run", "--name", name, "-v", "killed:/data", place.full, "sleep", "1000"]);
      await Bun.sleep(5 + at * 8);
      // again, where a busy machine had not begun it yet, or it made another process meanwhile
      while (child.exitCode === null && child.signalCode === null) {
        for (const { pid } of processesOf(engine.sandbox)) {
          try {
            process.kill(pid, "SIGKILL");
          } catch {
            // it has ended
          }
        }
        await Promise.race([child.exited, Bun.sleep(20)]);
      }
      const seen = await sh(place, place.full, ["-v", "killed:/data"], "ls /data /data/closed");
      expect(seen).toBe("/data:\nclosed\nfile\nlink\n\n/data/closed:\ninner");
      await clear();
    }
    await waitUntil(() => processesOf(engine.sandbox).length === 0);
    await engine.ok(["run", "--rm", place.tiny, "true"]); // the next writer clears what they were about to make
    expect(readdirSync(volumesDirectory(place))).toEqual([".lock"]);
  });

  test("an anonymous volume of --rm goes, too, when the supervisor is killed", async () => {
    const id = await engine.ok(["run", "-d", "--rm", "-v", "/anon", place.full, ...SLEEP]);
    expect((await volumes(place)).length).toBe(2);
    process.kill(supervisorOf(place, id), "SIGKILL");
    await waitUntil(() => processesOf(engine.sandbox).length === 0);
    expect(await volumes(place)).toEqual([]);
    expect(readdirSync(volumesDirectory(place))).toEqual([".lock"]);
    expect(await engine.ok(["ps", "-aq"])).toBe("");
  });

  test("a life that the restart policy begins fills nothing again, and an overlay is empty once more", async () => {
    const script =
      "if test -e /data/file; then echo full; rm -rf /data/file; else echo without; fi; test -e /o/new && echo old; touch /o/new; exit 1";
    const options = ["-v", "re:/data", "-v", `${engine.sandbox.home}:/o:O`, "--restart", "on-failure:1"];
    await engine.ok(["run", "-d", "--name", "twice", ...options, place.full, "sh", "-c", script]);
    const isThrough = async () =>
      (await inspect("twice", "{{.RestartCount}} {{.State.Status}}")) === "1 exited";
    await waitUntil(isThrough, { what: "the end of its second life" });
    expect(await engine.ok(["logs", "twice"])).toBe("full\nwithout");
    await clear();
  });

  test("a volume whose directory somebody has removed is named", async () => {
    await engine.ok(["create", "--name", "lost", "-v", "lost:/x", place.tiny, "true"]);
    const { rmSync } = await import("node:fs");
    rmSync(join(volumesDirectory(place), "lost"), { recursive: true });
    const result = await engine.proa(["start", "-a", "lost"]);
    expect(result.stderr).toContain("volumes/lost");
    expect(result.exitCode).not.toBe(0);
    expect(isStored(place, "lost")).toBe(false);
    await engine.ok(["rm", "lost"]);
    expect(await engine.ok(["volume", "reload"])).toBe("Removed:\nlost");
    expect(existsSync(join(volumesDirectory(place), "lost"))).toBe(false);
  });

  test("nothing is left of all these", () => removeAll(place));
});
