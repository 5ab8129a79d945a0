/** `--security-opt` and what else decides the rights of a container's process. */
import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing, useTiny } from "../../harness";
import { detach, inspect, removeAll, run, shell } from "./_shell";

const uid = process.getuid?.() ?? 0;
const hasSelinux = existsSync("/sys/fs/selinux/enforce");
const hasApparmor = existsSync("/sys/module/apparmor/parameters/enabled");

describe.skipIf(missing !== null || uid === 0)("rights", () => {
  const place = useTiny();
  const { engine } = place;

  afterEach(() => removeAll(place));

  const masks = (options: string[]): Promise<string> =>
    shell(
      place,
      options,
      "cut -d' ' -f5 /proc/self/mountinfo | grep -E '^/(proc|sys)/' | sort | tr '\\n' ' '",
    );

  test("systempaths=unconfined and unmask=ALL leave nothing masked or read-only", async () => {
    const usual = await masks([]);
    expect(usual).toContain("/proc/interrupts /proc/irq");
    const none = await masks(["--security-opt", "systempaths=unconfined"]);
    expect(none).not.toContain("/proc/");
    expect(await masks(["--security-opt", "unmask=ALL"])).toBe(none);
    await detach(place, "bare", ["sleep", "1000"], ["--security-opt", "systempaths=unconfined"]);
    expect(
      await inspect(place, "bare", "{{json .HostConfig.MaskedPaths}} {{json .HostConfig.ReadonlyPaths}}"),
    ).toBe("[] []");
  });

  test("unmask=PATHS shows these, mask=PATHS hides more", async () => {
    const unmasked = await masks(["--security-opt", "unmask=/proc/interrupts:/proc/sys"]);
    expect(unmasked).not.toMatch(/\/proc\/(interrupts|sys) /);
    expect(unmasked).toContain("/proc/irq");
    expect(await masks(["--security-opt", "unmask=/proc/*"])).not.toContain("/proc/");
    const masked = ["--security-opt", "mask=/etc/passwd:/home"];
    expect(
      await shell(
        place,
        masked,
        "cat /etc/passwd | wc -c; ls /home | wc -l; touch /home/x 2>/dev/null || echo closed",
      ),
    ).toBe("0\n0\nclosed");
  });

  test("proc-opts are options of the /proc", async () => {
    const text = await shell(
      place,
      ["--security-opt", "proc-opts=hidepid=invisible"],
      "grep ' /proc proc ' /proc/self/mounts",
    );
    expect(text).toContain("hidepid=invisible");
  });

  test("writable-cgroups and unmask=/sys/fs/cgroup do not mount cgroups read-only", async () => {
    const options = async (more: string[]): Promise<string[]> => {
      await detach(place, "cgroups", ["sleep", "1000"], more);
      const id = await inspect(place, "cgroups", "{{.Id}}");
      const config = JSON.parse(
        readFileSync(join(engine.sandbox.dataHome, "proa", "containers", id, "config.json"), "utf8"),
      );
      await engine.ok(["rm", "-f", "cgroups"]);
      return config.mounts.find((mount: { destination: string }) => mount.destination === "/sys/fs/cgroup")
        .options;
    };
    expect(await options([])).toContain("ro");
    expect(await options(["--security-opt", "writable-cgroups"])).not.toContain("ro");
    expect(await options(["--security-opt", "writable-cgroups=false"])).toContain("ro");
    expect(await options(["--security-opt", "unmask=/sys/fs/cgroup"])).not.toContain("ro");
  });

  test("label=disable and apparmor=unconfined hold anyway; other labels are answered with a word", async () => {
    expect(
      await shell(
        place,
        [
          "--security-opt",
          "label=disable",
          "--security-opt",
          "apparmor=unconfined",
          "--security-opt",
          "label:disable",
        ],
        "echo fine",
      ),
    ).toBe("fine");
    const label = await run(place, ["--security-opt", "label=type:spc_t"], ["echo", "fine"]);
    if (hasSelinux) expect(label.stderr).toContain("cannot choose the label");
    else
      expect(label).toMatchObject({
        stdout: "fine\n",
        stderr: expect.stringContaining("label=type:spc_t has no effect: this host has no SELinux"),
      });
    const profile = await run(place, ["--security-opt", "apparmor=mine"], ["true"]);
    expect(profile.stderr).toStartWith(
      `Error: security option: apparmor=mine: ${hasApparmor ? "an ordinary user cannot load or choose AppArmor profiles" : "this host has no AppArmor"}\n`,
    );
    expect(profile.exitCode).toBe(125);
  });

  test("no-new-privileges with and without a value", async () => {
    const flag = (option: string): Promise<string> =>
      shell(place, ["--security-opt", option], "grep NoNewPrivs /proc/self/status | cut -f2");
    expect(await flag("no-new-privileges")).toBe("1");
    expect(await flag("no-new-privileges:true")).toBe("1");
    expect(await flag("no-new-privileges=false")).toBe("0");
    expect(await flag("no-new-privileges:false")).toBe("0");
  });

  test("seccomp=FILE forbids what it says, unconfined nothing", async () => {
    const path = join(engine.sandbox.home, "profile.json");
    writeFileSync(
      path,
      JSON.stringify({
        defaultAction: "SCMP_ACT_ALLOW",
        syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO" }],
      }),
    );
    expect(
      await shell(place, ["--security-opt", `seccomp=${path}`], "mkdir /x 2>/dev/null || echo forbidden"),
    ).toBe("forbidden");
    expect(
      await shell(
        place,
        ["--security-opt", "seccomp=unconfined"],
        "grep Seccomp: /proc/self/status | cut -f2",
      ),
    ).toBe("0");
  });

  test("--seccomp-policy image takes the profile of the label", async () => {
    const profile = JSON.stringify({
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO" }],
    });
    const label = ["--label", `io.containers.seccomp.profile=${profile}`];
    expect(
      await shell(place, [...label, "--seccomp-policy", "image"], "mkdir /x 2>/dev/null || echo forbidden"),
    ).toBe("forbidden");
    expect(await shell(place, label, "mkdir /x && echo made")).toBe("made");
    expect((await run(place, ["--seccomp-policy", "other"], ["true"])).exitCode).toBe(125);
  });

  test.each([
    [["--security-opt", "bogus"], "security option: bogus: unknown option"],
    [["--security-opt", "mask=relative"], "security option: mask=relative: expected mask=/PATH[:/PATH…]"],
    [["--umask", "999"], "umask: 999: expected an octal number up to 0777"],
    [["--personality", "BSD"], "personality: BSD: expected LINUX or LINUX32"],
    [
      ["--group-add", "keep-groups", "--group-add", "app"],
      "--group-add: keep-groups: it is not allowed with any other",
    ],
    [["--hostuser", "nobody-of-this-name"], "hostuser: nobody-of-this-name: no such user on this host"],
    [["-u", "nosuch"], "find user: nosuch: no such user in the image's /etc/passwd"],
    [["-u", "0:nosuch"], "find group: 0:nosuch: no such group in the image's /etc/group"],
    [["--ulimit", "bogus=1"], 'ulimit: bogus=1: unknown limit "bogus"'],
    [["--cap-add", "BOGUS"], "capability: BOGUS: no such capability"],
    [["--chrootdirs", "relative"], "chrootdirs: relative: it must be an absolute path in the container"],
  ])("%p is refused", async (options, message) => {
    const result = await run(place, options, ["true"]);
    expect(result.stderr).toStartWith(`Error: ${message}`);
    expect(result.exitCode).toBe(125);
  });

  test("--cap-add and --cap-drop take several names, in every spelling", async () => {
    const effective = (options: string[]): Promise<string> =>
      shell(place, options, "grep CapEff /proc/self/status | cut -f2");
    expect(await effective(["--cap-drop", "all", "--cap-add", "chown,CAP_KILL"])).toBe("0000000000000021");
  });

  test("--umask is the process's, and exec's too", async () => {
    expect(await shell(place, ["--umask", "077"], "umask")).toBe("0077");
    expect(await shell(place, [], "umask")).toBe("0022");
    await detach(place, "masked", ["sleep", "1000"], ["--umask", "0002"]);
    expect(await engine.ok(["exec", "masked", "sh", "-c", "umask"])).toBe("0002");
    expect(await inspect(place, "masked", "{{.Config.Umask}}")).toBe("0002");
  });

  test.skipIf(process.arch !== "x64")("--personality LINUX32 looks like a machine of 32 bits", async () => {
    expect(await shell(place, ["--personality", "LINUX32"], "uname -m")).toBe("i686");
    expect(await shell(place, ["--personality", "linux"], "uname -m")).toBe("x86_64");
    await detach(place, "old", ["sleep", "1000"], ["--personality", "LINUX32"]);
    expect(await engine.ok(["exec", "old", "uname", "-m"])).toBe("i686");
  });

  test("--oom-score-adj below one's own is answered with a word", async () => {
    const own = readFileSync("/proc/self/oom_score_adj", "utf8").trim();
    const result = await run(place, ["--oom-score-adj", "-999"], ["cat", "/proc/self/oom_score_adj"]);
    expect(result.stdout).toBe(`${own}\n`);
    expect(result.stderr).toContain(
      `--oom-score-adj -999 is below your own ${own}, which only root may go below: ${own} is used`,
    );
    expect(await shell(place, ["--oom-score-adj", "900"], "cat /proc/self/oom_score_adj")).toBe("900");
  });

  test("--ulimit: by its names, and host", async () => {
    expect(
      await shell(
        place,
        ["--ulimit", "nofile=100:200", "--ulimit", "RLIMIT_CORE=0"],
        "ulimit -n; ulimit -Hn; ulimit -c",
      ),
    ).toBe("100\n200\n0");
    const text = await shell(
      place,
      ["--ulimit", "host"],
      "grep 'Max open files' /proc/self/limits | tr -s ' '",
    );
    const own = readFileSync("/proc/self/limits", "utf8").match(/^Max open files +(\S+) +(\S+)/m);
    expect(text).toStartWith(`Max open files ${own?.[1]} ${own?.[2]}`);
  });

  test("a user that the image does not know has a line in /etc/passwd, unless that is not wanted", async () => {
    expect(await shell(place, ["-u", "1234"], "tail -1 /etc/passwd; whoami; echo $HOME")).toBe(
      "1234:*:1234:0:container user:/:/bin/sh\n1234\n/",
    );
    expect(
      await shell(place, ["-u", "1234:4321", "-w", "/tmp"], "tail -1 /etc/passwd; tail -1 /etc/group"),
    ).toBe("1234:*:1234:4321:container user:/tmp:/bin/sh\n4321:x:4321:1234");
    const own = "$USERNAME:x:$UID:$GID:mine:/srv:/bin/false";
    expect(
      await shell(place, ["-u", "1234", "--passwd-entry", own], "tail -1 /etc/passwd; echo $HOME"),
    ).toContain("1234:x:1234:0:mine:/srv:/bin/false");
    expect(
      await shell(place, ["-u", "1234:55", "--group-entry", "g$GID:x:$GID:$USERLIST"], "tail -1 /etc/group"),
    ).toBe("g55:x:55:1234");
    expect(await shell(place, ["-u", "1234", "--passwd=false"], "grep -c 1234 /etc/passwd || true")).toBe(
      "0",
    );
    expect(await shell(place, ["-u", "app"], "grep -c . /etc/passwd")).toBe("3");
  });

  test("--hostuser brings users of the host", async () => {
    const line = readFileSync("/etc/passwd", "utf8")
      .split("\n")
      .find((each) => each.split(":")[2] === String(uid));
    const [name = "", , id, gid] = line?.split(":") ?? [];
    expect(await shell(place, ["--hostuser", name], `grep ^${name}: /etc/passwd | cut -d: -f3,4`)).toBe(
      `${id}:${gid}`,
    );
    expect(await shell(place, ["--hostuser", String(uid), "-u", name], "id -u; id -g; whoami")).toBe(
      `${id}\n${gid}\n${name}`,
    );
  });

  test("--group-add keep-groups keeps the caller's groups, and by default there are none of them", async () => {
    const own =
      readFileSync("/proc/self/status", "utf8")
        .match(/^Groups:\t(.*)$/m)?.[1]
        ?.trim()
        .split(" ")
        .filter(Boolean) ?? [];
    const groups = (options: string[]): Promise<string> =>
      shell(place, options, "grep Groups: /proc/self/status | cut -f2");
    expect((await groups(["-u", "app"])).trim()).toBe("1000 2000");
    expect(
      (await groups(["-u", "app", "--group-add", "keep-groups"])).trim().split(" ").filter(Boolean).length,
    ).toBe(own.length);
    expect((await groups(["--group-add", "extra", "--group-add", "77"])).trim().split(" ")).toEqual(
      expect.arrayContaining(["77", "2000"]),
    );
    await detach(place, "grouped", ["sleep", "1000"], ["-u", "app", "--group-add", "keep-groups"]);
    expect(
      (await engine.ok(["exec", "grouped", "sh", "-c", "grep Groups: /proc/self/status | cut -f2"]))
        .trim()
        .split(" ")
        .filter(Boolean).length,
    ).toBe(own.length);
  });

  test("--chrootdirs gives its files to a directory inside", async () => {
    const script = "cat /srv/jail/etc/hostname; diff /etc/hosts /srv/jail/etc/hosts && echo same";
    expect(await shell(place, ["--hostname", "jailed", "--chrootdirs", "/srv/jail"], script)).toBe(
      "jailed\nsame",
    );
  });

  test("--rootfs PATH:O is a directory that stays as it is; :idmap is refused", async () => {
    const root = join(engine.sandbox.home, "root");
    mkdirSync(join(root, "bin"), { recursive: true });
    writeFileSync(join(root, "bin/busybox"), readFileSync("/bin/busybox"), { mode: 0o755 });
    const started = await engine.proa([
      "run",
      "--rm",
      "--rootfs",
      `${root}:O`,
      "/bin/busybox",
      "sh",
      "-c",
      "echo x >/new; /bin/busybox cat /new",
    ]);
    expect(started).toMatchObject({ stdout: "x\n", exitCode: 0 });
    expect(existsSync(join(root, "new"))).toBe(false);
    const refused = await engine.proa(["run", "--rm", "--rootfs", `${root}:idmap`, "/bin/busybox", "true"]);
    expect(refused.stderr).toContain("an ordinary user cannot map the ids of a mount");
  });
});
