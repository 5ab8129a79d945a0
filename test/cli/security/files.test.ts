/**
 * Copying between host and container, and volumes: links, races and programs of the container must not reach the host. CVE-2019-14271 and CVE-2018-15664
 * (docker cp), CVE-2021-41089 (modes changed through a link), CVE-2023-0778 (podman volume export), CVE-2022-23648 (containerd, content copied up into
 * a volume), CVE-2021-25741 and CVE-2024-1753 (a part of a volume or image that is a link), CVE-2024-9407 (options slipped into a mount).
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { tarOf } from "../../harness";
import { removeAll } from "../_network";
import { printed } from "../container/_shell";
import { type Box, executables, missing, startBox, useAttacker } from "./_attack";

const UP = "../".repeat(16);
const SECRET = "the host's";
const ROUNDS = 10;

setDefaultTimeout(180_000); // many containers in a test; a hang is one command's timeout

describe.skipIf(missing !== null)(`files${missing ? ` (${missing})` : ""}`, () => {
  const place = useAttacker();
  const { engine } = place;
  let count = 0;

  /** A directory of the host with a file `own` that nobody may read or change from a container. */
  const victim = () => {
    const path = join(engine.sandbox.home, `victim${count++}`);
    mkdirSync(path, { mode: 0o755 });
    writeFileSync(join(path, "own"), SECRET, { mode: 0o640 });
    const expectUntouched = (): void => {
      expect(readdirSync(path)).toEqual(["own"]);
      expect(readFileSync(join(path, "own"), "utf8")).toBe(SECRET);
      const { mode, uid } = statSync(join(path, "own"));
      expect([mode & 0o7777, uid]).toEqual([0o640, process.getuid?.() ?? -1]);
      expect(statSync(path).mode & 0o7777).toBe(0o755);
    };
    return { path, expectUntouched };
  };
  const outside = (name: string): string => {
    const path = join(engine.sandbox.home, `${name}${count++}`);
    mkdirSync(path);
    return path;
  };
  /** Everything that was copied there, as text. */
  const contentOf = (path: string): string =>
    Bun.spawnSync(["sh", "-c", 'find "$1" -type f -exec cat {} +', "sh", path]).stdout.toString();
  const stop = (box: Box) => engine.ok(["stop", "-t", "0", box.id]);

  describe("cp", () => {
    test("runs no program and loads no library of the container", async () => {
      const trap = { content: "#!/bin/sh\ntouch /trapped\n", mode: 0o755 };
      const names = ["tar", "cp", "cat", "nsenter", "chown", "ls"];
      const image = await place.image({
        ...Object.fromEntries(
          names.flatMap((name) => [
            [`bin/${name}`, trap],
            [`usr/bin/${name}`, trap],
          ]),
        ),
        "etc/ld.so.preload": "/evil.so\n",
        "etc/nsswitch.conf": "passwd: evil\ngroup: evil\n",
        "evil.so": { content: "not even ELF", mode: 0o755 },
        "lib/x86_64-linux-gnu/libnss_evil.so.2": { content: "not even ELF", mode: 0o755 },
        file: "inside",
      });
      await engine.ok(["run", "-d", "--name", "trapped", image, "sleep", "1000"]);
      const to = outside("out");
      for (const isRunning of [true, false]) {
        if (!isRunning) await engine.ok(["stop", "-t", "0", "trapped"]);
        await engine.ok(["cp", "-a", "trapped:/file", to]);
        await engine.ok(["cp", "-a", join(to, "file"), `trapped:/back-${isRunning}`]);
        await engine.ok(["cp", "trapped:/etc", to]);
        expect(readFileSync(join(to, "file"), "utf8")).toBe("inside");
        expect((await engine.proa(["cp", "trapped:/trapped", to])).exitCode).not.toBe(0);
      }
      await engine.ok(["rm", "-f", "trapped"]);
    });

    test("follows the links of a container inside it, whether it runs or not", async () => {
      const { path, expectUntouched } = victim();
      const image = await place.image({
        absolute: { type: "symlink", target: path },
        relative: { type: "symlink", target: `${UP}${path.slice(1)}` },
        file: { type: "symlink", target: join(path, "own") },
        magic: { type: "symlink", target: `/proc/1/root${path}` },
        cwd: { type: "symlink", target: "/proc/self/cwd" },
        "tree/": "",
        "tree/link": { type: "symlink", target: path },
      });
      await engine.ok(["run", "-d", "--name", "linked", image, "sleep", "1000"]);
      const mine = join(engine.sandbox.home, "mine");
      writeFileSync(mine, "mine", { mode: 0o777 });
      for (const isRunning of [true, false]) {
        if (!isRunning) await engine.ok(["stop", "-t", "0", "linked"]);
        const to = outside("out");
        for (const options of [[], ["-a", "-L"]]) {
          for (const from of [
            "/absolute",
            "/absolute/own",
            "/relative/own",
            "/relative/.",
            "/file",
            "/magic",
            "/magic/own",
            "/cwd/own",
            "/tree",
            "/tree/link/own",
            `/${UP}${path}/own`,
            `/../..${path}/own`,
          ]) {
            await engine.proa(["cp", ...options, `linked:${from}`, to]); // refused, or what is in the container
            const archive = await engine.proa(["cp", ...options, `linked:${from}`, "-"]);
            expect([from, archive.stdout.includes(SECRET)]).toEqual([from, false]);
          }
          for (const destination of [
            "/absolute",
            "/absolute/new",
            "/relative",
            "/relative/own",
            "/file",
            "/magic",
            "/magic/new",
            "/cwd/new",
            "/tree/link/new",
            `/${UP}${path}/own`,
          ])
            await engine.proa(["cp", ...options, mine, `linked:${destination}`]);
        }
        expect(contentOf(to)).not.toContain(SECRET);
        expectUntouched();
      }
      await engine.ok(["rm", "-f", "linked"]);
    });

    test("is not led astray by a container that exchanges directories for links meanwhile", async () => {
      const { path, expectUntouched } = victim();
      await using box = await startBox(place);
      const make = `mkdir -p /s/a /s/tree; echo inside >/s/a/own; ln -s ${path} /s/b; ln -s ${path} /s/tree/l; mkdir /s/tree/d; echo inside >/s/tree/d/own`;
      await box.exec(["sh", "-c", make]);
      await box.exec(["attack", "swap", "/s/a", "/s/b"], ["-d"]);
      await box.exec(["attack", "swap", "/s/tree/d", "/s/tree/l"], ["-d"]);
      const mine = join(engine.sandbox.home, "racing");
      writeFileSync(mine, "mine", { mode: 0o777 });
      const to = outside("out");
      let copied = 0;
      for (let i = 0; i < ROUNDS; i++) {
        do {
          const first = await engine.proa(["cp", `${box.id}:/s/a/own`, join(to, `file${i}`)]);
          if (first.exitCode === 0) copied++;
        } while (i === ROUNDS - 1 && copied === 0); // else nothing was tried
        await engine.proa(["cp", "-a", `${box.id}:/s/tree`, join(to, `tree${i}`)]);
        await engine.proa(["cp", "-aL", `${box.id}:/s/a`, join(to, `dir${i}`)]);
        await engine.proa(["cp", mine, `${box.id}:/s/a/own`]);
        await engine.proa(["cp", "-a", mine, `${box.id}:/s/tree/d/own`]);
        expectUntouched();
      }
      // what came out may be a link; that it was not followed is what counts
      const found = Bun.spawnSync(["sh", "-c", `find ${to} -type f -exec cat {} +`]).stdout.toString();
      expect(found).not.toContain(SECRET);
    });

    test("unpacks a hostile archive inside the container only", async () => {
      const { path, expectUntouched } = victim();
      await using box = await startBox(place);
      const archives = [
        { [`${UP}${path.slice(1)}/own`]: "evil" },
        { [`${path}/own`]: "evil" },
        {
          "in/": "",
          "in/link": { type: "symlink", target: path },
          "in/link/own": "evil",
          "in/link/new": "evil",
        },
        { "in2/": "", "in2/hard": { type: "link", target: join(path, "own") } },
        { "in3/": "", "in3/up": { type: "symlink", target: UP }, [`in3/up${path}/own`]: "evil" },
        { "dev/sda": { type: "block-device", major: 8, minor: 0 } },
      ] as const;
      for (const tree of archives) {
        for (const destination of ["/", "/tmp"]) {
          await engine.proa(["cp", "-", `${box.id}:${destination}`], { stdin: await tarOf(tree) });
          expectUntouched();
        }
      }
      expect(await box.exec(["sh", "-c", "find / -xdev -type b | wc -l"])).toBe("0");
    });

    test("writes to no process's executable, and shows no process's surroundings", async () => {
      const before = executables(place);
      await using box = await startBox(place);
      const mine = join(engine.sandbox.home, "exe");
      writeFileSync(mine, "#!/bin/owned\n", { mode: 0o777 });
      const to = outside("out");
      for (const name of ["exe", "environ", "cwd/.", "root/.", "fd/3", "mem", "cmdline"]) {
        for (const pid of ["self", "thread-self"]) {
          await engine.proa(["cp", mine, `${box.id}:/proc/${pid}/${name}`]);
          await engine.proa(
            ["cp", "-L", `${box.id}:/proc/${pid}/${name}`, join(to, `${pid}-${name.replace("/", "-")}`)],
            { timeoutMs: 10_000 },
          );
        }
      }
      expect(contentOf(to)).not.toContain(engine.sandbox.directory);
      expect(executables(place)).toEqual(before);
    });

    test("waits for no FIFO, device or endless file of a container", async () => {
      await using box = await startBox(place);
      await box.exec([
        "sh",
        "-c",
        "mkfifo /fifo; mkdir /d; mkfifo /d/fifo; ln -s /dev/zero /d/zero; ln -s /fifo /link",
      ]);
      const to = outside("out");
      for (const from of ["/fifo", "/d", "/link", "/dev/null"])
        await engine.proa(["cp", `${box.id}:${from}`, to], { timeoutMs: 10_000 });
      await engine.proa(["cp", "-L", `${box.id}:/link`, to], { timeoutMs: 10_000 });
      await stop(box);
      await engine.proa(["cp", `${box.id}:/fifo`, to], { timeoutMs: 10_000 });
    });
  });

  describe("volumes", () => {
    test("are exported with their links, not with what those lead to, also while a file is exchanged for one", async () => {
      const { path, expectUntouched } = victim();
      const swap = ["attack", "swap", "/v/a", "/v/b"];
      const prepare = `echo inside >/v/a; ln -s ${join(path, "own")} /v/b; ln -s ${path} /v/dir`;
      await engine.ok(["run", "--rm", "-v", "exported:/v", place.tiny, "sh", "-c", prepare]);
      await engine.ok(["run", "-d", "--name", "swapper", "-v", "exported:/v", place.tiny, ...swap]);
      await printed(place, "swapper", "ready");
      for (let i = 0; i < ROUNDS; i++) {
        const archive = await engine.proa(["volume", "export", "exported"]);
        expect(archive.stdout).not.toContain(SECRET);
      }
      await engine.ok(["rm", "-f", "swapper"]);
      const whole = await engine.proa(["volume", "export", "exported"]);
      expect(whole.exitCode).toBe(0);
      expect(whole.stdout).toContain("inside");
      expectUntouched();
      await engine.ok(["volume", "rm", "exported"]);
    });

    test("are filled from an archive inside themselves only", async () => {
      const { path, expectUntouched } = victim();
      await engine.ok(["volume", "create", "imported"]);
      for (const tree of [
        { [`${UP}${path.slice(1)}/own`]: "evil" },
        { [`${path}/own`]: "evil" },
        { link: { type: "symlink", target: path }, "link/own": "evil" },
        { hard: { type: "link", target: join(path, "own") } },
      ] as const) {
        const archive = join(engine.sandbox.home, "archive.tar");
        writeFileSync(archive, await tarOf(tree));
        await engine.proa(["volume", "import", "imported", archive]);
        expectUntouched();
      }
      const archive = join(engine.sandbox.home, "archive.tar");
      writeFileSync(archive, await tarOf({ plain: "inside" }));
      await engine.ok(["volume", "import", "imported", archive]);
      expect(await engine.ok(["run", "--rm", "-v", "imported:/v", place.tiny, "cat", "/v/plain"])).toBe(
        "inside",
      );
      await engine.ok(["volume", "rm", "imported"]);
    });

    test("take nothing of the host over when the image's place is a link", async () => {
      const { path, expectUntouched } = victim();
      const image = await place.image(
        {
          data: { type: "symlink", target: path },
          more: { type: "symlink", target: `${UP}${path.slice(1)}` },
          "deep/": "",
          "deep/link": { type: "symlink", target: path },
        },
        { Volumes: { "/data": {}, "/more": {}, "/deep/link": {} } },
      );
      const script = "find / -xdev -name own; cat /data/own /more/own /deep/link/own 2>/dev/null; echo end";
      for (const options of [
        [],
        ["-v", "fresh:/data"],
        ["-v", "fresh2:/data/x"],
        ["--mount", "type=volume,src=fresh3,dst=/deep/link"],
      ]) {
        const result = await engine.proa(["run", "--rm", ...options, image, "sh", "-c", script]);
        if (result.exitCode === 0) expect(result.stdout).toBe("end\n");
        expectUntouched();
      }
      for (const name of ["fresh", "fresh2", "fresh3"]) await engine.proa(["volume", "rm", "-f", name]);
    });

    test("of which a part is mounted give nothing else when that part is a link, or becomes one", async () => {
      const { path, expectUntouched } = victim();
      const prepare = `mkdir /v/a; echo inside >/v/a/own; ln -s ${path} /v/b; ln -s / /v/root; ln -s ${UP}${path.slice(1)} /v/up`;
      await engine.ok(["run", "--rm", "-v", "parted:/v", place.tiny, "sh", "-c", prepare]);
      const image = await place.image({
        rootdir: { type: "symlink", target: "/" },
        out: { type: "symlink", target: path },
      });
      const read = "cat /m/own /m/home/../*/victim*/own 2>/dev/null; touch /m/escaped 2>/dev/null; echo end";
      const from = (mount: string) =>
        engine.proa(["run", "--rm", "--mount", mount, place.tiny, "sh", "-c", read]);
      for (const option of ["volume-subpath", "subpath"])
        expect((await from(`type=volume,src=parted,dst=/m,${option}=a`)).stdout).toBe("inside\nend\n");
      for (const part of ["b", "up", "root", "..", "../..", "a/../..", "/", path, "b/own"]) {
        for (const option of ["volume-subpath", "subpath"]) {
          const result = await from(`type=volume,src=parted,dst=/m,${option}=${part}`);
          expect([part, result.stdout.includes(SECRET)]).toEqual([part, false]);
        }
      }
      for (const part of ["rootdir", "out", "..", `rootdir${path}`]) {
        const result = await from(`type=image,src=${image},dst=/m,subpath=${part}`);
        expect([part, result.stdout.includes(SECRET)]).toEqual([part, false]);
        const writable = await from(`type=image,src=${image},dst=/m,subpath=${part},rw=true`);
        expect([part, writable.stdout.includes(SECRET)]).toEqual([part, false]);
      }
      expect(existsSync("/escaped")).toBe(false);
      await engine.ok([
        "run",
        "-d",
        "--name",
        "swapper",
        "-v",
        "parted:/v",
        place.tiny,
        "attack",
        "swap",
        "/v/a",
        "/v/b",
      ]);
      await printed(place, "swapper", "ready");
      for (let i = 0; i < ROUNDS; i++) {
        const result = await from("type=volume,src=parted,dst=/m,volume-subpath=a");
        expect(result.stdout).not.toContain(SECRET);
        expectUntouched();
      }
      await engine.ok(["rm", "-f", "swapper"]);
      await engine.ok(["volume", "rm", "parted"]);
    });

    test("are given to another user (:U) without following links", async () => {
      const { path, expectUntouched } = victim();
      const source = outside("given");
      chmodSync(source, 0o755);
      Bun.spawnSync(["ln", "-s", path, join(source, "dir")]);
      Bun.spawnSync(["ln", "-s", join(path, "own"), join(source, "file")]);
      await engine.proa(["run", "--rm", "-u", "app", "-v", `${source}:/v:U`, place.tiny, "true"]);
      expectUntouched();
      Bun.spawnSync([process.env["PROA"] ?? "dist/proa", "unshare", "chown", "-hR", "0:0", source], {
        env: engine.sandbox.env,
      });
    });

    test("take no option that hides in another", async () => {
      const { path } = victim();
      for (const mount of [
        `type=bind,src=${path},dst=/m,bind-propagation=rprivate:upperdir=/x`,
        `type=bind,src=${path},dst=/m,bind-propagation=rslave,lowerdir=/`,
        `type=tmpfs,dst=/m,tmpfs-mode=1777:lowerdir=/`,
        `type=tmpfs,dst=/m,tmpfs-size=1m,upperdir=/x`,
        `type=volume,src=x,dst=/m,volume-opt=type=bind`,
        `type=proc,dst=/m`,
        `type=overlay,src=/,dst=/m`,
      ]) {
        const result = await engine.proa(["run", "--rm", "--mount", mount, place.tiny, "true"]);
        expect([mount, result.stdout, result.exitCode]).toEqual([mount, "", 125]);
      }
      for (const tmpfs of ["/m:size=1m,lowerdir=/", "/m:mode=1777,source=/", "/m:upperdir=x"]) {
        expect((await engine.proa(["run", "--rm", "--tmpfs", tmpfs, place.tiny, "true"])).exitCode).toBe(125);
      }
      await engine.proa(["volume", "rm", "-f", "x"]);
    });
  });

  test("nothing is left of all these", () => removeAll(place));
});
