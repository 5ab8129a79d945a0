/** `proa cp`. */
import { beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { missing, tarOf, useTiny } from "../../harness";
import { archive, entry } from "../../native/_tar";
import { detach, printed, SLEEP } from "./_shell";

describe.skipIf(missing !== null)("cp", () => {
  const place = useTiny();
  const { engine } = place;
  let home = "";
  const at = (...parts: string[]): string => join(home, ...parts);
  const cp = (...args: string[]) => engine.proa(["cp", ...args], { cwd: home });
  const copied = async (...args: string[]): Promise<void> => {
    const result = await cp(...args);
    expect(result.stderr).toBe("");
    expect(result.stdout).toBe("");
    expect(result.exitCode).toBe(0);
  };
  const inside = (script: string, name = "web"): Promise<string> =>
    engine.ok(["exec", name, "sh", "-c", script]);
  const make = (tree: Record<string, string | null>): void => {
    for (const [path, content] of Object.entries(tree)) {
      if (content === null) mkdirSync(at(path), { recursive: true });
      else {
        mkdirSync(join(at(path), ".."), { recursive: true });
        writeFileSync(at(path), content);
      }
    }
  };

  beforeAll(async () => {
    if (missing !== null) return;
    await detach(place, "web", SLEEP, ["-v", "vol:/vol", "--tmpfs", "/memory"]);
    await engine.ok(["create", "--name", "still", "-v", "vol:/vol", place.tiny, "cat", "/tmp/a", "/vol/b"]);
  });
  beforeEach(async () => {
    if (missing !== null) return;
    home = mkdtempSync(join(engine.sandbox.home, "cp-"));
    await inside("rm -rf /tmp/* /vol/* /memory/*");
  });

  test.each([
    [["cp"], '"proa cp" requires exactly 2 arguments: no SOURCE given', 125],
    [["cp", "a", "b"], "cp: must specify at least one container source", 1],
    [["cp", "", "web:/"], "cp: source can not be empty", 1],
    [["cp", "web:/etc", ""], "cp: destination can not be empty", 1],
    [["cp", "web:", "."], "cp: source can not be empty", 1],
    [["cp", "/etc/passwd", "web:"], "cp: destination can not be empty", 1],
    [["cp", "-", "-"], "cp: must specify at least one container source", 1],
    [["cp", "nosuch:/a", "."], "cp: nosuch: no such container", 1],
    [["cp", "web:/nosuch", "."], "cp: web:/nosuch: Could not find the file /nosuch in container web", 1],
    [["cp", "web:/etc/passwd/", "."], "cp: /etc/passwd/: not a directory", 1],
    [["cp", "/nosuch", "web:/"], "cp: /nosuch: no such file or directory", 1],
    [
      ["cp", "/etc/passwd", "web:/no/such"],
      "cp: web:/no/such: Could not find the file /no in container web",
      1,
    ],
    [["cp", "/etc/passwd", "web:/nosuch/"], "cp: /nosuch/: no such directory", 1],
    [["cp", "web:/etc", "/nosuch/x"], "cp: /nosuch: no such file or directory", 1],
    [["cp", "web:/etc", "/etc/passwd"], "cp: /etc/passwd: cannot copy directory", 1],
    [["cp", "-", "web:/etc/passwd"], 'cp: /etc/passwd: destination "web:/etc/passwd" must be a directory', 1],
    [["cp", "web:/etc", "web:/etc/below"], "cp: web:/etc/below: a directory cannot be copied into itself", 1],
  ])("%p is refused", async (args, message, status) => {
    const result = await engine.proa(args);
    expect(result.stderr).toStartWith(`Error: ${message}\n`);
    expect(result.exitCode).toBe(status);
    expect(result.stdout).toBe("");
  });

  // Docker's table: what the source is, what the destination is, and where the files end up.
  test.each([
    ["a file to a name that is free", "f", "/tmp/new", "/tmp/new"],
    ["a file into a directory", "f", "/tmp", "/tmp/f"],
    ["a file into a directory with a slash", "f", "/tmp/", "/tmp/f"],
    ["a path without its first slash", "f", "tmp/new", "/tmp/new"],
    ["a directory to a name that is free", "d", "/tmp/new", "/tmp/new /tmp/new/x"],
    ["a directory to a name that is free, with a slash", "d", "/tmp/new/", "/tmp/new /tmp/new/x"],
    ["a directory into a directory", "d", "/tmp", "/tmp/d /tmp/d/x"],
    ["a directory with a slash into a directory", "d/", "/tmp", "/tmp/d /tmp/d/x"],
    ["the content of a directory", "d/.", "/tmp", "/tmp/x"],
    ["the content of a directory to a name that is free", "d/.", "/tmp/new", "/tmp/new /tmp/new/x"],
  ])("copies %s, in and out", async (_what, source, destination, found) => {
    make({ f: "file", "d/x": "in it" });
    await copied(source, `web:${destination}`);
    expect(await inside("find /tmp -mindepth 1 | sort | xargs")).toBe(found);

    // the same the other way round
    await inside("rm -rf /tmp/*; mkdir /tmp/s /tmp/s/d; echo file > /tmp/s/f; echo in > /tmp/s/d/x");
    mkdirSync(at("out"));
    const target = destination.replace(/^\/?tmp/, "out");
    await copied(`web:/tmp/s/${source}`, target);
    const below = readdirSync(at("out"), { recursive: true }).map((name) => `/tmp/${name}`);
    expect(below.sort().join(" ")).toBe(found);
  });

  test("a file that is there is replaced, a directory is merged with", async () => {
    make({ f: "new", "d/x": "new", "d/y": "new" });
    await inside("echo old > /tmp/f; mkdir /tmp/d; echo old > /tmp/d/x; echo kept > /tmp/d/z");
    await copied("f", "web:/tmp/f");
    await copied("d", "web:/tmp");
    expect(await inside("cat /tmp/f /tmp/d/x /tmp/d/y /tmp/d/z")).toBe("newnewnewkept");
  });

  test("a directory does not give way to a file, nor a file to a directory, but with --overwrite", async () => {
    make({ "d/x": "", "d/y/z": "" });
    await inside("mkdir -p /tmp/d/x /tmp/e/d; touch /tmp/d/y /tmp/e/d/y");
    expect((await cp("d", "web:/tmp")).stderr).toStartWith(
      "Error: copy: d/x: cannot overwrite directory with non-directory\n",
    );
    expect((await cp("d", "web:/tmp/e")).stderr).toStartWith(
      "Error: copy: d/y/: cannot overwrite non-directory with directory\n",
    );
    await copied("--overwrite", "d", "web:/tmp");
    expect(await inside("test -f /tmp/d/x && ls /tmp/d/y")).toBe("z");
  });

  test("what goes in belongs to root, what comes out to the user; -a keeps owners", async () => {
    make({ f: "" });
    await copied("f", "web:/tmp/f");
    expect(await inside("stat -c %u:%g /tmp/f")).toBe("0:0");
    await inside("mkdir /tmp/d; touch /tmp/d/x; chown -R 7:8 /tmp/d");
    await copied("web:/tmp/d", ".");
    expect(lstatSync(at("d/x")).uid).toBe(process.getuid?.() ?? -1);
    await copied("-a", "web:/tmp/d", "kept");
    expect(statSync(at("kept/x")).uid).not.toBe(process.getuid?.());
    await copied("-a", "kept", "web:/tmp");
    expect(await inside("stat -c %u:%g /tmp/kept /tmp/kept/x")).toBe("7:8\n7:8");
    await engine.ok(["unshare", "rm", "-r", at("kept")]);
  });

  test("modes, times to the nanosecond, links, fifos and holes stay", async () => {
    make({ "d/run": "x" });
    chmodSync(at("d/run"), 0o4751);
    utimesSync(at("d/run"), 1_500_000_000.25, 1_600_000_000.125);
    symlinkSync("/etc/passwd", at("d/link"));
    writeFileSync(at("d/sparse"), "");
    truncateSync(at("d/sparse"), 10 * 2 ** 30);
    mkdirSync(at("d/closed"), { mode: 0o555 });
    const started = Date.now();
    await copied("d", "web:/tmp");
    await inside("ln /tmp/d/run /tmp/d/again; mkfifo /tmp/d/fifo");
    expect(await inside("stat -c '%a %s' /tmp/d/run /tmp/d/closed /tmp/d/sparse")).toContain("4751 1\n555");
    await copied("web:/tmp/d", "back");
    // ten gigabytes that are holes are not carried
    expect(Date.now() - started).toBeLessThan(20_000);
    const file = lstatSync(at("back/run"), { bigint: true });
    expect(file.mtimeNs).toBe(1_600_000_000_125_000_000n);
    expect(Number(file.mode) & 0o7777).toBe(0o4751);
    expect(file.ino).toBe(lstatSync(at("back/again"), { bigint: true }).ino);
    expect(readlinkSync(at("back/link"))).toBe("/etc/passwd");
    expect(lstatSync(at("back/fifo")).isFIFO()).toBe(true);
    expect(lstatSync(at("back/sparse")).size).toBe(10 * 2 ** 30);
    expect(lstatSync(at("back/sparse")).blocks).toBeLessThan(64);
    expect(lstatSync(at("back/closed")).mode & 0o777).toBe(0o555);
  });

  test("a link is copied as one, what it leads to with -L, under its own name", async () => {
    await inside("echo text > /tmp/real; ln -s real /tmp/link; ln -s nowhere /tmp/broken");
    await copied("web:/tmp/link", "plain");
    expect(readlinkSync(at("plain"))).toBe("real");
    mkdirSync(at("into"));
    await copied("-L", "web:/tmp/link", "into");
    expect(readFileSync(at("into/link"), "utf8")).toBe("text\n");
    await copied("web:/tmp/broken", "into");
    expect(readlinkSync(at("into/broken"))).toBe("nowhere");
    expect((await cp("-L", "web:/tmp/broken", ".")).stderr).toContain("Could not find the file /tmp/broken");
  });

  test("a link as destination is followed inside of the container", async () => {
    make({ f: "from the host" });
    writeFileSync(at("untouched"), "host");
    await inside(`ln -s ${at("untouched")} /tmp/abs; ln -s /vol /tmp/dir; ln -s ../vol/made /tmp/dangling`);
    await inside(`mkdir -p ${home}`);
    await copied("f", "web:/tmp/abs");
    expect(readFileSync(at("untouched"), "utf8")).toBe("host");
    expect(await inside(`cat ${at("untouched")}`)).toBe("from the host");
    await copied("f", "web:/tmp/dir");
    await copied("f", "web:/tmp/dangling");
    expect(await inside("ls /vol")).toBe("f\nmade");
  });

  test("names are bytes: line ends, what is no UTF-8, and paths of 4 KB", async () => {
    const long = Array.from({ length: 15 }, () => "n".repeat(250)).join("/");
    await inside(
      `mkdir -p /tmp/d; cd /tmp/d; touch "$(printf 'a\\nb')" "$(printf '\\377\\376')" ' -x '; mkdir -p ${long}`,
    );
    await inside(`cd /tmp/d/${long} && echo deep > $(head -c 200 /dev/zero | tr '\\0' y)`);
    await copied("web:/tmp/d", ".");
    await copied("d", "web:/tmp/again");
    expect(await inside("cd /tmp/again; find . -type f | tr -dc '\\n' | wc -c")).toBe("5"); // one of them has two lines
    const listed = "cd /tmp/D && find . | sort | md5sum";
    expect(await inside(listed.replace("D", "again"))).toBe(await inside(listed.replace("D", "d")));
  });

  test("- is an archive: out of the container, into it, compressed or not, with the owners it has", async () => {
    await inside("mkdir /tmp/d; echo text > /tmp/d/x; chown 5:6 /tmp/d/x");
    const out = await engine.proa(["cp", "web:/tmp/d", "-"]);
    expect(out.exitCode).toBe(0);
    await inside("rm -r /tmp/d");
    for (const stdin of [out.bytes.stdout, Bun.gzipSync(Buffer.from(out.bytes.stdout))]) {
      expect(await engine.ok(["cp", "-", "web:/vol"], { stdin })).toBe("");
      expect(await inside("stat -c '%u:%g %n' /vol/d/x; cat /vol/d/x; rm -r /vol/d")).toBe(
        "5:6 /vol/d/x\ntext",
      );
    }
    const content = await engine.proa(["cp", "web:/etc/.", "-"]);
    writeFileSync(at("content.tar"), content.bytes.stdout);
    expect(Bun.spawnSync(["tar", "-tf", at("content.tar")]).stdout.toString()).toStartWith("./\n./group\n");
  });

  test("an archive that is none, or ends too early, is an error", async () => {
    const whole = Buffer.from(await tarOf({ "a/b": "text" }));
    for (const stdin of ["no archive at all".repeat(100), whole.subarray(0, 700)]) {
      const result = await engine.proa(["cp", "-", "web:/tmp"], { stdin });
      expect(result.stderr).toStartWith("Error: read tar: ");
      expect(result.exitCode).toBe(1);
    }
  });

  test("volumes and memory file systems are seen as the container sees them, also while it is paused", async () => {
    make({ f: "text" });
    await engine.ok(["pause", "web"]);
    try {
      await copied("f", "web:/vol/f");
      await copied("f", "web:/memory/f");
      await copied("web:/memory/f", "back");
    } finally {
      await engine.ok(["unpause", "web"]);
    }
    expect(readFileSync(at("back"), "utf8")).toBe("text");
    expect(await inside("cat /vol/f /memory/f")).toBe("texttext");
    const volume = await engine.ok(["volume", "inspect", "--format", "{{.Mountpoint}}", "vol"]);
    expect(readFileSync(join(volume, "f"), "utf8")).toBe("text");
  });

  test("a container that does not run is copied to and from, also before its first start", async () => {
    make({ a: "one ", b: "two" });
    await copied("a", "still:/tmp/a");
    await copied("b", "still:/vol/b");
    expect(await inside("cat /vol/b")).toBe("two");
    expect(await engine.ok(["start", "-a", "still"])).toBe("one two");
    await copied("still:/tmp/a", "back");
    await copied("still:/vol/b", "back-b");
    expect(readFileSync(at("back"), "utf8") + readFileSync(at("back-b"), "utf8")).toBe("one two");
    await engine.ok(["start", "-a", "still"]); // nothing of the copy keeps it from starting again
  });

  test("from one container to another, and within one", async () => {
    await detach(place, "other");
    await inside("mkdir /tmp/d; echo text > /tmp/d/x; chown 3:4 /tmp/d/x");
    await copied("web:/tmp/d", "other:/tmp");
    expect(await inside("cat /tmp/d/x; stat -c %u:%g /tmp/d/x", "other")).toBe("text\n3:4");
    await copied("web:/tmp/d", "web:/vol/e");
    expect(await inside("cat /vol/e/x")).toBe("text");
  });

  test("a root that can only be read, and the kernel's own file systems, are refused", async () => {
    make({ f: "" });
    await detach(place, "other-ro", SLEEP, ["--read-only"]);
    for (const running of [true, false]) {
      if (!running) await engine.ok(["stop", "-t", "0", "other-ro"]);
      const result = await cp("f", "other-ro:/tmp2");
      expect(result.stderr).toContain("is marked read-only");
      expect(result.exitCode).toBe(1);
    }
    await engine.ok(["rm", "other-ro"]);
    for (const path of ["/proc/sys/kernel/", "/proc/1/", "/sys/"]) {
      const result = await cp("f", `web:${path}`);
      expect(result.stderr).toContain("it shows the kernel and holds no files");
      expect(result.exitCode).toBe(1);
    }
  });

  test("the root of a container is copied without what the kernel shows in it", async () => {
    const { bytes } = await engine.proa(["cp", "web:/", "-"]);
    writeFileSync(at("all.tar"), bytes.stdout);
    const list = Bun.spawnSync(["tar", "-tf", at("all.tar")])
      .stdout.toString()
      .split("\n");
    expect(list).toContain("./proc/");
    expect(list).toContain("./etc/passwd");
    expect(list.filter((name) => /^\.\/(proc|sys)\/./.test(name))).toEqual([]);
  });

  test("/etc/hosts, which is mounted, gets the content", async () => {
    make({ hosts: "1.2.3.4 made-up\n" });
    await copied("hosts", "web:/etc/hosts");
    expect(await inside("cat /etc/hosts")).toBe("1.2.3.4 made-up");
  });

  test("an archive that means harm writes nothing outside of where it goes", async () => {
    writeFileSync(at("outside"), "untouched");
    const hostile = archive(
      entry({ name: "x", type: "2", link: home }),
      entry({ name: "x/outside", content: "overwritten" }),
      entry({ name: "y", type: "2", link: "../../../../../../../../etc" }),
      entry({ name: "y/passwd", content: "overwritten" }),
      entry({ name: "z", type: "1", link: "x/outside" }),
    );
    // into a container first, which may hold anything, and from there to the host
    await engine.proa(["cp", "-", "web:/tmp"], { stdin: hostile });
    mkdirSync(at("to"));
    await engine.proa(["cp", "web:/tmp/.", "to"], { cwd: home });
    expect(readFileSync(at("outside"), "utf8")).toBe("untouched");
    expect(readFileSync("/etc/passwd", "utf8")).not.toContain("overwritten");
    for (const name of ["../up", "/abs", "a/../../up"]) {
      const result = await engine.proa(["cp", "-", "web:/vol"], {
        stdin: archive(entry({ name, content: "" })),
      });
      if (name !== "/abs") expect(result.stderr).toContain("the name leads out");
    }
    expect(await inside("ls /vol; ls / | grep -c -e up -e abs; true")).toBe("abs\n0");
  });

  test("a directory that a process swaps with a link all the time leads nowhere but into the container", async () => {
    const victim = at("victim");
    mkdirSync(victim);
    make({ "d/pwned": "x", "d/e/pwned": "x" });
    const racer = `mkdir -p /race/real${victim}; cd /race; ln -s ${victim} link; echo ready
      while :; do mv real swap; mv link real; mv real link; mv swap real; done`;
    await detach(place, "racer", ["sh", "-c", racer]);
    await printed(place, "racer", "ready");
    const until = Date.now() + 4_000;
    for (let i = 0; i < 40 && Date.now() < until; i++) {
      await cp("d/.", "racer:/race/real");
      await cp("racer:/race/real", `out-${i}`); // a link may come, which the next copy would follow as cp(1) does
    }
    await engine.ok(["rm", "-f", "racer"]);
    expect(readdirSync(victim)).toEqual([]);
  });

  test("a full disk is said so, and the container goes on", async () => {
    await detach(place, "small", SLEEP, ["--tmpfs", "/small:size=1m"]);
    make({ big: "x".repeat(4 << 20) });
    const result = await cp("big", "small:/small/big");
    expect(result.stderr).toStartWith("Error: unpack: big: no space left on device");
    expect(result.exitCode).toBe(1);
    expect(await inside("echo alive", "small")).toBe("alive");
    await engine.ok(["rm", "-f", "small"]);
  });

  test("nobody reading the archive is a quiet end of the helpers", async () => {
    const child = engine.start(["cp", "web:/bin", "-"]);
    const reader = child.stdout.getReader();
    await reader.read();
    await reader.cancel();
    expect(await new Response(child.stderr).text()).toBe("");
    expect(await child.exited).toBe(0);
  });

  test("a container that ends meanwhile is an error or a whole copy, and never half a one that is called whole", async () => {
    for (let i = 0; i < 3; i++) {
      await detach(place, "ending");
      const copy = cp("ending:/bin", `end-${i}`);
      await engine.ok(["kill", "ending"]);
      const result = await copy;
      if (result.exitCode === 0) {
        expect(existsSync(at(`end-${i}`, "busybox"))).toBe(true);
      } else {
        expect(result.stderr).toStartWith("Error: ");
      }
      await engine.ok(["rm", "-f", "ending"]);
      rmSync(at(`end-${i}`), { recursive: true, force: true });
    }
  });

  test("says what it copied on a terminal, unless told not to", async () => {
    make({ f: "text" });
    const said = engine.pty(["cp", at("f"), "web:/tmp/f"]);
    await said.exited;
    expect(said.output).toContain("Successfully copied 3.072kB to web:/tmp/f");
    const quiet = engine.pty(["cp", "-q", at("f"), "web:/tmp/f"]);
    await quiet.exited;
    expect(quiet.output).toBe("");
  });
});
