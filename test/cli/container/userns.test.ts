/** `--userns`, `--uidmap` and `--gidmap`: who is who inside, and who owns what. */
import { afterEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing, useTiny, waitUntil } from "../../harness";
import { detach, inspect, removeAll, run, shell } from "./_shell";

const uid = process.getuid?.() ?? 0;
const gid = process.getgid?.() ?? 0;

/** Lines of an id map with single blanks. */
const map = (text: string): string[] => text.split("\n").map((line) => line.trim().replace(/\s+/g, " "));

describe.skipIf(missing !== null || uid === 0)("--userns", () => {
  const place = useTiny();
  const { engine } = place;

  afterEach(() => removeAll(place));

  const subordinate = (file: string): number => {
    const name = readFileSync("/etc/passwd", "utf8")
      .split("\n")
      .find((line) => line.split(":")[2] === String(uid))
      ?.split(":")[0];
    const line = readFileSync(file, "utf8")
      .split("\n")
      .find((each) => each.startsWith(`${name}:`) || each.startsWith(`${uid}:`));
    return Number(line?.split(":")[1]);
  };

  test("is host by default: the caller is root inside", async () => {
    for (const options of [[], ["--userns", "host"], ["--userns", "private"], ["--userns="]]) {
      const [first] = map(await shell(place, options, "cat /proc/self/uid_map"));
      expect(first).toBe(`0 ${uid} 1`);
    }
  });

  test("keep-id runs as the caller, who is the same inside, with root beside", async () => {
    const text = await shell(place, ["--userns", "keep-id"], "id -u; id -g; cat /proc/self/uid_map");
    const [user, group, ...lines] = map(text);
    expect([user, group]).toEqual([String(uid), String(gid)]);
    const start = subordinate("/etc/subuid");
    expect(lines[0]).toBe(`0 ${start} ${uid}`);
    expect(lines[1]).toBe(`${uid} ${uid} 1`);
    expect(lines[2]).toStartWith(`${uid + 1} ${start + uid} `);
  });

  test("keep-id leaves an image its user; with its number that is the caller", async () => {
    await engine.ok(["run", "--name", "base", place.tiny, "true"]);
    const image = await engine.ok(["commit", "-c", "USER app", "base"]);
    const idIn = async (mode: string): Promise<string> =>
      (
        await engine.proa([
          "run",
          "--rm",
          "--userns",
          mode,
          "-v",
          `${engine.sandbox.home}:/data`,
          image,
          "sh",
          "-c",
          "id -u; stat -c %u /data",
        ])
      ).stdout;
    expect(await idIn("keep-id")).toBe(`1000\n${uid}\n`);
    expect(await idIn("keep-id:uid=1000,gid=1000")).toBe("1000\n1000\n");
    await removeAll(place);
    await engine.ok(["rmi", "-f", image]);
  });

  test("keep-id knows the caller by name, and gives it a home", async () => {
    const name = readFileSync("/etc/passwd", "utf8")
      .split("\n")
      .find((line) => line.split(":")[2] === String(uid))
      ?.split(":")[0];
    expect(await shell(place, ["--userns", "keep-id"], "whoami; echo $HOME; id -gn")).toBe(
      `${name}\n/\n${name}`,
    );
    expect(await shell(place, ["--userns", "keep-id", "-w", "/srv"], "echo $HOME; pwd")).toBe("/srv\n/srv");
  });

  test("keep-id shows the image's files as the image has them, and they can be written to as root", async () => {
    const script =
      "stat -c '%u:%g %a' / /etc /etc/passwd /home/app; cat /etc/hostname >/dev/null; cat /etc/group | head -1";
    expect(await shell(place, ["--userns", "keep-id"], script)).toBe(await shell(place, [], script));
    const root = ["--userns", "keep-id", "-u", "0"];
    expect(
      await shell(
        place,
        root,
        "id -u; echo more >>/etc/motd && tail -1 /etc/motd; touch /new; stat -c %u /new; rm -r /home/app; ls /home",
      ),
    ).toBe("0\nmore\n0");
  });

  test("keep-id: files of a bind mount belong to the caller on both sides", async () => {
    const shared = join(engine.sandbox.home, "shared");
    mkdirSync(shared);
    writeFileSync(join(shared, "mine"), "mine\n");
    chmodSync(shared, 0o700);
    const options = ["--userns", "keep-id", "-v", `${shared}:/data`];
    expect(
      await shell(place, options, "stat -c %u:%g /data/mine; echo theirs >/data/theirs; cat /data/mine"),
    ).toBe(`${uid}:${gid}\nmine`);
    expect(statSync(join(shared, "theirs")).uid).toBe(uid);
    expect(readFileSync(join(shared, "theirs"), "utf8")).toBe("theirs\n");
  });

  test("keep-id:uid=,gid= is another number for the caller", async () => {
    const options = ["--userns", "keep-id:uid=200,gid=210", "-v", `${engine.sandbox.home}:/data`];
    const [ids, first, second] = map(
      await shell(place, options, "echo $(id -u):$(id -g) $(stat -c %u:%g /data); cat /proc/self/uid_map"),
    );
    expect(ids).toBe("200:210 200:210");
    expect([first, second]).toEqual([`0 ${subordinate("/etc/subuid")} 200`, `200 ${uid} 1`]);
  });

  test("keep-id is a second time as quick: the layers of a map are made once, and without data", async () => {
    const layers = join(engine.sandbox.dataHome, "proa", "layers");
    await shell(place, ["--userns", "keep-id"], "true");
    const kinds = (
      await Array.fromAsync(new Bun.Glob("*-ids-*/*").scan({ cwd: layers, onlyFiles: false }))
    ).filter((path) => !path.includes("tmp-"));
    expect(kinds.length).toBeGreaterThan(0);
    await shell(place, ["--userns", "keep-id"], "true");
    const after = (
      await Array.fromAsync(new Bun.Glob("*-ids-*/*").scan({ cwd: layers, onlyFiles: false }))
    ).filter((path) => !path.includes("tmp-"));
    expect(after.toSorted()).toEqual(kinds.toSorted());
  });

  test("keep-id lives through a restart, commands beside it, and its removal", async () => {
    const options = ["--userns", "keep-id", "-u", "0"];
    const id = await detach(place, "kept", ["sh", "-c", "echo life >>/lives; exec sleep 1000"], options);
    expect(await engine.ok(["exec", "kept", "sh", "-c", "id -u; cat /lives; stat -c %u /lives"])).toBe(
      "0\nlife\n0",
    );
    await engine.ok(["restart", "-t", "0", "kept"]);
    expect(await engine.ok(["exec", "kept", "cat", "/lives"])).toBe("life\nlife");
    expect(await engine.ok(["exec", "-u", String(uid), "kept", "id", "-u"])).toBe(String(uid));
    expect(await inspect(place, "kept", "{{.HostConfig.UsernsMode}}")).toBe("keep-id");
    expect(JSON.parse(await inspect(place, "kept", "{{json .HostConfig.IDMappings}}")).UidMap).toEqual([
      `0:1:${uid}`,
      `${uid}:0:1`,
      `${uid + 1}:${uid + 1}:${65_536 - uid}`,
    ]);
    await removeAll(place);
    expect(
      await Array.fromAsync(
        new Bun.Glob(`containers/${id}`).scan({
          cwd: join(engine.sandbox.dataHome, "proa"),
          onlyFiles: false,
        }),
      ),
    ).toEqual([]);
  });

  test("nomap has no place for the caller: what is the caller's is nobody's", async () => {
    const options = ["--userns", "nomap", "-v", `${engine.sandbox.home}:/data`];
    const [ids, line] = map(
      await shell(
        place,
        options,
        "echo $(id -u) $(stat -c %u /data) $(stat -c %u /etc/passwd); cat /proc/self/uid_map",
      ),
    );
    expect(ids).toBe("0 65534 0");
    expect(line).toBe(`0 ${subordinate("/etc/subuid")} 65536`);
    expect(
      await shell(
        place,
        ["--userns", "nomap"],
        "cat /etc/shadow >/dev/null 2>&1; echo x >/root/x && cat /root/x && cat /home/app/.profile 2>/dev/null; echo $?",
      ),
    ).toMatch(/^x\n/);
  });

  test("two containers with auto share no id, and a third one takes what the first gave back", async () => {
    const options = ["--userns", "auto:size=2000"];
    const start = async (name: string): Promise<number> => {
      await detach(place, name, ["sleep", "1000"], options);
      const [line = ""] = map(await engine.ok(["exec", name, "cat", "/proc/self/uid_map"]));
      const [inside, outside, size] = line.split(" ").map(Number);
      expect([inside, size]).toEqual([0, 2000]);
      return outside ?? 0;
    };
    const [one, two] = [await start("auto1"), await start("auto2")];
    expect(Math.abs(one - two)).toBeGreaterThanOrEqual(2000);
    expect(await engine.ok(["exec", "auto1", "sh", "-c", "stat -c %u /etc/passwd; touch /x; id -u"])).toBe(
      "0\n0",
    );
    await engine.ok(["rm", "-f", "auto1"]);
    expect(await start("auto3")).toBe(one);
  });

  test.each(["auto", "nomap"])(
    "%s with --privileged: every capability, over ids of its own only",
    async (mode) => {
      const options = ["--userns", mode, "--privileged"];
      const script =
        "id -u; mount -t tmpfs none /tmp && echo mounted; chown 7 /etc/passwd && stat -c %u /etc/passwd";
      expect(await shell(place, options, script)).toBe("0\nmounted\n7");
    },
  );

  test("auto is large enough for the image's users, and refuses what there is not", async () => {
    const [line = ""] = map(await shell(place, ["--userns", "auto", "-u", "app"], "cat /proc/self/uid_map"));
    expect(Number(line.split(" ")[2])).toBeGreaterThanOrEqual(1024);
    const result = await run(place, ["--userns", "auto:size=70000"], ["true"]);
    expect(result.stderr).toStartWith(
      "Error: take ids for a user namespace: 70000 ids: you have 65536 subordinate ids",
    );
    expect(result.exitCode).toBe(125);
    await detach(place, "most", ["sleep", "1000"], ["--userns", "auto:size=60000"]);
    expect((await run(place, ["--userns", "auto:size=10000"], ["true"])).exitCode).toBe(125);
    expect(await shell(place, ["--userns", "auto:size=3000"], "echo fits")).toBe("fits");
  });

  test("--rm leaves nothing of a container whose ids its caller does not have", async () => {
    const before = await Array.fromAsync(
      new Bun.Glob("containers/*").scan({ cwd: join(engine.sandbox.dataHome, "proa"), onlyFiles: false }),
    );
    await shell(place, ["--userns", "nomap"], "mkdir -m 700 /closed; echo x >/closed/x");
    await shell(place, ["--userns", "auto"], "mkdir -m 700 /closed; echo x >/closed/x");
    expect(
      await Array.fromAsync(
        new Bun.Glob("containers/*").scan({ cwd: join(engine.sandbox.dataHome, "proa"), onlyFiles: false }),
      ),
    ).toEqual(before);
  });

  test("container:NAME joins the user namespace of another, with its map", async () => {
    await detach(place, "donor", ["sleep", "1000"], ["--userns", "keep-id"]);
    const own = await engine.ok(["exec", "donor", "readlink", "/proc/self/ns/user"]);
    expect(
      await shell(
        place,
        ["--userns", "container:donor"],
        "readlink /proc/self/ns/user; stat -c %u /etc/passwd; echo x >/x; stat -c %u /x",
      ),
    ).toBe(`${own}\n0\n0`);
    const missing = await run(place, ["--userns", "container:nobody"], ["true"]);
    expect(missing.stderr).toStartWith("Error: join user namespace of container: nobody: no such container");
  });

  test("--uidmap maps as it says; + changes the usual map; gidmap follows", async () => {
    const start = subordinate("/etc/subuid");
    const lines = async (options: string[], file = "uid_map"): Promise<string[]> =>
      map(await shell(place, options, `cat /proc/self/${file}; stat -c %u /etc/passwd`));
    expect(await lines(["--uidmap", "0:1:1000", "--uidmap", "1000:0:1"])).toEqual([
      `0 ${start} 1000`,
      `1000 ${uid} 1`,
      "0",
    ]);
    expect(await lines(["--uidmap", "0:1:1000"], "gid_map")).toEqual([
      `0 ${subordinate("/etc/subgid")} 1000`,
      "0",
    ]);
    expect(await lines(["--uidmap", `0:@${start}:500`])).toEqual([`0 ${start} 500`, "0"]);
    expect((await lines(["--uidmap", "+5:2000:1"])).slice(0, 3)).toEqual([
      `0 ${uid} 1`,
      `1 ${start} 4`,
      `5 ${start + 1999} 1`,
    ]);
  });

  test.each([
    [["--userns", "bogus"], "--userns: invalid USER mode"],
    [["--userns", "keep-id:size"], '--userns: keep-id:size: option "size" has no value'],
    [["--userns", "keep-id:what=1"], '--userns: keep-id:what=1: unknown option specified: "what=1"'],
    [["--userns", "auto:size=x"], '--userns: auto:size=x: "x" is not a number of ids'],
    [["--uidmap", "1:2:3:4"], "uidmap: 1:2:3:4: expected [+]CONTAINER_ID:[@]FROM_ID[:AMOUNT]"],
    [["--uidmap", "0:0:10", "--uidmap", "5:20:1"], "uidmap: 5:20:1: it overlaps a line before it"],
    [["--uidmap", "0:0:100000"], "--uidmap: 0:0:100000: the id 65537 is not there: this user has 0 to 65536"],
    [["--userns", "keep-id", "--uidmap", "0:0:1"], "--userns: keep-id: it cannot be combined with"],
    [["--subuidname", "nobody"], "subordinate ids: nobody: an ordinary user maps only its own"],
  ])("%p is refused", async (options, message) => {
    const result = await run(place, options, ["true"]);
    expect(result.stderr).toStartWith(`Error: ${message}`);
    expect(result.exitCode).toBe(125);
  });

  test("the layers of a map go with its last container, at the next prune", async () => {
    const layers = join(engine.sandbox.dataHome, "proa", "layers");
    const kinds = async (): Promise<string[]> =>
      (await Array.fromAsync(new Bun.Glob("*-ids-*/*").scan({ cwd: layers, onlyFiles: false }))).filter(
        (path) => !path.includes("/tmp-"),
      );
    const old = (): void => {
      for (const kind of new Set(new Bun.Glob("*-ids-*").scanSync({ cwd: layers, onlyFiles: false })))
        utimesSync(join(layers, kind), 1, 1);
    };
    await detach(place, "kept", ["sleep", "1000"], ["--userns", "keep-id"]);
    await shell(place, ["--userns", "nomap"], "true");
    expect((await kinds()).length).toBeGreaterThanOrEqual(2);
    await engine.ok(["system", "prune", "-f"]);
    expect((await kinds()).length).toBeGreaterThanOrEqual(2); // a start may be under way with them
    old();
    await engine.ok(["system", "prune", "-f"]);
    expect((await kinds()).length).toBe(1);
    expect(await engine.ok(["exec", "kept", "cat", "/etc/group"])).toContain("root:x:0:");
    await removeAll(place);
    old();
    await engine.ok(["system", "prune", "-f"]);
    expect(await kinds()).toEqual([]);
    expect(await shell(place, ["--userns", "keep-id"], "cat /etc/passwd | wc -l")).toBe("4");
  });

  test.each(["keep-id", "nomap", "auto"])(
    "%s: files are copied, compared, committed and exported with the ids that the container has",
    async (mode) => {
      const script = "echo x >/made; chown 5:6 /made; echo more >>/etc/group; exec sleep 1000";
      await detach(place, "kept", ["sh", "-c", script], ["--userns", mode, "-u", "0"]);
      await waitUntil(async () => (await engine.ok(["exec", "kept", "cat", "/etc/group"])).endsWith("more"), {
        what: "the files",
      });
      const listed = async (args: string[]): Promise<string> => {
        const { bytes, stderr } = await engine.proa(args);
        expect(stderr).toBe("");
        const tar = Bun.spawn(["tar", "tvf", "-", "--numeric-owner"], { stdin: bytes.stdout });
        return new Response(tar.stdout).text();
      };
      const owner = async (): Promise<string> =>
        (await listed(["cp", "kept:/made", "-"])).split(/ +/)[1] ?? "";
      expect(await owner()).toBe("5/6");
      expect((await engine.ok(["diff", "kept"])).split("\n")).toEqual(
        expect.arrayContaining(["A /made", "C /etc/group"]),
      );
      await engine.ok(["stop", "-t", "0", "kept"]);
      expect(await owner()).toBe("5/6");
      expect(await listed(["export", "kept"])).toMatch(/ 5\/6 .* made\n/);
      const image = await engine.ok(["commit", "kept"]);
      const result = await engine.proa(["run", "--rm", image, "stat", "-c", "%u:%g", "/made", "/etc/passwd"]);
      expect(result.stdout).toBe("5:6\n0:0\n");
      // and once more on top of it: several layers, one below whose files have their data elsewhere
      await engine.ok([
        "run",
        "--name",
        "next",
        "--userns",
        mode,
        "-u",
        "0",
        image,
        "sh",
        "-c",
        "echo y >>/made; echo z >>/etc/passwd",
      ]);
      expect((await engine.ok(["diff", "next"])).split("\n")).toEqual(
        expect.arrayContaining(["C /made", "C /etc/passwd"]),
      );
      const second = await engine.ok(["commit", "next"]);
      expect(
        (await engine.proa(["run", "--rm", second, "sh", "-c", "cat /made; stat -c %u /made"])).stdout,
      ).toBe("x\ny\n5\n");
      await removeAll(place);
      await engine.ok(["rmi", "-f", second, image]);
    },
  );

  test.each(["keep-id", "nomap", "auto"])(
    "%s: a new volume has the image's content, and can be written to",
    async (mode) => {
      const options = ["--userns", mode, "-u", "0", "-v", `of-${mode}:/home/app`];
      expect(
        await shell(place, options, "stat -c %u:%g /home/app; echo x >/home/app/x && cat /home/app/x"),
      ).toBe("1000:1000\nx");
      await engine.ok(["volume", "rm", `of-${mode}`]);
    },
  );

  test("ns:PATH joins a user namespace that is there", async () => {
    await detach(place, "donor", ["sleep", "1000"], ["--userns", "keep-id"]);
    const pid = await inspect(place, "donor", "{{.State.Pid}}");
    const theirs = await engine.ok(["exec", "donor", "readlink", "/proc/self/ns/user"]);
    const script = "readlink /proc/self/ns/user; stat -c %u /etc/passwd";
    expect(await shell(place, ["--userns", `ns:/proc/${pid}/ns/user`], script)).toBe(`${theirs}\n0`);
  });

  test("the variable PODMAN_USERNS is the default, and no more", async () => {
    const env = { PODMAN_USERNS: "keep-id" };
    expect(await shell(place, [], "id -u", { env })).toBe(String(uid));
    expect(await shell(place, ["--userns", "host"], "id -u", { env })).toBe("0");
    expect(await shell(place, ["--uidmap", "0:1:10"], "id -u", { env })).toBe("0");
  });

  test("--network container:NAME has that container's ids, too", async () => {
    await detach(place, "donor", ["sleep", "1000"], ["--userns", "keep-id"]);
    const script = "id -u; stat -c %u /etc/passwd; touch /x; stat -c %u /x; readlink /proc/self/ns/user";
    const theirs = await engine.ok(["exec", "donor", "readlink", "/proc/self/ns/user"]);
    expect(await shell(place, ["--network", "container:donor"], script)).toBe(`0\n0\n0\n${theirs}`);
  });

  const drivers =
    Bun.which("fuse-overlayfs") !== null && existsSync("/dev/fuse") ? ["fuse-overlayfs", "vfs"] : ["vfs"];
  test.each(drivers)("with the driver %s owners are right, too", async (driver) => {
    const start = (mode: string) =>
      engine.proa([
        "--storage-driver",
        driver,
        "run",
        "--rm",
        "--userns",
        mode,
        "-u",
        "0",
        place.tiny,
        "sh",
        "-c",
        "stat -c %u / /etc/passwd /home/app; touch /x; stat -c %u /x",
      ]);
    const kept = await start("keep-id");
    expect(kept.stdout).toBe("0\n0\n1000\n0\n");
    const nomap = await start("nomap");
    if (driver === "vfs") expect(nomap.stdout).toBe("0\n0\n1000\n0\n");
    else expect(nomap.stderr).toContain("you are not in the container's id map");
  });
});
