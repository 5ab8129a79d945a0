/** Known ways out of a container, each tried. The advisory that taught it stands with each. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { waitUntil } from "../harness/wait";
import {
  execIn,
  factsOf,
  launch,
  makePlace,
  outputOf,
  processesIn,
  removePlaces,
  runBundle,
} from "./_bundle";
import { helperMissing, helperPath } from "./_container";

setDefaultTimeout(30_000);
afterAll(removePlaces);

const isSanitized = helperPath.endsWith("-asan"); // that build is not static, and cannot run in a rootfs

const sh = (script: string): string[] => ["sh", "-c", script];
const everything = Array.from({ length: 41 }, (_, i) => i);
const allCapabilities = readFileSync("/usr/include/linux/capability.h", { encoding: "utf8", flag: "r" })
  .split("\n")
  .flatMap((line) => /^#define (CAP_[A-Z_]+)\s+\d+$/.exec(line)?.[1] ?? [])
  .slice(0, everything.length);

/** As with --privileged: every capability in the container's user namespace, and no filter. */
const privileged = (config: {
  process: { capabilities: Record<string, string[]> };
  linux: { seccomp?: unknown };
}) => {
  config.process.capabilities = {
    bounding: allCapabilities,
    effective: allCapabilities,
    permitted: allCapabilities,
  };
  delete config.linux.seccomp;
};

const hash = (path: string): string =>
  new Bun.CryptoHasher("sha256").update(readFileSync(path)).digest("hex");

describe.skipIf(helperMissing !== undefined)(`escape${helperMissing ? ` (${helperMissing})` : ""}`, () => {
  // CVE-2019-5736: a container's program is the helper itself, whose file is then overwritten.
  test.skipIf(isSanitized)(
    "the helper's executable cannot be written through /proc/PID/exe, not even when privileged",
    async () => {
      const before = hash(helperPath);
      const { child, place } = launch(["sh", "-c", "echo up; exec sleep 1000"], {
        config: privileged as never,
      });
      await child.stdout.getReader().read();
      // it waits in the container for a request on its stdin
      const inside = execIn(place, ["/proc/self/exe", "features", "0"]);
      const find =
        'for p in /proc/[0-9]*; do case "$(readlink $p/exe)" in */bin/*|"") ;; *) basename $p;; esac; done';
      let pid = "";
      for (let i = 0; i < 50 && !pid; i++) {
        pid = (await new Response(execIn(place, sh(find)).stdout).text()).trim();
      }
      const answers = await new Response(execIn(place, ["probe", "exe", pid]).stdout).text();
      inside.kill("SIGKILL");
      const { pid: first } = JSON.parse(readFileSync(join(place.runDir, "state.json"), "utf8"));
      process.kill(first, "SIGKILL");
      await child.exited;

      expect(pid).toMatch(/^\d+$/);
      expect(answers).toContain("write ");
      expect(answers).not.toContain("opened");
      expect(hash(helperPath)).toBe(before);
    },
  );

  test.skipIf(isSanitized)("a copy in memory is sealed where an overlay cannot be had", async () => {
    const place = makePlace();
    const odd = join(place.path, "a:b"); // no name for an overlay's option
    mkdirSync(odd);
    copyFileSync(helperPath, join(odd, "proa-helper"));
    const sealedAs = async (helper: string): Promise<string> => {
      const started = launch(["/proc/self/exe", "features", "0"], { helper });
      const state = join(started.place.runDir, "state.json");
      await waitUntil(() => existsSync(state));
      const link = readlinkSync(`/proc/${JSON.parse(readFileSync(state, "utf8")).pid}/exe`);
      await started.child.stdin.end();
      expect(await started.child.exited).toBe(1);
      return link;
    };

    expect(await sealedAs(join(odd, "proa-helper"))).toBe("/memfd:proa-helper (deleted)");
    expect(await sealedAs(helperPath)).toBe("/proa-helper");
  });

  test.skipIf(isSanitized)(
    "an entry point of #!/proc/self/exe gets a helper that does nothing for it",
    async () => {
      const place = makePlace();
      writeFileSync(join(place.rootfs, "opt/bin/entry"), "#!/proc/self/exe\n", { mode: 0o755 });
      const outcome = await runBundle(["entry"], { place });

      expect(outcome.exitCode).toBe(125);
      expect(outcome.stderr).toContain("usage: proa-helper");
    },
  );

  // CVE-2024-21626: a descriptor of the host's file system as working directory or as the way to the program.
  test("descriptors of the helper are no way out, neither as working directory nor to a program", async () => {
    for (let fd = 3; fd < 16; fd++) {
      const cwd = await runBundle(sh("pwd"), {
        config: (c) => {
          c.process.cwd = `/proc/self/fd/${fd}`;
        },
      });
      const program = await runBundle([`/proc/self/fd/${fd}/../../../../bin/sh`, "-c", "echo out"]);

      expect(factsOf(cwd)).toMatchObject({ step: "enter working directory" });
      expect(factsOf(program)).toMatchObject({ step: "execute", exit: 127 });
    }
  });

  // CVE-2021-30465, CVE-2018-15664: a link in the image at the place of a mount.
  test("a mount point that is a link stays in the rootfs", async () => {
    const place = makePlace();
    const source = join(place.path, "source");
    const victim = join(place.path, "victim");
    mkdirSync(source);
    mkdirSync(victim);
    writeFileSync(join(source, "file"), "source\n");
    symlinkSync("/etc/deep", join(place.rootfs, "absolute"));
    symlinkSync("../../../../../../../../etc/up", join(place.rootfs, "relative"));
    symlinkSync(victim, join(place.rootfs, "outside"));
    const output = await outputOf(sh("cat /etc/deep/file /etc/up/file /outside/file; ls /outside"), {
      place,
      config: (c) => {
        for (const destination of ["/absolute", "/relative", "/outside/sub/../.", "/outside"])
          c.mounts.push({ destination, source, options: ["rbind"] });
      },
    });

    expect(output).toBe("source\nsource\nsource\nfile");
    expect(readdirSync(victim)).toEqual([]);
    expect(existsSync("/etc/deep") || existsSync("/etc/up")).toBe(false);
  });

  // CVE-2023-28642, CVE-2019-19921: /proc is a link, and what is written to /proc goes where the image wants.
  test("/proc and /sys that are links are refused", async () => {
    for (const name of ["proc", "sys"]) {
      const place = makePlace();
      Bun.spawnSync(["rmdir", join(place.rootfs, name)]);
      symlinkSync("/tmp", join(place.rootfs, name));

      expect(factsOf(await runBundle(["true"], { place }))).toMatchObject({
        object: `/${name}`,
        errno: "ELOOP",
      });
    }
  });

  // CVE-2025-31133, CVE-2025-52565: /dev/null or /dev/console replaced by a link while paths are masked.
  test("a /dev of the image cannot make masks or devices land elsewhere", async () => {
    const place = makePlace();
    for (const name of ["null", "console", "pts"])
      symlinkSync("/etc/victim", join(place.rootfs, "dev", name));
    mkdirSync(join(place.rootfs, "etc"), { recursive: true });
    writeFileSync(join(place.rootfs, "etc/victim"), "untouched\n");
    const withoutDev = (c: { mounts: { destination: string }[] }) => {
      c.mounts = c.mounts.filter(({ destination }) => !destination.startsWith("/dev"));
    };

    expect(factsOf(await runBundle(["true"], { place, config: withoutDev as never }))).toMatchObject({
      errno: "ELOOP",
    });
    expect(await outputOf(sh("cat /etc/victim; cat /proc/keys"), { place })).toBe("untouched");
  });

  // CVE-2022-0492 and its kind: the host's cgroups, its sysctls, its devices.
  test("even privileged, the host's cgroups, sysctls and disks stay out of reach", async () => {
    const output = await outputOf(
      sh(
        "mount -t cgroup -o memory x /tmp 2>/dev/null && (echo /x >/tmp/release_agent) 2>/dev/null && echo cgroup;" +
          "(echo x >/proc/sys/kernel/core_pattern) 2>/dev/null && echo core;" +
          "(echo b >/proc/sysrq-trigger) 2>/dev/null && echo sysrq;" +
          "mount -o remount,rw /sys 2>/dev/null; (echo 1 >/sys/kernel/uevent_helper) 2>/dev/null && echo uevent;" +
          "echo end",
      ),
      { config: privileged as never },
    );

    expect(output).toBe("end");
  });

  // CVE-2016-9962: the process that joins is open to those already there, with the host's descriptors in it.
  test("a process on its way in cannot be looked into", async () => {
    const script = `echo up; while :; do for p in /proc/[0-9]*; do [ $p = /proc/1 ] || ls -l $p/fd 2>/dev/null; done; done`;
    const { child, place } = launch(sh(script), { config: privileged as never });
    const reader = child.stdout.getReader();
    await reader.read();
    let seen = "";
    const reading = (async () => {
      for (let part = await reader.read(); !part.done; part = await reader.read())
        seen += new TextDecoder().decode(part.value);
    })();
    for (let i = 0; i < 10; i++) await execIn(place, ["true"]).exited;
    const { pid } = JSON.parse(readFileSync(join(place.runDir, "state.json"), "utf8"));
    process.kill(pid, "SIGKILL");
    await child.exited;
    await reading;

    expect(seen).not.toContain(place.path);
    expect(seen).not.toContain("memfd");
  });

  test("what failed half way leaves neither process nor mount", async () => {
    const place = makePlace();
    const outcome = await runBundle(["true"], {
      place,
      config: (c) => {
        c.process.rlimits = [{ type: "RLIMIT_NOFILE", soft: 5, hard: 1 }];
      },
    });

    expect(factsOf(outcome)).toMatchObject({ step: "set resource limit", errno: "EINVAL" });
    expect(processesIn(place)).toEqual([]);
    expect(readFileSync("/proc/self/mounts", "utf8")).not.toContain(place.path);
    expect(lstatSync(join(place.bundle, "rootfs")).isDirectory()).toBe(true);
    expect(readdirSync(join(place.bundle, "rootfs"))).toEqual([]);
  });
});
