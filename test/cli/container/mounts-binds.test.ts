/** Options of mounts, and mounts of other kinds: overlays, images, memory, patterns. */
import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { missing } from "../../harness";
import { sh, useVolumes, volumes } from "../volume/_volumes";
import { removeAll } from "./_shell";

describe.skipIf(missing !== null)("mounts", () => {
  const place = useVolumes();
  const { engine } = place;
  let count = 0;
  const directory = (): string => {
    const path = join(engine.sandbox.home, `b${count++}`);
    mkdirSync(path);
    return path;
  };
  const fails = async (options: string[], words: string): Promise<void> => {
    const result = await engine.proa(["run", "--rm", ...options, place.tiny, "true"]);
    expect(result.stderr).toContain(words);
    expect(result.exitCode).toBe(125);
  };

  test("~ is the user's home", async () => {
    writeFileSync(join(engine.sandbox.home, "at-home"), "");
    expect(await sh(place, place.tiny, ["-v", "~:/h:ro"], "ls /h/at-home")).toBe("/h/at-home");
    expect(await sh(place, place.tiny, ["-v", "~/at-home:/f:ro"], "ls /f")).toBe("/f");
  });

  test("a file that lies in another mount is mounted behind it, in whatever order they are asked for", async () => {
    const [outer, inner] = [directory(), directory()];
    writeFileSync(join(inner, "f"), "inner");
    expect(await sh(place, place.tiny, ["-v", `${inner}:/m/in`, "-v", `${outer}:/m`], "cat /m/in/f")).toBe(
      "inner",
    );
    expect(await sh(place, place.tiny, ["--tmpfs", "/etc"], "grep -c localhost /etc/hosts; ls /etc")).toBe(
      "2\nhostname\nhosts\nresolv.conf",
    );
  });

  test("a mount of the user's is in place of a usual one: /etc/hosts, /dev/shm", async () => {
    const host = directory();
    writeFileSync(join(host, "hosts"), "mine");
    expect(await sh(place, place.tiny, ["-v", `${host}/hosts:/etc/hosts`], "cat /etc/hosts")).toBe("mine");
    expect(
      await sh(place, place.tiny, ["--tmpfs", "/dev/shm:size=1m"], "df -k /dev/shm | awk 'END {print $2}'"),
    ).toBe("1024");
    writeFileSync(join(host, "f"), "here");
    expect(await sh(place, place.tiny, ["-v", `${host}:/dev/shm`], "cat /dev/shm/f")).toBe("here");
  });

  test("nosuid, nodev, noexec are set", async () => {
    const host = directory();
    writeFileSync(join(host, "run"), "#!/bin/sh\necho ran\n", { mode: 0o755 });
    const options = ["-v", `${host}:/x:nosuid,nodev,noexec,z`];
    const flags = await sh(
      place,
      place.tiny,
      options,
      "grep ' /x ' /proc/self/mounts | cut -d' ' -f4; /x/run 2>/dev/null || echo refused",
    );
    for (const flag of ["nosuid", "nodev", "noexec"]) expect(flags).toContain(flag);
    expect(flags).toEndWith("refused");
    expect(await sh(place, place.tiny, ["-v", `${host}:/x:exec,suid,dev`], "/x/run")).toBe("ran");
  });

  test.each(["shared", "rshared", "slave", "rslave", "private", "rprivate"])(
    "propagation %s is accepted",
    async (word) => {
      const host = directory();
      expect(await sh(place, place.tiny, ["-v", `${host}:/x:${word}`], "ls -A /x")).toBe("");
      expect(
        await sh(
          place,
          place.tiny,
          ["--mount", `type=bind,src=${host},dst=/x,bind-propagation=${word}`],
          "ls -A /x",
        ),
      ).toBe("");
    },
  );

  test("files are the user's on both sides; the user's own files are written by the container", async () => {
    const host = directory();
    writeFileSync(join(host, "mine"), "before\n", { mode: 0o600 });
    await sh(
      place,
      place.tiny,
      ["-v", `${host}:/x`],
      "echo after >>/x/mine; echo new >/x/new; chmod 600 /x/new",
    );
    expect(readFileSync(join(host, "mine"), "utf8")).toBe("before\nafter\n");
    expect(readFileSync(join(host, "new"), "utf8")).toBe("new\n");
    expect(statSync(join(host, "new")).uid).toBe(process.getuid?.() ?? -1);
  });

  test("where the container's user may not write, a terminal is told of keep-id", async () => {
    const host = directory();
    const { pty } = engine;
    const terminal = pty(["run", "--rm", "-u", "1000", "-v", `${host}:/x`, place.tiny, "true"]);
    await terminal.exited;
    expect(terminal.output).toContain("--userns=keep-id:uid=1000,gid=1000");
    const quiet = await engine.proa(["run", "--rm", "-u", "1000", "-v", `${host}:/x`, place.tiny, "true"]);
    expect(quiet.stderr).toBe("");
  });

  test("U gives the source to the container's user, files and all, and links are not followed", async () => {
    await sh(place, place.tiny, ["-v", "v:/v"], "mkdir -p /v/d && touch /v/d/f && ln -s /etc/passwd /v/link");
    const look = "stat -c '%n %u:%g' /v /v/d /v/d/f /v/link /etc/passwd; touch /v/d/new";
    expect(await sh(place, place.tiny, ["-u", "1000:1000", "-v", "v:/v:U"], look)).toBe(
      "/v 1000:1000\n/v/d 1000:1000\n/v/d/f 1000:1000\n/v/link 1000:1000\n/etc/passwd 0:0",
    );
    const host = directory();
    writeFileSync(join(host, "f"), "");
    expect(
      await sh(
        place,
        place.tiny,
        ["-u", "1000", "--mount", `type=bind,src=${host},dst=/x,U`],
        "stat -c %u /x/f",
      ),
    ).toBe("1000");
    expect(statSync(join(host, "f")).uid).not.toBe(process.getuid?.() ?? -1);
    await engine.ok(["volume", "rm", "v"]);
  });

  test("O: what is written vanishes, and the source stays as it is", async () => {
    const host = directory();
    writeFileSync(join(host, "f"), "source");
    chmodSync(host, 0o751);
    const script = "stat -c %a /x; cat /x/f; echo changed >/x/f; rm -rf /x/gone; touch /x/new; ls /x";
    await engine.ok(["create", "--name", "over", "-v", `${host}:/x:O`, place.tiny, "sh", "-c", script]);
    for (let life = 0; life < 2; life++)
      expect(await engine.ok(["start", "-a", "over"])).toBe("751\nsourcef\nnew");
    expect(readdirSync(host)).toEqual(["f"]);
    expect(readFileSync(join(host, "f"), "utf8")).toBe("source");
    await engine.ok(["rm", "over"]);
    expect(
      await sh(place, place.full, ["-v", "vo:/data:O"], "rm /data/file; touch /data/new; ls /data"),
    ).toBe("closed\nlink\nnew");
    expect(await sh(place, place.full, ["-v", "vo:/data"], "ls /data")).toBe("closed\nfile\nlink");
    await engine.ok(["volume", "rm", "vo"]);
  });

  test("O over the directory that proa's own files are in", async () => {
    expect(
      await sh(
        place,
        place.tiny,
        ["-v", `${engine.sandbox.directory}:/x:O`],
        "touch /x/new && ls /x | grep new",
      ),
    ).toBe("new");
    expect(existsSync(join(engine.sandbox.directory, "new"))).toBe(false);
  });

  test("O with upperdir and workdir keeps what is written there", async () => {
    const [source, upper, work] = [directory(), directory(), directory()];
    const options = ["-v", `${source}:/x:O,upperdir=${upper},workdir=${work}`];
    await sh(place, place.tiny, options, "echo kept >/x/f");
    expect(readFileSync(join(upper, "f"), "utf8")).toBe("kept\n");
    expect(await sh(place, place.tiny, options, "cat /x/f")).toBe("kept");
    expect(readdirSync(source)).toEqual([]);
    await fails(["-v", `${source}:/x:O,upperdir=${upper}`], "upperdir and workdir");
  });

  test("O over a file is refused", async () => {
    const host = directory();
    writeFileSync(join(host, "f"), "");
    await fails(["-v", `${host}/f:/x:O`], "mount overlay");
  });

  test("idmap is refused where the kernel does, with the way out", async () => {
    const host = directory();
    const result = await engine.proa(["run", "--rm", "-v", `${host}:/x:idmap`, place.tiny, "true"]);
    expect(result.stderr).toContain("map ids of mount: /x: ");
    expect(result.stderr).toContain("--userns=keep-id");
    expect(result.exitCode).toBe(125);
    await fails(["-v", `${host}:/x:idmap=uids=0-1-10`], "needs the host's root");
  });

  test("idmap shows the owners on the disk, where the file system is the user's own", async () => {
    const { proaPath } = await import("../../harness");
    const run = `${proaPath} run --rm --network none --uidmap 0:100:1000 --gidmap 0:100:1000 -v $M:/x$O ${place.tiny} sh -c 'stat -c %u:%g /x /x/f && touch /x/new'`;
    const make =
      "M=$(mktemp -d) && mount -t tmpfs none $M && chown 5:6 $M && chmod 777 $M && touch $M/f && chown 7:8 $M/f";
    expect(await engine.ok(["unshare", "sh", "-c", `${make}; O=:idmap; ${run} && stat -c %u $M/new`])).toBe(
      "5:6\n7:8\n0",
    );
    // without it, nobody has these ids in the container
    expect(await engine.ok(["unshare", "sh", "-c", `${make}; ${run} && stat -c %u $M/new`])).toBe(
      "65534:65534\n65534:65534\n100",
    );
  });

  test("bind-recursive=writable leaves what is mounted below writable, disabled takes nothing along", async () => {
    const [outer, inner] = [directory(), directory()];
    mkdirSync(join(outer, "in"));
    const both = ["-v", `${outer}:/o`, "-v", `${inner}:/o/in`];
    // mounts below the source are only made in a mount namespace of one's own
    const within = (options: string) =>
      `mkdir -p /m && mount -t tmpfs x /o/in && mount -o ${options} /o /m && for d in /m /m/in; do touch $d/x 2>/dev/null && echo $d; done; true`;
    expect(await sh(place, place.tiny, ["--cap-add", "SYS_ADMIN", ...both], within("rbind"))).toBe(
      "/m\n/m/in",
    );
    const mount = `type=bind,src=${outer},dst=/x,readonly,bind-recursive=writable`;
    expect(await sh(place, place.tiny, ["--mount", mount], "touch /x/f 2>/dev/null || echo refused")).toBe(
      "refused",
    );
    expect(
      await sh(
        place,
        place.tiny,
        ["--mount", `type=bind,src=${outer},dst=/x,bind-recursive=disabled`],
        "ls /x",
      ),
    ).toContain("in");
  });

  test("--mount type=bind: ro, bind-create-src, and docker's fields in inspect", async () => {
    const host = directory();
    const mount = `type=bind,src=${host}/made,dst=/x,bind-create-src,readonly`;
    expect(await sh(place, place.tiny, ["--mount", mount], "touch /x/f 2>/dev/null || echo refused")).toBe(
      "refused",
    );
    expect(statSync(join(host, "made")).isDirectory()).toBe(true);
    await engine.ok([
      "create",
      "--name",
      "bound",
      "--mount",
      `"type=bind","source=${host}",target=/x`,
      place.tiny,
    ]);
    expect(JSON.parse(await engine.ok(["inspect", "-f", "{{json .Mounts}}", "bound"]))).toEqual([
      { Type: "bind", Source: host, Destination: "/x", Mode: "", RW: true, Propagation: "rprivate" },
    ]);
    await engine.ok(["rm", "bound"]);
  });

  test("type=glob mounts each path that matches", async () => {
    const host = directory();
    for (const name of ["a.txt", "b.txt", "c.md"]) writeFileSync(join(host, name), name);
    expect(
      await sh(place, place.tiny, ["--mount", `type=glob,src=${host}/*.txt,dst=/g`], "cat /g/*; ls /g"),
    ).toBe("a.txtb.txta.txt\nb.txt");
    expect(
      await sh(place, place.tiny, ["--mount", `type=glob,src=${host}/?.md,ro`], `cat ${host}/c.md`),
    ).toBe("c.md");
    await fails(["--mount", `type=glob,src=${host}/*.no,dst=/g`], "no path matches");
  });

  test("type=tmpfs has its size and mode, and is enforced", async () => {
    const full =
      "dd if=/dev/zero of=/t/x bs=64k count=40 2>/dev/null; stat -c %s /t/x; stat -c %a /t; df -k /t | awk 'END {print $2}'";
    expect(
      await sh(place, place.tiny, ["--mount", "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770"], full),
    ).toBe("1048576\n1770\n1024");
    const flags = "grep ' /t ' /proc/self/mounts | cut -d' ' -f4";
    const usual = await sh(place, place.tiny, ["--tmpfs", "/t"], `${flags}; stat -c %a /t`);
    for (const flag of ["nosuid", "nodev", "noexec"]) expect(usual).toContain(flag);
    expect(usual).toEndWith("1777");
    expect(await sh(place, place.tiny, ["--tmpfs", "/t:exec"], flags)).not.toContain("noexec");
    expect(await sh(place, place.tiny, ["--tmpfs", "/t:ro"], "touch /t/x 2>/dev/null || echo refused")).toBe(
      "refused",
    );
    await fails(["--tmpfs", "/t:fly"], 'unknown option "fly"');
    await fails(["--mount", "type=tmpfs,dst=/t,tmpfs-size=much"], "tmpfs-size");
  });

  test("tmpcopyup fills it with what the image has, also where it is read-only", async () => {
    for (const options of ["tmpcopyup", "tmpcopyup,ro"])
      expect(
        await sh(
          place,
          place.full,
          ["--tmpfs", `/data:${options}`],
          "cat /data/file; stat -c %u:%g:%a /data",
        ),
      ).toBe("from the image\n1000:1000:750");
    expect(await sh(place, place.full, ["--tmpfs", "/data"], "ls -A /data")).toBe("");
  });

  test("ramfs and devpts", async () => {
    const type = (at: string) => `grep ' ${at} ' /proc/self/mounts | cut -d' ' -f3`;
    expect(await sh(place, place.tiny, ["--mount", "type=ramfs,dst=/r"], type("/r"))).toBe("ramfs");
    expect(await sh(place, place.tiny, ["--mount", "type=devpts,dst=/dev/pts"], type("/dev/pts"))).toBe(
      "devpts",
    );
  });

  test("--read-only with --read-only-tmpfs: /tmp, /run and /var/tmp can be written", async () => {
    const script =
      "for d in / /etc /tmp /run /var/tmp /dev/shm; do touch $d/x 2>/dev/null && echo $d; done; true";
    expect(await sh(place, place.tiny, ["--read-only"], script)).toBe("/dev/shm");
    expect(await sh(place, place.tiny, ["--read-only", "--read-only-tmpfs"], script)).toBe(
      "/tmp\n/run\n/var/tmp\n/dev/shm",
    );
  });

  describe("type=image", () => {
    test("is seen without a container of it, read-only", async () => {
      const mount = ["--mount", `type=image,src=${place.full},dst=/i`];
      const script =
        "cat /i/data/closed/inner; touch /i/x 2>/dev/null || echo refused; stat -c %u:%a /i/data";
      expect(await sh(place, place.tiny, mount, script)).toBe("inner\nrefused\n1000:750");
      expect(await engine.ok(["ps", "-aq"])).toBe("");
    });

    test("rw: what is written vanishes", async () => {
      const mount = `type=image,src=${place.full},dst=/i,rw=true`;
      await engine.ok([
        "create",
        "--name",
        "im",
        "--mount",
        mount,
        place.tiny,
        "sh",
        "-c",
        "ls -A /i/data; echo x >/i/data/new; rm /i/data/file",
      ]);
      for (let life = 0; life < 2; life++)
        expect(await engine.ok(["start", "-a", "im"])).toBe("closed\nfile\nlink");
      await engine.ok(["rm", "im"]);
      expect(await sh(place, place.full, [], "ls /data")).toBe("closed\nfile\nlink");
    });

    test("a subpath may be a directory or a file, and does not leave the image", async () => {
      const at = (subpath: string) => [
        "--mount",
        `type=image,src=${place.full},dst=/i,image-subpath=${subpath}`,
      ];
      expect(await sh(place, place.tiny, at("data"), "ls /i")).toBe("closed\nfile\nlink");
      expect(await sh(place, place.tiny, at("data/link"), "cat /i")).toBe("from the image");
      await fails(at("data/nosuch"), '(subpath "data/nosuch")');
      await fails(at("../x"), "is not a path within");
    });
  });

  test("a target that is a link of the image to somewhere else is made inside", async () => {
    const root = directory();
    for (const name of ["bin", "proc", "sys", "dev", "etc", "tmp"]) mkdirSync(join(root, name));
    writeFileSync(join(root, "bin/sh"), readFileSync("/bin/busybox"), { mode: 0o755 });
    const outside = directory();
    symlinkSync(outside, join(root, "out"));
    const result = await engine.proa([
      "run",
      "--rm",
      "--rootfs",
      "-v",
      "named:/out/v",
      "-v",
      "/out/w",
      root,
      "sh",
      "-c",
      "echo x >/out/v/f; cat /out/v/f",
    ]);
    expect(result.stdout).toBe("x\n");
    expect(readdirSync(outside)).toEqual([]);
    await engine.ok(["volume", "rm", "named"]);
    expect(await volumes(place)).toEqual([]);
  });

  test("nothing is left of all these", () => removeAll(place));
});
