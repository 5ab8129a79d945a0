/** `proa volume`: create, ls, inspect, rm, prune, exists, export, import, reload. */
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing } from "../../harness";
import { isStored, sh, useVolumes, volumes, volumesDirectory } from "./_volumes";

describe.skipIf(missing !== null)("volume", () => {
  const place = useVolumes();
  const { engine } = place;
  const refused = async (args: string[], words: string, status = 1): Promise<void> => {
    const result = await engine.proa(args);
    expect(result.stderr).toContain(words);
    expect(result.stdout).toBe("");
    expect(result.exitCode).toBe(status);
  };

  describe("create", () => {
    test.each([["a/b"], [".a"], ["a b"], ["-a"]])("refuses the name %p", (name) =>
      refused(["volume", "create", "--", name], "volume: "),
    );

    test("refuses other drivers, root's file systems and unknown options, and makes nothing", async () => {
      await refused(["volume", "create", "-d", "rexray", "x"], "proa has the driver local");
      await refused(
        ["volume", "create", "-o", "type=nfs", "-o", "device=:/x", "x"],
        "needs root on the host",
      );
      await refused(["volume", "create", "-o", "fly=1", "x"], "unknown");
      await refused(["volume", "create", "-o", "size=1g", "x"], "project quota");
      expect(await volumes(place)).toEqual([]);
    });

    test("prints the name; once more it is the same volume", async () => {
      expect(await engine.ok(["volume", "create", "--label", "a=b", "again"])).toBe("again");
      expect(await engine.ok(["volume", "create", "again"])).toBe("again");
      expect(await engine.ok(["volume", "create", "--label", "a=b", "again"])).toBe("again");
      await refused(["volume", "create", "--label", "a=c", "again"], "with other options, labels or owner");
      expect(await engine.ok(["volume", "create", "--ignore", "--label", "a=c", "again"])).toBe("again");
      expect(await engine.ok(["volume", "inspect", "-f", "{{json .Labels}}", "again"])).toBe('{"a":"b"}');
      await engine.ok(["volume", "rm", "again"]);
    });

    test("without a name it is anonymous, and its label says so", async () => {
      const name = await engine.ok(["volume", "create"]);
      expect(name).toMatch(/^[0-9a-f]{64}$/);
      expect(await engine.ok(["volume", "inspect", "-f", "{{json .Labels}} {{.Anonymous}}", name])).toBe(
        '{"com.docker.volume.anonymous":""} true',
      );
      expect(await engine.ok(["volume", "rm", name.slice(0, 12)])).toBe(name.slice(0, 12));
      expect(await volumes(place)).toEqual([]);
    });

    test("--uid and --gid own the volume, and the image's content does not change that", async () => {
      await engine.ok(["volume", "create", "--uid", "7", "--gid", "8", "owned"]);
      const look = "stat -c '%u:%g %a' /data; stat -c %u:%g /data/file";
      expect(await sh(place, place.full, ["-v", "owned:/data"], look)).toBe("7:8 750\n1000:2000");
      await engine.ok(["volume", "create", "-o", "o=uid=9,gid=10", "owned2"]);
      expect(await sh(place, place.tiny, ["-v", "owned2:/x"], "stat -c %u:%g /x")).toBe("9:10");
      await refused(["volume", "create", "--uid", "4000000000", "x"], "not one of the ids");
      await engine.ok(["volume", "rm", "owned", "owned2"]);
    });

    test("a tmpfs has its size and mode, and is each container's own", async () => {
      await engine.ok([
        "volume",
        "create",
        "-o",
        "type=tmpfs",
        "-o",
        "device=tmpfs",
        "-o",
        "o=size=1m,mode=711",
        "mem",
      ]);
      const script = "df -k /m | awk 'END {print $2}'; stat -c %a /m; ls -A /m; echo x >/m/x";
      expect(await sh(place, place.tiny, ["-v", "mem:/m"], script)).toBe("1024\n711");
      expect(await sh(place, place.tiny, ["-v", "mem:/m"], script)).toBe("1024\n711");
      expect(await sh(place, place.full, ["-v", "mem:/data"], "cat /data/file; stat -c %a /data")).toBe(
        "from the image\n711",
      );
      await refused(["volume", "export", "mem", "-o", "x.tar"], "it is in memory");
      await engine.ok(["volume", "rm", "mem"]);
    });

    test("a directory of the host is bound, and stays when the volume goes", async () => {
      const host = join(engine.sandbox.home, "bound");
      mkdirSync(host);
      await engine.ok([
        "volume",
        "create",
        "-o",
        "type=none",
        "-o",
        "o=bind",
        "-o",
        `device=${host}`,
        "bound",
      ]);
      await sh(place, place.tiny, ["-v", "bound:/b"], "echo hi >/b/f");
      expect(readFileSync(join(host, "f"), "utf8")).toBe("hi\n");
      await engine.ok(["volume", "rm", "bound"]);
      expect(readdirSync(host)).toEqual(["f"]);
      // an empty directory is filled as any volume, and keeps its own owner
      rmSync(join(host, "f"));
      await engine.ok(["volume", "create", "-o", "o=bind", "-o", `device=${host}`, "filled"]);
      mkdirSync(join(host, ".proa-copy.tmp/part"), { recursive: true }); // of one that was killed
      expect(
        await sh(place, place.full, ["-v", "filled:/data"], "stat -c %u:%g /data /data/file; ls -A /data"),
      ).toBe("0:0\n1000:2000\nclosed\nfile\nlink");
      await sh(place, place.tiny, ["-v", "filled:/x"], "rm -rf /x/*; echo hi >/x/f");
      await engine.ok(["volume", "rm", "filled"]);
      await engine.ok(["volume", "create", "-o", "o=bind,ro", "-o", `device=${host}`, "bound"]);
      expect(
        await sh(place, place.tiny, ["-v", "bound:/b"], "cat /b/f; touch /b/x 2>/dev/null || echo ro"),
      ).toBe("hi\nro");
      rmSync(host, { recursive: true });
      await refused(
        ["run", "--rm", "-v", "bound:/b", place.tiny, "true"],
        "bind source path does not exist",
        125,
      );
      await engine.ok(["volume", "rm", "bound"]);
    });
  });

  describe("ls and inspect", () => {
    test("docker's columns, fields and filters", async () => {
      await engine.ok(["volume", "create", "--label", "k=v", "one"]);
      await engine.ok(["volume", "create", "two"]);
      await engine.ok(["create", "--name", "holder", "-v", "two:/x", place.tiny]);
      expect(await engine.ok(["volume", "ls"])).toBe("DRIVER    VOLUME NAME\nlocal     one\nlocal     two");
      expect(await engine.ok(["volume", "ls", "-n"])).toBe("local     one\nlocal     two");
      expect(await engine.ok(["volume", "ls", "-n", "--format", "{{.Name}}"])).toBe("one\ntwo");
      const row = JSON.parse(await engine.ok(["volume", "ls", "--format", "json", "--filter", "name=one"]));
      expect(row).toMatchObject({
        Availability: "N/A",
        Driver: "local",
        Group: "N/A",
        Labels: "k=v",
        Links: "N/A",
        Mountpoint: join(volumesDirectory(place), "one/_data"),
        Name: "one",
        Scope: "local",
        Size: "N/A",
        Status: "N/A",
      });
      const filtered = async (filter: string) =>
        (await engine.ok(["volume", "ls", "-q", "--filter", filter])).split("\n").filter(Boolean);
      expect(await filtered("dangling=true")).toEqual(["one"]);
      expect(await filtered("dangling=false")).toEqual(["two"]);
      expect(await filtered("label=k")).toEqual(["one"]);
      expect(await filtered("label=k=w")).toEqual([]);
      expect(await filtered("driver=local")).toEqual(["one", "two"]);
      expect(await filtered("name=t.o")).toEqual(["two"]);
      expect(await filtered("since=one")).toEqual(["two"]); // made a whole command later
      expect(await filtered("after=two")).toEqual([]);
      await refused(["volume", "ls", "--filter", "since=nope"], "filter: nope: no such volume");
      expect(await engine.ok(["volume", "ls", "--format", "{{.Name}} {{.UID}} {{.MountCount}}"])).toBe(
        "one 0 0\ntwo 0 1",
      );
      expect(await engine.ok(["volume", "ls", "--format", '{{.Name}} {{.Label "k"}}'])).toBe("one v\ntwo ");
      await refused(["volume", "ls", "--filter", "colour=red"], "invalid filter", 125);
    });

    test("inspect prints docker's document, several, and tells of those that are not there", async () => {
      const [one] = JSON.parse(await engine.ok(["volume", "inspect", "one"]));
      expect(one).toMatchObject({
        Driver: "local",
        Labels: { k: "v" },
        Mountpoint: join(volumesDirectory(place), "one/_data"),
        Name: "one",
        Options: null,
        Scope: "local",
      });
      expect(one.CreatedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      expect(existsSync(one.Mountpoint)).toBe(true);
      expect(await engine.ok(["volume", "inspect", "-f", "{{.Name}}:{{.MountCount}}", "one", "two"])).toBe(
        "one:0\ntwo:1",
      );
      const result = await engine.proa(["volume", "inspect", "nosuch", "one"]);
      expect(JSON.parse(result.stdout)).toHaveLength(1);
      expect(result.stderr).toContain("nosuch: no such volume");
      expect(result.exitCode).toBe(1);
      expect(await engine.ok(["volume", "inspect", "-a", "-f", "{{.Name}}"])).toBe("one\ntwo");
    });

    test("exists tells by its status", async () => {
      expect((await engine.proa(["volume", "exists", "one"])).exitCode).toBe(0);
      expect((await engine.proa(["volume", "exists", "on"])).exitCode).toBe(1);
    });
  });

  describe("rm and prune", () => {
    test("a volume that a container has stays, and the container's id is named; the others go", async () => {
      const id = await engine.ok(["inspect", "-f", "{{.Id}}", "holder"]);
      const result = await engine.proa(["volume", "rm", "two", "one", "three"]);
      expect(result.stdout).toBe("one\n");
      expect(result.stderr).toContain(`two: volume is in use - [${id}]`);
      expect(result.stderr).toContain("three: no such volume");
      expect(result.exitCode).toBe(1);
      expect(isStored(place, "one")).toBe(false);
      await refused(["volume", "rm", "-f", "two"], "volume is in use");
      expect(await engine.ok(["volume", "rm", "--force", "three"])).toBe("three");
      await engine.ok(["rm", "holder"]);
      await engine.ok(["volume", "rm", "two"]);
      expect(await volumes(place)).toEqual([]);
    });

    test("a part of a name removes nothing that has one", async () => {
      await engine.ok(["volume", "create", "abcdef"]);
      await refused(["volume", "rm", "abc"], "no such volume");
      await engine.ok(["volume", "rm", "abcdef"]);
    });

    test("files of mapped ids and directories that are closed go as well", async () => {
      await sh(
        place,
        place.full,
        ["-v", "deep:/data"],
        "mkdir -p /data/x/y && chown -R 1234 /data && chmod 0 /data/x",
      );
      await engine.ok(["volume", "rm", "deep"]);
      expect(readdirSync(volumesDirectory(place)).filter((name) => name !== ".lock")).toEqual([]);
    });

    test("prune asks, takes anonymous ones alone, and tells names and bytes", async () => {
      await engine.ok(["volume", "create", "named"]);
      const anonymous = await engine.ok(["volume", "create"]);
      await sh(place, place.tiny, ["-v", `${anonymous}:/x`], "head -c 2000 /dev/zero >/x/f");
      const no = await engine.proa(["volume", "prune"], { stdin: "n\n" });
      expect(no.stderr).toContain(
        "WARNING! This will remove anonymous local volumes not used by at least one container.",
      );
      expect(no.exitCode).toBe(1);
      expect(await engine.ok(["volume", "prune"], { stdin: "y\n" })).toBe(
        `Deleted Volumes:\n${anonymous}\n\nTotal reclaimed space: 2kB`,
      );
      expect(await engine.ok(["volume", "prune", "-f"])).toBe("Total reclaimed space: 0B");
      await engine.ok(["volume", "create", "--label", "keep", "kept"]);
      expect(await engine.ok(["volume", "prune", "-a", "-f", "--filter", "label!=keep"])).toBe(
        "Deleted Volumes:\nnamed\n\nTotal reclaimed space: 0B",
      );
      expect(await engine.ok(["volume", "prune", "-a", "-f", "--filter", "since=kept"])).toBe(
        "Total reclaimed space: 0B",
      );
      expect(await engine.ok(["volume", "prune", "-f", "--filter", "all=true"])).toContain("kept");
      expect(await volumes(place)).toEqual([]);
    });
  });

  describe("export and import", () => {
    test("a round trip keeps owners, modes, links and what is closed to the user", async () => {
      await sh(place, place.full, ["-v", "source:/data"], "ln /data/file /data/hard");
      const file = join(engine.sandbox.home, "v.tar");
      expect(await engine.ok(["volume", "export", "source", "-o", file])).toBe("");
      await engine.ok(["volume", "create", "copy"]);
      expect(await engine.ok(["volume", "import", "copy", file])).toBe("");
      const look =
        "cd /x; find . | sort | xargs stat -c '%n %u:%g %a %h %s'; cat closed/inner; readlink link";
      const seen = await sh(place, place.tiny, ["-v", "copy:/x"], look);
      expect(seen).toBe(await sh(place, place.tiny, ["-v", "source:/x"], look));
      expect(seen).toContain("./file 1000:2000 640 2");
      expect(seen).toContain(". 1000:1000 750");
    });

    test("through a pipe, compressed, and from stdin without a name", async () => {
      const tar = await engine.proa(["volume", "export", "source"]);
      expect(tar.exitCode).toBe(0);
      await engine.ok(["volume", "create", "piped"]);
      await engine.ok(["volume", "import", "piped", "-"], {
        stdin: Bun.gzipSync(Buffer.from(tar.bytes.stdout)),
      });
      expect(await sh(place, place.tiny, ["-v", "piped:/x"], "cat /x/file")).toBe("from the image");
    });

    test("a reader of the archive that has gone is no error, as with cp and export", async () => {
      await sh(place, place.tiny, ["-v", "much:/x"], "head -c 5000000 /dev/zero >/x/f");
      const child = engine.start(["volume", "export", "much"]);
      const reader = child.stdout.getReader();
      await reader.read();
      await reader.cancel();
      expect(await new Response(child.stderr).text()).toBe("");
      expect(await child.exited).toBe(0);
    });

    test("an archive cannot write outside of the volume, and a broken one is refused", async () => {
      const { tarOf } = await import("../../harness");
      await engine.ok(["volume", "create", "safe"]);
      const outside = join(engine.sandbox.home, "outside");
      mkdirSync(outside);
      const evil = await tarOf({
        out: { type: "symlink", target: outside },
        "out/x": "escaped",
        "../../y": "escaped",
      });
      await engine.proa(["volume", "import", "safe", "-"], { stdin: evil });
      expect(readdirSync(outside)).toEqual([]);
      expect(existsSync(join(volumesDirectory(place), "y"))).toBe(false);
      const half = await engine.proa(["volume", "import", "safe", "-"], { stdin: evil.slice(0, 700) });
      expect(half.stderr).toStartWith("Error: ");
      expect(half.exitCode).not.toBe(0);
      await refused(["volume", "import", "nosuch", "-"], "no such volume");
      await refused(["volume", "import", "safe", "/no/such.tar"], "no such file");
      await refused(["volume", "export", "safe", "-o", "/no/such/x.tar"], "no such file");
      await engine.ok(["volume", "prune", "-af"]);
    });
  });

  test("reload clears what was left, and forgets what is gone", async () => {
    await engine.ok(["volume", "create", "here"]);
    await engine.ok(["volume", "create", "gone"]);
    rmSync(join(volumesDirectory(place), "gone"), { recursive: true });
    mkdirSync(join(volumesDirectory(place), "stray/_data"), { recursive: true });
    writeFileSync(join(volumesDirectory(place), "stray/_data/f"), "");
    expect(await engine.ok(["volume", "reload"])).toBe("Removed:\ngone");
    expect(readdirSync(volumesDirectory(place)).sort()).toEqual([".lock", "here"]);
    expect(await volumes(place)).toEqual(["here"]);
    await engine.ok(["volume", "rm", "here"]);
  });

  test("prune clears what killed commands have left", async () => {
    mkdirSync(join(volumesDirectory(place), "left/_data"), { recursive: true });
    mkdirSync(join(volumesDirectory(place), ".removed-0123/_data"), { recursive: true });
    mkdirSync(join(volumesDirectory(place), ".new-0123/_data"), { recursive: true });
    await engine.ok(["volume", "create", "stays"]);
    await engine.ok(["volume", "prune", "-f"]);
    expect(readdirSync(volumesDirectory(place)).sort()).toEqual([".lock", "stays"]);
    await engine.ok(["volume", "rm", "stays"]);
  });

  test("a directory that a killed command has left is no volume: one of its name begins empty", async () => {
    mkdirSync(join(volumesDirectory(place), "left/_data"), { recursive: true });
    writeFileSync(join(volumesDirectory(place), "left/_data/secret"), "of another volume");
    expect(await sh(place, place.tiny, ["-v", "left:/x"], "ls -A /x")).toBe("");
    await engine.ok(["volume", "rm", "left"]);
    expect(readdirSync(volumesDirectory(place))).toEqual([".lock"]);
  });

  describe("mount and unmount", () => {
    test("outside of proa unshare they are refused, with the way", async () => {
      await engine.ok(["volume", "create", "seen"]);
      await refused(["volume", "mount", "seen"], "proa unshare proa volume mount seen");
      await refused(["volume", "unmount", "seen"], "proa unshare proa volume unmount seen");
    });

    test("inside, the place is printed, and what is no directory of its own is mounted there", async () => {
      const { proaPath } = await import("../../harness");
      const unshared = (script: string) =>
        engine.ok(["unshare", "sh", "-c", script.replaceAll("proa", proaPath)]);
      const at = join(volumesDirectory(place), "seen/_data");
      expect(await unshared("proa volume mount seen; proa volume unmount seen")).toBe(`${at}\nseen`);
      await engine.ok(["volume", "create", "-o", "type=tmpfs", "-o", "o=size=1m", "memory"]);
      const size =
        "cd $(proa volume mount memory) && df -k . | awk 'END {print $2}'; cd /; proa volume unmount memory";
      expect(await unshared(size)).toBe("1024\nmemory");
      const host = join(engine.sandbox.home, "host");
      mkdirSync(host);
      writeFileSync(join(host, "f"), "");
      await engine.ok([
        "volume",
        "create",
        "-o",
        "type=none",
        "-o",
        "o=bind",
        "-o",
        `device=${host}`,
        "there",
      ]);
      expect(await unshared("ls $(proa volume mount there); proa volume unmount there")).toBe("f\nthere");
      expect(readdirSync(join(volumesDirectory(place), "there/_data"))).toEqual([]);
      await engine.ok(["volume", "prune", "-af"]);
    });
  });

  test("events tell of what happens to volumes", async () => {
    const since = new Date().toISOString();
    await engine.ok(["volume", "create", "told"]);
    await sh(place, place.tiny, ["-v", "told:/x:ro", "-v", "made:/y"], "true");
    await engine.ok(["volume", "rm", "told"]);
    await engine.ok(["volume", "prune", "-af"]);
    const text = await engine.ok([
      "events",
      "--since",
      since,
      "--until",
      "0s",
      "--filter",
      "type=volume",
      "--format",
      "json",
    ]);
    const events = text.split("\n").map((line) => JSON.parse(line));
    const said = events.map(({ Action, Actor }) => `${Action} ${Actor.ID}`);
    expect(said).toEqual([
      "create told",
      "create made",
      "mount told",
      "mount made",
      "unmount told",
      "unmount made",
      "destroy told",
      "destroy made",
      "prune ",
    ]);
    const [mounted] = events.filter(({ Action }) => Action === "mount");
    expect(mounted.Actor.Attributes).toMatchObject({
      destination: "/x",
      driver: "local",
      "read/write": "false",
    });
    expect(mounted.Actor.Attributes.container).toMatch(/^[0-9a-f]{64}$/);
    expect(events.at(-1).Actor.Attributes).toEqual({ driver: "local", reclaimed: "0" });
  });

  test("nothing is left of all these", () => engine.assertNothingLeft());
});
