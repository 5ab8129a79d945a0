import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { hostMappings } from "../../src/helper/mappings";
import {
  execIn,
  factsOf,
  launch,
  makePlace,
  outputOf,
  overlay,
  processesIn,
  removePlaces,
  runBundle,
} from "./_bundle";
import { helperMissing, helperPath } from "./_container";

setDefaultTimeout(30_000);
afterAll(removePlaces);

const missing = helperMissing;
const suffix = missing ? ` (${missing})` : "";
const isRoot = process.getuid?.() === 0;
const isRange = hostMappings().kind === "range";
const sh = (script: string): string[] => ["sh", "-c", script];

describe.skipIf(missing !== undefined)(`namespaces${suffix}`, () => {
  const kinds = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"];
  const hostNamespace = (kind: string): string => readlinkSync(`/proc/self/ns/${kind}`);

  test("are all seven the container's own", async () => {
    const output = await outputOf(sh(kinds.map((kind) => `readlink /proc/self/ns/${kind}`).join(";")));

    output.split("\n").forEach((name, i) => {
      expect(name).toMatch(/^\w+:\[\d+\]$/);
      expect(name).not.toBe(hostNamespace(kinds[i] ?? ""));
    });
  });

  test("that the bundle does not name are the host's, with the host's view of them", async () => {
    const output = await outputOf(
      sh("readlink /proc/self/ns/net; ls /sys/class/net; grep -c . /proc/net/dev"),
      {
        config: (c) => {
          c.linux.namespaces = c.linux.namespaces.filter(({ type }) => type !== "network");
        },
      },
    );

    expect(output.split("\n")[0]).toBe(hostNamespace("net"));
  });

  test("without a pid namespace the host's processes are seen, by what is masked no more", async () => {
    const output = await outputOf(sh('readlink /proc/self/ns/pid; cat /proc/keys; echo "keys $?"'), {
      config: (c) => {
        c.linux.namespaces = c.linux.namespaces.filter(({ type }) => type !== "pid");
      },
    });

    expect(output).toBe(`${hostNamespace("pid")}\nkeys 0`);
  });

  test("of another container are joined by their paths", async () => {
    const first = launch(["sh", "-c", "echo up; cat"]);
    const reader = first.child.stdout.getReader();
    await reader.read();
    const { pid } = JSON.parse(readFileSync(join(first.place.runDir, "state.json"), "utf8"));
    const output = await outputOf(
      sh("readlink /proc/self/ns/net; readlink /proc/self/ns/user; id -u; hostname"),
      {
        config: (c) => {
          c.linux.namespaces = [
            { type: "user", path: `/proc/${pid}/ns/user` },
            { type: "network", path: `/proc/${pid}/ns/net` },
            ...["mount", "pid", "ipc", "uts"].map((type) => ({ type })),
          ];
          c.hostname = "second";
        },
      },
    );
    const theirs = ["net", "user"].map((kind) => readlinkSync(`/proc/${pid}/ns/${kind}`));
    await first.child.stdin.end();

    expect(output).toBe([...theirs, "0", "second"].join("\n"));
    expect(await first.child.exited).toBe(0);
  });

  test("are not joined when the path leads to another one by now", async () => {
    const first = launch(["sh", "-c", "echo up; cat"]);
    await first.child.stdout.getReader().read();
    const { pid } = JSON.parse(readFileSync(join(first.place.runDir, "state.json"), "utf8"));
    const outcome = await runBundle(["true"], {
      config: (c) => {
        c.linux.namespaces = [
          { type: "user", path: `/proc/${pid}/ns/user` },
          { type: "uts", path: `/proc/${pid}/ns/uts` },
          ...["mount", "pid", "ipc", "network"].map((type) => ({ type })),
        ];
        Object.assign(c, { annotations: { "proa.namespace.uts": "1" } });
      },
    });
    await first.child.stdin.end();

    expect(factsOf(outcome)).toMatchObject({
      step: "open namespace",
      object: `/proc/${pid}/ns/uts`,
      detail: "it is another one by now",
    });
    expect(await first.child.exited).toBe(0);
  });

  test("bring host name and a loopback device that is up, and no other", async () => {
    const output = await outputOf(sh("hostname; ip -o link; ip -o -4 addr"));

    expect(output).toMatch(/^box\n1: lo: <LOOPBACK,UP,LOWER_UP>[^\n]*\n1: lo\s+inet 127\.0\.0\.1\/8[^\n]*$/);
  });

  test("a failure to make the user namespace is told as that, with the setting that forbids it", async () => {
    const outcome = await runBundle(["true"], {
      wrap: ["unshare", "-Ur", "sh", "-c", 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"', "sh"],
    });

    expect(factsOf(outcome)).toMatchObject({ step: "create user namespace", errno: "ENOSPC", exit: 125 });
    expect(factsOf(outcome).detail).toBe("user.max_user_namespaces is 0");
    expect(outcome.exitCode).toBe(0); // of echo, in the place of proa
  });

  test.skipIf(!isRange || isRoot)("a newuidmap that refuses is quoted, and no process stays", async () => {
    const place = makePlace();
    const script = "#!/bin/sh\necho 'newuidmap: range [1-9) not allowed' >&2\nexit 1\n";
    writeFileSync(join(place.path, "newuidmap"), script, { mode: 0o755 });
    const outcome = await runBundle(["true"], { place, env: { PATH: `${place.path}:/usr/bin:/bin` } });

    expect(factsOf(outcome)).toMatchObject({
      step: "write id map",
      object: "newuidmap",
      detail: "newuidmap: range [1-9) not allowed",
    });
    expect(processesIn(place)).toEqual([]);
  });

  test.skipIf(isRoot)("a map of the own id alone needs no newuidmap", async () => {
    const output = await outputOf(
      sh("cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups; id -u"),
      {
        env: { PATH: "/nowhere" },
        config: (c) => {
          c.linux.uidMappings = [{ containerID: 0, hostID: process.getuid?.() ?? 0, size: 1 }];
          c.linux.gidMappings = [{ containerID: 0, hostID: process.getgid?.() ?? 0, size: 1 }];
          c.process.user.additionalGids = [1, 2, 3];
        },
      },
    );

    expect(output.replace(/ +/g, " ")).toBe(
      ` 0 ${process.getuid?.()} 1\n 0 ${process.getgid?.()} 1\ndeny\n0`,
    );
  });
});

describe.skipIf(missing !== undefined)(`the process${suffix}`, () => {
  const status = (keys: string) => sh(`grep -E '^(${keys})' /proc/self/status`);

  test("of root has exactly the capabilities of the bundle", async () => {
    const output = await outputOf(status("Cap"));

    expect(output.split("\n").map((line) => line.split("\t")[1])).toEqual([
      "0000000000000000",
      "00000000a80425fb",
      "00000000a80425fb",
      "00000000a80425fb",
      "0000000000000000",
    ]);
  });

  test.skipIf(!isRange)("of another user has none, and may not get them back", async () => {
    const output = await outputOf(status("Cap|Uid|Gid|Groups|NoNewPrivs"), {
      config: (c) => {
        c.process.user = { uid: 33, gid: 44, additionalGids: [5, 6] };
        c.process.noNewPrivileges = true;
      },
    });

    expect(output.replaceAll("\t", " ")).toBe(
      [
        "Uid: 33 33 33 33",
        "Gid: 44 44 44 44",
        "Groups: 5 6 ",
        "CapInh: 0000000000000000",
        "CapPrm: 0000000000000000",
        "CapEff: 0000000000000000",
        "CapBnd: 00000000a80425fb",
        "CapAmb: 0000000000000000",
        "NoNewPrivs: 1",
      ].join("\n"),
    );
  });

  test.skipIf(!isRange)("of another user has the ambient capabilities that the bundle names", async () => {
    const output = await outputOf(status("Cap"), {
      config: (c) => {
        c.process.user = { uid: 33, gid: 33 };
        c.process.capabilities.inheritable = ["CAP_NET_BIND_SERVICE"];
        c.process.capabilities.ambient = ["CAP_NET_BIND_SERVICE"];
      },
    });

    expect(output.match(/Cap(Eff|Amb):\t0000000000000400/g)).toHaveLength(2);
  });

  test("without capabilities has none, not even in the bounding set", async () => {
    const output = await outputOf(status("Cap"), {
      config: (c) => {
        c.process.capabilities = { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] };
      },
    });

    expect(output.match(/0000000000000000/g)).toHaveLength(5);
  });

  test("has no descriptors but the three", async () => {
    expect(await outputOf(["probe", "fds"])).toBe("0 1 2");
  });

  test("has no signal blocked and none ignored", async () => {
    const output = await outputOf(["cat", "/proc/self/status"]);

    expect(output).toContain("\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
  });

  test("has the environment of the bundle and nothing else", async () => {
    const output = await outputOf(["/bin/cat", "/proc/self/environ"], {
      env: { SECRET: "1" },
      config: (c) => {
        c.process.env = ["PATH=/bin", "A=b c"];
      },
    });

    expect(output).toBe("PATH=/bin\0A=b c\0");
  });

  test("has the umask, the limits and a soft limit of open files as programs expect it", async () => {
    const output = await outputOf(sh("probe umask; ulimit -n; ulimit -Hn; ulimit -c"), {
      config: (c) => {
        c.process.user.umask = 0o27;
        c.process.rlimits = [{ type: "RLIMIT_CORE", soft: 0, hard: 0 }];
      },
    });

    expect(output).toMatch(/^0027\n1024\n\d+\n0$/);
  });

  test.skipIf(process.getuid?.() === 0)(
    "a limit above the user's own is refused with both numbers",
    async () => {
      const outcome = await runBundle(["true"], {
        config: (c) => {
          c.process.rlimits = [{ type: "RLIMIT_NOFILE", soft: 1e9, hard: 1e9 }];
        },
      });

      expect(factsOf(outcome)).toMatchObject({
        step: "set resource limit",
        object: "RLIMIT_NOFILE",
        errno: "EPERM",
      });
      expect(factsOf(outcome).detail).toMatch(/^1000000000 is wanted, at most \d+ is allowed$/);
    },
  );

  test("works in a directory that is made for it", async () => {
    const output = await outputOf(sh("pwd; stat -c %u:%a ."), {
      config: (c) => {
        c.process.cwd = "/srv/app/data";
      },
    });

    expect(output).toBe("/srv/app/data\n0:755");
  });

  test("gets its oom score", async () => {
    const set = (c: { process: { oomScoreAdj: number | undefined } }) => {
      c.process.oomScoreAdj = 345;
    };

    expect(await outputOf(["cat", "/proc/self/oom_score_adj"], { config: set })).toBe("345");
  });

  test("that cannot be found is 127", async () => {
    for (const name of ["nonesuch", "/bin/nonesuch", "./nonesuch", "", "/bin/sh/x"])
      expect(factsOf(await runBundle([name]))).toMatchObject({ step: "execute", object: name, exit: 127 });
  });

  test("that is no program is 126", async () => {
    const place = makePlace();
    writeFileSync(join(place.rootfs, "opt/bin/data"), "data\n", { mode: 0o644 });
    writeFileSync(join(place.rootfs, "opt/bin/junk"), "\u0001\u0002junk\n", { mode: 0o755 });

    expect(factsOf(await runBundle(["data"], { place }))).toMatchObject({
      object: "data",
      errno: "EACCES",
      exit: 126,
    });
    expect(factsOf(await runBundle(["junk"], { place }))).toMatchObject({
      object: "junk",
      errno: "ENOEXEC",
      exit: 126,
    });
    expect(factsOf(await runBundle(["/etc"], { place }))).toMatchObject({
      object: "/etc",
      errno: "EACCES",
      exit: 126,
    });
  });

  test("whose interpreter is missing says so", async () => {
    const place = makePlace();
    writeFileSync(join(place.rootfs, "opt/bin/script"), "#!/bin/nonesuch\n", { mode: 0o755 });
    const facts = factsOf(await runBundle(["script"], { place }));

    expect(facts).toMatchObject({
      errno: "ENOENT",
      exit: 127,
      detail: "the interpreter of the program is missing",
    });
  });

  test("dies with its supervisor", async () => {
    const { child, place } = launch(["sh", "-c", "echo up; sleep 1000"]);
    await child.stdout.getReader().read();
    const { pid } = JSON.parse(readFileSync(join(place.runDir, "state.json"), "utf8"));
    const parent = Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
    process.kill(parent, "SIGKILL");
    await child.exited;
    for (let i = 0; i < 200 && existsSync(`/proc/${pid}`); i++) await Bun.sleep(10);

    expect(existsSync(`/proc/${pid}`)).toBe(false);
  });
});

describe.skipIf(missing !== undefined)(`the file system${suffix}`, () => {
  test("keeps changes in the upper directory, also at the second start, and the layers as they were", async () => {
    const place = makePlace();
    await outputOf(sh("echo 1 >/etc/new; rm -r /opt"), { place });
    const output = await outputOf(sh("cat /etc/new; ls -d /opt"), { place }).catch(String);

    expect(output).toContain("1\n");
    expect(readdirSync(join(place.upper, "etc"))).toEqual(["new"]);
    expect(readdirSync(join(place.rootfs, "etc"))).toEqual([]);
    expect(statSync(join(place.rootfs, "opt/bin")).isDirectory()).toBe(true);
  });

  test("shows the topmost of many layers, and takes names with odd letters", async () => {
    const place = makePlace();
    const lower = Array.from({ length: 60 }, (_, i) => {
      const path = join(place.path, `layer,${i}`);
      mkdirSync(path);
      writeFileSync(join(path, "who"), `${i}`);
      return path;
    });
    const rootfs = { ...overlay(place), lower: [...lower, place.rootfs] } as ReturnType<typeof overlay>;

    expect(await outputOf(["cat", "/who"], { place, rootfs })).toBe("0");
  });

  test("of the host under an overlay in memory shows its files and takes changes nobody sees", async () => {
    const output = await outputOf(
      ["/bin/sh", "-c", "cat /etc/os-release >/dev/null && touch /proof /etc/proof && ls /proof"],
      {
        rootfs: { driver: "overlay", lower: ["/"], tmpfs: true },
      },
    );

    expect(output).toBe("/proof");
    expect(existsSync("/proof") || existsSync("/etc/proof")).toBe(false);
  });

  test("that is read-only takes no file, but the mounts in it do", async () => {
    const output = await outputOf(sh("touch /file 2>&1; touch /dev/shm/file && echo ok"), {
      config: (c) => {
        c.root.readonly = true;
      },
    });

    expect(output).toBe("touch: /file: Read-only file system\nok");
  });

  test("has the default devices and links, and no more", async () => {
    const output = await outputOf(
      sh("ls /dev; echo x >/dev/null; cat /dev/null; readlink /dev/fd; readlink /dev/ptmx"),
    );

    expect(output.split("\n").join(" ")).toBe(
      "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero /proc/self/fd pts/ptmx",
    );
  });

  test("has a device of the bundle under the name the bundle gives it", async () => {
    const output = await outputOf(sh("stat -c %t:%T /dev/void /srv/null"), {
      config: (c) => {
        c.linux.devices = [
          { path: "/dev/void", type: "c", major: 1, minor: 5 },
          { path: "/srv/null", type: "c", major: 1, minor: 3 },
        ];
      },
    });

    expect(output).toBe("1:5\n1:3");
  });

  test("a device that the host does not have is named", async () => {
    const outcome = await runBundle(["true"], {
      config: (c) => {
        c.linux.devices = [{ path: "/dev/none", type: "c", major: 240, minor: 77 }];
      },
    });

    expect(factsOf(outcome)).toMatchObject({ step: "open device", object: "/dev/none", errno: "ENODEV" });
  });

  test("binds directories and files, writable or not, where there was nothing before", async () => {
    const place = makePlace();
    mkdirSync(join(place.path, "data/sub"), { recursive: true });
    chmodSync(join(place.path, "data"), 0o777);
    writeFileSync(join(place.path, "data/file"), "bound\n");
    const output = await outputOf(
      sh("cat /a/b/file /c/d; touch /a/b/new && echo new; touch /ro/x 2>&1; touch /ro/sub/x 2>&1; true"),
      {
        place,
        config: (c) => {
          const source = join(place.path, "data");
          c.mounts.push(
            { destination: "/a/b", source, options: ["rbind"] },
            { destination: "/c/d", source: join(source, "file"), type: "bind", options: ["bind", "ro"] },
            { destination: "/ro", source, options: ["rbind", "ro", "nosuid", "rprivate"] },
          );
        },
      },
    );

    expect(output).toBe(
      "bound\nbound\nnew\ntouch: /ro/x: Read-only file system\ntouch: /ro/sub/x: Read-only file system",
    );
    expect(existsSync(join(place.path, "data/new"))).toBe(true);
  });

  test("a mount's source that is missing is named, and nothing stays behind", async () => {
    const outcome = await runBundle(["true"], {
      config: (c) => void c.mounts.push({ destination: "/a", source: "/nonesuch", options: ["bind"] }),
    });

    expect(factsOf(outcome)).toMatchObject({
      step: "open mount source",
      object: "/nonesuch",
      errno: "ENOENT",
    });
    expect(processesIn(outcome.place)).toEqual([]);
    expect(readFileSync("/proc/self/mounts", "utf8")).not.toContain(outcome.place.path);
  });

  test("an unknown file system or option is named", async () => {
    const mountWith = (type: string, options: string[]) =>
      runBundle(["true"], {
        config: (c) => void c.mounts.push({ destination: "/a", source: "x", type, options }),
      });

    expect(factsOf(await mountWith("nonesuchfs", []))).toMatchObject({
      step: "mount",
      object: "/a",
      errno: "ENODEV",
    });
    expect(factsOf(await mountWith("tmpfs", ["nonesuch=1"])).detail).toContain("nonesuch");
  });

  test("masked paths are empty, read-only paths cannot be written", async () => {
    const output = await outputOf(
      sh(
        "cat /proc/keys /proc/timer_list; ls /sys/firmware /proc/acpi; echo 1 2>&1 >/proc/sys/kernel/domainname; touch /sys/firmware/x 2>&1; true",
      ),
    );

    expect(output.replace(/^.*(can't create)/gm, "$1")).toBe(
      [
        "/proc/acpi:",
        "",
        "/sys/firmware:",
        "can't create /proc/sys/kernel/domainname: Read-only file system",
        "touch: /sys/firmware/x: Read-only file system",
      ].join("\n"),
    );
  });

  test("a sysctl of the container's own namespaces is set, one of the host's is refused", async () => {
    const key = "net.ipv4.ip_unprivileged_port_start";
    const set = await outputOf(["cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start"], {
      config: (c) => {
        c.linux.sysctl = { [key]: "80" };
      },
    });
    const refused = await runBundle(["true"], {
      config: (c) => {
        c.linux.sysctl = { "kernel.panic": "1" };
      },
    });

    expect(set).toBe("80");
    expect(factsOf(refused)).toMatchObject({ step: "set sysctl", object: "kernel.panic" });
  });

  test.skipIf(process.getuid?.() === 0)(
    "a map of one id has devpts without the group of terminals",
    async () => {
      const output = await outputOf(sh("grep devpts /proc/mounts"), {
        config: (c) => {
          c.linux.uidMappings = [{ containerID: 0, hostID: process.getuid?.() ?? 0, size: 1 }];
          c.linux.gidMappings = [{ containerID: 0, hostID: process.getgid?.() ?? 0, size: 1 }];
        },
      });

      expect(output).toContain("mode=620,ptmxmode=666");
      expect(output).not.toContain("gid=");
    },
  );

  test.skipIf(!isRange)("a user that is not root can write to the pipes by their names", async () => {
    const outcome = await runBundle(sh("echo out >/dev/stdout; echo err >/dev/stderr"), {
      config: (c) => {
        c.process.user = { uid: 33, gid: 33 };
      },
    });

    expect(outcome).toMatchObject({ stdout: "out\n", stderr: "err\n", exitCode: 0 });
  });

  const fuse = "/usr/bin/fuse-overlayfs";
  const fuseMissing = !existsSync(fuse)
    ? "no fuse-overlayfs"
    : !existsSync("/dev/fuse")
      ? "no /dev/fuse"
      : isRoot
        ? "root's directories are closed to the root of the ids"
        : undefined;
  test.skipIf(fuseMissing !== undefined)(
    `by fuse-overlayfs works alike${fuseMissing ? ` (${fuseMissing})` : ""}`,
    async () => {
      const place = makePlace();
      const { upper, work } = place;
      const output = await outputOf(sh("touch /etc/new; ls /etc; grep ' / ' /proc/mounts"), {
        place,
        rootfs: { driver: "fuse-overlayfs", program: fuse, lower: [place.rootfs], upper, work },
      });

      expect(output).toMatch(/^new\nfuse-overlayfs \/ fuse /);
      expect(readdirSync(join(upper, "etc"))).toEqual(["new"]);
    },
  );

  test.skipIf(fuseMissing !== undefined)("a fuse-overlayfs that fails is quoted", async () => {
    const place = makePlace();
    const outcome = await runBundle(["true"], {
      place,
      rootfs: {
        driver: "fuse-overlayfs",
        program: fuse,
        lower: [join(place.path, "none")],
        upper: place.upper,
        work: place.work,
      },
    });

    expect(factsOf(outcome).detail).toContain("fuse-overlayfs");
    expect(processesIn(place)).toEqual([]);
  });
});

describe.skipIf(missing !== undefined)(`seccomp${suffix}`, () => {
  test("forbids the kernel's keys and what the profile does not know", async () => {
    const numbers = process.arch === "arm64" ? ["217", "219"] : ["248", "250"]; // add_key, keyctl
    const output = await outputOf([
      "probe",
      "syscall",
      numbers[0] ?? "",
      "syscall",
      numbers[1] ?? "",
      "syscall",
      "999",
    ]);

    expect(output).toBe("EPERM\nEPERM\nENOSYS");
  });

  test("is compiled once and then read; a file that cannot be a filter is made anew", async () => {
    const place = makePlace();
    const seccompCache = join(place.path, "filter.bpf");
    const ask = () => outputOf(["probe", "syscall", "999"], { place, seccompCache });
    await ask();
    const first = readFileSync(seccompCache);

    expect(statSync(seccompCache).mode & 0o777).toBe(0o600);
    expect(await ask()).toBe("ENOSYS");
    writeFileSync(seccompCache, first.subarray(0, first.length - 3));
    expect(await ask()).toBe("ENOSYS");
    expect(readFileSync(seccompCache).equals(first)).toBe(true);
    chmodSync(seccompCache, 0o622);
    await ask();
    expect(statSync(seccompCache).mode & 0o777).toBe(0o600);
  });

  test("an action that cannot be is named", async () => {
    const outcome = await runBundle(["true"], {
      config: (c) => {
        c.linux.seccomp.defaultAction = "SCMP_ACT_SMILE";
      },
    });

    expect(factsOf(outcome)).toMatchObject({ step: "compile seccomp filter", object: "SCMP_ACT_SMILE" });
  });

  test("holds for every capability set, with and without no_new_privs", async () => {
    for (const noNewPrivileges of [false, true]) {
      const output = await outputOf(sh("grep Seccomp: /proc/self/status"), {
        config: (c) => {
          c.process.noNewPrivileges = noNewPrivileges;
          c.process.capabilities = {
            bounding: [],
            effective: [],
            permitted: [],
            inheritable: [],
            ambient: [],
          };
        },
      });
      expect(output).toBe("Seccomp:\t2");
    }
  });
});

describe.skipIf(missing !== undefined)(`another runtime${suffix}`, () => {
  for (const runtime of ["/usr/bin/crun", "/usr/sbin/runc"]) {
    const skipped = !existsSync(runtime) || isRoot;

    test.skipIf(skipped)(`${runtime} runs the same bundle`, async () => {
      const place = makePlace();
      const outcome = await runBundle(
        sh("hostname; id -u; touch /etc/new; grep Seccomp: /proc/self/status; exit 7"),
        { place, runtime },
      );

      expect(outcome).toMatchObject({ stdout: "box\n0\nSeccomp:\t2\n", stderr: "", exitCode: 7 });
      expect(readdirSync(join(place.upper, "etc"))).toEqual(["new"]);
    });

    test.skipIf(skipped)(
      `${runtime} starts a further process in it, and dies with its supervisor`,
      async () => {
        const { child, place } = launch(sh("echo up; sleep 1000"), { runtime });
        await child.stdout.getReader().read();
        const further = execIn(place, sh("readlink /proc/self/ns/uts; hostname; exit 5"));
        const output = await new Response(further.stdout).text();
        const { pid } = JSON.parse(readFileSync(join(place.runDir, "state.json"), "utf8"));
        const outer = readlinkSync(`/proc/${pid}/ns/uts`);
        process.kill(pid, "SIGKILL");

        expect(output.split("\n")[0]).not.toBe(outer);
        expect(output.split("\n")[1]).toBe("box");
        expect(await further.exited).toBe(5);
        expect(await child.exited).toBe(137);
        expect(processesIn(place)).toEqual([]);
      },
    );
  }
});

const strace = "/usr/bin/strace";
const faultsMissing =
  missing ??
  (helperPath.endsWith("-asan")
    ? "the leak sanitizer does not work under strace"
    : existsSync(strace)
      ? undefined
      : "no strace");

describe.skipIf(faultsMissing !== undefined || isRoot)(
  `a system call that fails${faultsMissing ? ` (${faultsMissing})` : ""}`,
  () => {
    // Those of the stage, in about their order. The first fsopen() is for sealing the helper, which has a second way.
    const calls = [
      "unshare:1",
      "fsopen:1",
      "fsopen:2",
      "open_tree:1",
      "fsconfig:9",
      "fsmount:2",
      "move_mount:1",
      "move_mount:12",
      "mount_setattr:2",
      "openat2:2",
      "mknodat:1",
      "symlinkat:2",
      "sethostname:1",
      "pivot_root:1",
      "umount2:1",
      "capset:1",
      "setgroups:1",
      "seccomp:1",
      "close_range:3",
      "setrlimit,prlimit64:2",
    ];

    for (const call of calls) {
      const [name, when] = call.split(":");

      test(`${name}, call ${when}: is told, and leaves nothing`, async () => {
        const outcome = await runBundle(["true"], {
          // newuidmap has no rights under strace
          config: (c) => {
            c.linux.uidMappings = [{ containerID: 0, hostID: process.getuid?.() ?? 0, size: 1 }];
            c.linux.gidMappings = [{ containerID: 0, hostID: process.getgid?.() ?? 0, size: 1 }];
          },
          wrap: [strace, "-f", "-qq", "-o", "/dev/null", "-e", `inject=${name}:error=ENOMEM:when=${when}`],
        });

        if (outcome.stdout !== "")
          expect(factsOf(outcome)).toMatchObject({ errno: "ENOMEM", exit: expect.any(Number) });
        expect(outcome.stderr).toBe("");
        expect(processesIn(outcome.place)).toEqual([]);
        expect(readFileSync("/proc/self/mounts", "utf8")).not.toContain(outcome.place.path);
      });
    }
  },
);
