/**
 * Mounts led astray by what the image, or another container that shares a volume, puts in their way: CVE-2021-30465, CVE-2019-16884,
 * CVE-2019-19921, CVE-2023-27561, CVE-2023-28642, CVE-2024-45310, CVE-2025-31133, CVE-2025-52565 and CVE-2025-52881 in runc.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Tree } from "../../harness";
import { removeAll } from "../_network";
import { printed, run, shell } from "../container/_shell";
import { expectRefused, missing, useAttacker } from "./_attack";

/** Enough of a way up to leave any root. */
const UP = "../".repeat(16);

setDefaultTimeout(180_000); // many containers in a test; a hang is one command's timeout

describe.skipIf(missing !== null)(`mounts${missing ? ` (${missing})` : ""}`, () => {
  const place = useAttacker();
  const { engine } = place;

  /** A directory of the host with files in it, for a volume. */
  const directory = (name: string, files: Record<string, string> = {}): string => {
    const path = join(engine.sandbox.home, name);
    mkdirSync(path, { recursive: true });
    chmodSync(path, 0o755);
    for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
    return path;
  };

  const isPlaceOfKernel =
    'awk \'$2 == "/proc" || $2 == "/sys" || $2 == "/dev" {print $2, $3}\' /proc/mounts | sort';

  test.each(["proc", "sys", "dev", "dev/shm", "dev/pts", "dev/mqueue"])(
    "/%s that is a link in the image leads nothing out of it",
    async (name) => {
      const victim = directory(`victim-${name.replace("/", "-")}`);
      for (const target of [victim, `/${UP}${victim}`, "/tmp", "/proc/self/fd", "nowhere"]) {
        const reference = await place.image({ [name]: { type: "symlink", target } });
        const result = await engine.proa(["run", "--rm", reference, "sh", "-c", isPlaceOfKernel]);
        if (result.exitCode === 0) expect(result.stdout).toBe("/dev tmpfs\n/proc proc\n/sys sysfs\n");
        else expectRefused(result);
        expect(readdirSync(victim)).toEqual([]);
      }
    },
  );

  test.each(["proc", "sys"])(
    "/%s that is a link is not followed, so that what is written there is written to the kernel's",
    async (name) => {
      const reference = await place.image({ [name]: { type: "symlink", target: "/tmp" } });
      const result = await engine.proa([
        "run",
        "--rm",
        "--sysctl",
        "net.ipv4.ip_forward=1",
        reference,
        "true",
      ]);
      expectRefused(result);
    },
  );

  // the files that proa makes itself and mounts over the image's
  test("hosts, hostname and resolv.conf that are links, directories or devices of the image harm nobody", async () => {
    const names = ["etc/hosts", "etc/hostname", "etc/resolv.conf"];
    const victim = place.victim("bind-victim");
    const absent = join(engine.sandbox.home, "made-by-nobody");
    const kinds: Tree[string][] = [
      { type: "symlink", target: victim.path },
      { type: "symlink", target: `${UP}${victim.path.slice(1)}` },
      { type: "symlink", target: absent },
      { type: "symlink", target: "/proc/self/root/etc/passwd" },
      { type: "symlink", target: "/proc/1/environ" },
      { type: "symlink", target: "hosts2" },
      { type: "fifo" },
      { type: "directory" },
    ];
    for (const kind of kinds) {
      const tree = Object.fromEntries(
        names.map((name) => [`${name}${(kind as { type?: string }).type === "directory" ? "/" : ""}`, kind]),
      );
      const reference = await place.image(tree);
      const result = await engine.proa([
        "run",
        "--rm",
        "--network",
        "none",
        reference,
        "cat",
        "/etc/hostname",
      ]);
      if (result.exitCode !== 0) expectRefused(result);
      expect(result.stdout + result.stderr).not.toContain("the host's");
      expect([victim.isUntouched(), existsSync(absent)]).toEqual([true, false]);
    }
  });

  test("a volume whose place is reached by links of the image stays in the container", async () => {
    const victim = directory("volume-victim", { own: "host" });
    const source = directory("volume-source", { file: "source" });
    const reference = await place.image({
      absolute: { type: "symlink", target: victim },
      relative: { type: "symlink", target: `${UP}${victim.slice(1)}` },
      magic: { type: "symlink", target: "/proc/1/root" },
      "deep/": "",
      "deep/up": { type: "symlink", target: `${UP}tmp` },
    });
    const into = async (destination: string): Promise<string> => {
      const result = await engine.proa([
        "run",
        "--rm",
        "-v",
        `${source}:${destination}`,
        reference,
        "cat",
        `${destination}/file`,
      ]);
      return result.exitCode === 0 ? result.stdout : result.stderr;
    };
    for (const destination of ["/absolute", "/relative", "/absolute/new/x", "/relative/new/x", "/deep/up/x"])
      expect(await into(destination)).toBe("source");
    for (const destination of ["/magic", "/magic/tmp", "/magic/new"])
      expect(await into(destination)).toMatch(/^Error: |^source$/);
    expect(readdirSync(victim)).toEqual(["own"]);
    expect(readFileSync(join(victim, "own"), "utf8")).toBe("host");
  });

  // CVE-2019-16884: an image says VOLUME /proc, and what is written there is not the kernel's
  test("volumes over /proc, /sys and /dev take away nothing of their protection", async () => {
    const source = directory("fake", { "sysrq-trigger": "", keys: "mine\n" });
    mkdirSync(join(source, "self/attr"), { recursive: true });
    const script = `${isPlaceOfKernel}; cat /proc/keys /proc/kcore 2>/dev/null | wc -c; (: >/proc/sysrq-trigger) 2>/dev/null && echo open; true`;
    const places = [
      "/proc",
      "/proc/",
      "/proc/../proc",
      "/proc/sys",
      "/proc/self",
      "/proc/1/attr",
      "/sys",
      "/sys/fs/cgroup",
    ];
    for (const destination of places) {
      const image = await place.image({ x: destination }, { Volumes: { [destination]: {} } });
      for (const result of [
        await run(place, ["-v", `${source}:${destination}`], ["sh", "-c", script]),
        await engine.proa(["run", "--rm", image, "sh", "-c", script]),
      ]) {
        if (destination.startsWith("/proc")) {
          expectRefused(result);
        } else if (result.exitCode === 0) {
          expect(result.stdout).toContain("/proc proc\n");
          expect(result.stdout).toContain("\n0\n");
          expect(result.stdout).not.toContain("open");
        } else {
          expectRefused(result);
        }
      }
      expect(readFileSync(join(source, "sysrq-trigger"), "utf8")).toBe("");
    }
    const informs = ["-v", `${join(source, "keys")}:/proc/cpuinfo`]; // what lxcfs does
    expect(await shell(place, informs, "cat /proc/cpuinfo")).toBe("mine");
  });

  test("volumes of an image that name a place outside, or none, are made inside or refused", async () => {
    const victim = place.victim("image-volume");
    for (const destination of [
      `/${UP}${engine.sandbox.home.slice(1)}`,
      "../../etc",
      "relative",
      "",
      "/",
      "/..",
      "/a\nb",
      "/x:/y:rw",
    ]) {
      const image = await place.image({ x: destination }, { Volumes: { [destination]: {} } });
      const result = await engine.proa([
        "run",
        "--rm",
        image,
        "sh",
        "-c",
        `ls ${engine.sandbox.home}/image-volume 2>&1; true`,
      ]);
      if (result.exitCode === 0) expect(result.stdout).toContain("No such file");
      else expectRefused(result);
      expect(victim.isUntouched()).toBe(true);
    }
  });

  // CVE-2025-31133: /dev/null of the container hides the masked paths, and is something else; CVE-2025-52565: the same with /dev/console
  test("paths are masked by the host's null device, whatever the container has at that place", async () => {
    const victim = place.victim("mask-victim");
    const source = directory("dev");
    for (const name of ["null", "console", "ptmx", "tty", "zero", "full", "random", "urandom"]) {
      symlinkSync(`${UP}${victim.path.slice(1)}`, join(source, name));
    }
    mkdirSync(join(source, "pts"));
    symlinkSync("/etc/passwd", join(source, "pts/0"));
    const script =
      "(cat /proc/kcore /proc/keys /proc/timer_list; ls -d /proc/acpi/* /sys/firmware/*) 2>/tmp/x | wc -c; head -c 5 /etc/passwd";
    for (const options of [
      ["-v", `${source}:/dev`],
      ["-v", `${source}/null:/dev/null`],
      ["-v", `${source}:/dev/x`],
      ["-v", `${source}/pts:/dev/pts`],
    ]) {
      const result = await run(place, options, ["sh", "-c", script]);
      if (result.exitCode === 0) expect(result.stdout).toBe("0\nroot:");
      else expectRefused(result);
      const screen = engine.pty(["run", "--rm", "-t", ...options, place.tiny, "sh", "-c", script]);
      if ((await screen.exited) === 0) expect(screen.output.replaceAll("\r", "")).toBe("0\nroot:");
      expect(victim.isUntouched()).toBe(true);
    }
    const reference = await place.image(
      Object.fromEntries(
        ["null", "console", "pts", "ptmx"].map((name) => [
          `dev/${name}`,
          { type: "symlink", target: "/etc/passwd" },
        ]),
      ),
    );
    expect(await engine.ok(["run", "--rm", reference, "sh", "-c", script])).toBe("0\nroot:");
    const screen = engine.pty(["run", "--rm", "-t", reference, "sh", "-c", script]);
    expect([await screen.exited, screen.output.replaceAll("\r", "")]).toEqual([0, "0\nroot:"]);
  });

  // CVE-2025-52881: a write to /proc/sys or /proc/self/attr goes to a file of the attacker's choice, or to none
  test("settings are written to the kernel's /proc, whatever is mounted over it", async () => {
    const source = directory("proc");
    for (const path of ["sys/net/ipv4", "sys/kernel", "self/attr", "thread-self/attr"])
      mkdirSync(join(source, path), { recursive: true });
    for (const path of [
      "sys/net/ipv4/ip_forward",
      "sys/kernel/shmmax",
      "self/attr/exec",
      "self/oom_score_adj",
      "self/setgroups",
    ])
      writeFileSync(join(source, path), "unchanged\n");
    const settings = [
      "--sysctl",
      "net.ipv4.ip_forward=1",
      "--sysctl",
      "kernel.shmmax=12345",
      "--oom-score-adj",
      "500",
    ];
    const result = await run(
      place,
      ["-v", `${source}:/proc`, ...settings],
      ["cat", "/proc/sys/net/ipv4/ip_forward"],
    );
    expectRefused(result);
    for (const path of [
      "sys/net/ipv4/ip_forward",
      "sys/kernel/shmmax",
      "self/attr/exec",
      "self/oom_score_adj",
      "self/setgroups",
    ])
      expect(readFileSync(join(source, path), "utf8")).toBe("unchanged\n");
    for (const name of [
      "..",
      "net/../../sysrq-trigger",
      "kernel/../../../self/oom_score_adj",
      "kernel.core_pattern",
      "kernel.sysrq",
    ])
      expectRefused(await run(place, ["--sysctl", `${name}=1`], ["true"]));
  });

  // CVE-2021-30465, CVE-2024-45310: while one container is made, another exchanges a directory of a shared volume for a link
  test("a directory that is exchanged for a link while a mount is made leads nowhere", async () => {
    const shared = directory("shared");
    const source = directory("race-source", { file: "source" });
    const victim = directory("race-victim", { own: "host" });
    mkdirSync(join(shared, "a"));
    symlinkSync(`${UP}${victim.slice(1)}`, join(shared, "b"));
    const swapper = [
      "run",
      "-d",
      "--name",
      "swapper",
      "-v",
      `${shared}:/s`,
      place.tiny,
      "attack",
      "swap",
      "/s/a",
      "/s/b",
    ];
    await engine.ok(swapper);
    await printed(place, "swapper", "ready");
    let worked = 0;
    for (let i = 0; i < 20; i++) {
      const options = ["-v", `${shared}:/s`, "-v", `${source}:/s/a/m`, "-w", "/s/a/w"];
      const script = `find / -xdev -name own 2>/dev/null; cat /s/a/../../${victim}/own 2>/dev/null; echo end`;
      const result = await run(place, options, ["sh", "-c", script]);
      if (result.exitCode === 0) worked += result.stdout === "end\n" ? 1 : 1000;
      else expectRefused(result);
      expect(readdirSync(victim)).toEqual(["own"]);
    }
    expect(worked).toBeLessThan(1000);
    await engine.ok(["rm", "-f", "swapper"]);
    expect(lstatSync(join(victim, "own")).isFile()).toBe(true);
  });

  // the same with what proa itself mounts: the masks of /proc cannot be raced for, /dev can, when it is a shared volume
  test("a /dev that is exchanged while a terminal is made leads nowhere", async () => {
    const victim = place.victim("pts-victim");
    const shared = directory("shared-dev");
    for (const name of ["console", "null"]) {
      writeFileSync(join(shared, name), "");
      symlinkSync(`${UP}${victim.path.slice(1)}`, join(shared, `${name}-link`));
    }
    for (const name of ["console", "null"]) {
      const command = ["attack", "swap", `/s/${name}`, `/s/${name}-link`];
      await engine.ok([
        "run",
        "-d",
        "--name",
        `swapper-${name}`,
        "-v",
        `${shared}:/s`,
        place.tiny,
        ...command,
      ]);
      await printed(place, `swapper-${name}`, "ready");
    }
    for (let i = 0; i < 12; i++) {
      const script = "cat /proc/kcore /proc/keys 2>/tmp/x | wc -c; head -c 5 /etc/passwd";
      const screen = engine.pty([
        "run",
        "--rm",
        "-t",
        "-v",
        `${shared}:/dev`,
        place.tiny,
        "sh",
        "-c",
        script,
      ]);
      if ((await screen.exited) === 0) expect(screen.output.replaceAll("\r", "")).toBe("0\nroot:");
      expect(victim.isUntouched()).toBe(true);
    }
    await engine.ok(["rm", "-f", "swapper-console", "swapper-null"]);
  });

  test("a container's mounts are seen by nobody else, not even with shared propagation", async () => {
    const source = directory("propagation", { file: "host" });
    const options = [
      "--cap-add",
      "ALL",
      "--security-opt",
      "seccomp=unconfined",
      "-v",
      `${source}:/m:rshared`,
    ];
    const script =
      "mkdir -p /m/x && mount -t tmpfs evil /m/x && mount -t tmpfs evil /m && touch /m/x 2>/dev/null; echo ready; sleep 1000";
    const started = await engine.proa([
      "run",
      "-d",
      "--name",
      "sharer",
      ...options,
      place.tiny,
      "sh",
      "-c",
      script,
    ]);
    if (started.exitCode !== 0) {
      expect(started.stderr).toContain("shared"); // refused is as good
    } else {
      await printed(place, "sharer", "ready");
      expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain("evil");
      expect(readdirSync(source).sort()).toEqual(["file", "x"]);
      expect(await shell(place, ["-v", `${source}:/m`], "cat /proc/mounts")).not.toContain("evil");
    }
    await engine.ok(["rm", "-f", "sharer"]);
  });

  test("a read-only volume cannot be written to by the ways around it", async () => {
    const source = directory("read-only", { file: "host" });
    const script = [
      "mount -o remount,rw,bind /m; mount -o remount,rw /m; umount /m",
      "mkdir /n; mount -o bind /m /n; mount -o remount,rw,bind /n; unshare -rm mount -o remount,rw,bind /m",
      "echo evil >/m/file; echo evil >/n/file; echo evil >/proc/1/root/m/file; cat /m/file",
    ].join("; ");
    const result = await run(place, ["-v", `${source}:/m:ro`], ["sh", "-c", `(${script}) 2>/dev/null`]);
    expect(result.stdout).toContain("host");
    expect(readFileSync(join(source, "file"), "utf8")).toBe("host");
  });

  test("nothing is left of all these", () => removeAll(place));
});
