/** Hosts that lack something: what proa says, and what it leaves. Root, to be able to make them. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { makeImage, tinyLayer } from "../../harness";
import { FakeRegistry } from "../../registry/_fake";
import { type HostResult, hostMissing, makeHost, SUBORDINATE, TESTER } from "./_host";

const missing = hostMissing();

function expectRefusal({ stdout, stderr, exitCode }: HostResult, status = 125): void {
  expect(stdout).toBe("");
  expect(stderr).toStartWith("Error: ");
  expect(stderr).not.toMatch(/internal|undefined| {4}at /);
  expect(exitCode).toBe(status);
}

describe.skipIf(missing !== null)("subordinate ids:", () => {
  const uidMap = ["run", "--rm", "hello"];

  test("with a range, the container's root is the user and the rest of its ids are the range", async () => {
    await using host = await makeHost();
    const result = await host.proa(["--storage-driver", "vfs", ...uidMap]);
    expect(result.stderr).toBe("");
    expect(result.stdout).toStartWith("Hello from proa!");
    const info = JSON.parse((await host.proa(["info", "--format", "json"])).stdout);
    expect(info.Proa.IdMapping).toBe("65537 user ids, 65537 group ids");
    // what this machine lacks of control groups is not of account here
    expect(info.Warnings.filter((line: string) => !line.startsWith("WARNING: No "))).toEqual([]);
  });

  test.each([
    ["/etc/subuid", { subuid: "other:100000:65536\n", subgid: `tester:${SUBORDINATE.tester}:65536\n` }],
    ["/etc/subgid", { subuid: `tester:${SUBORDINATE.tester}:65536\n`, subgid: "" }],
  ])(
    "without a line in %s a container gets a single id, and a warning says which line is missing",
    async (file, files) => {
      await using host = await makeHost(files);
      const result = await host.proa(uidMap);
      expect(result.stderr).toStartWith(
        `Warning: no subordinate ids for tester in ${file}: containers have only the id 0`,
      );
      expect(result.stderr).toContain("usermod --add-subuids");
      expect(result.stdout).toStartWith("Hello from proa!");
      expect(result.exitCode).toBe(0);
    },
  );

  test("by the user's number count too", async () => {
    await using host = await makeHost({ subuid: `${TESTER}:${SUBORDINATE.tester}:65536\n` });
    const result = await host.proa(uidMap);
    expect(result.stderr).toBe("");
    expect(result.exitCode).toBe(0);
  });

  test.each([
    "garbage\n::\ntester\ntester:x:y\n",
    "tester:-5:65536\n",
    "tester:100000:0\n",
    `tester:${"9".repeat(30)}:1\n`,
    "tester:4294967290:65536\n",
  ])("lines that are none (%p) are as if they were not there", async (subuid) => {
    await using host = await makeHost({ subuid });
    const result = await host.proa(uidMap);
    expect(result.stderr).toStartWith("Warning: no subordinate ids for tester in /etc/subuid");
    expect(result.exitCode).toBe(0);
  });

  test("in several lines are all mapped", async () => {
    const start = SUBORDINATE.tester;
    await using host = await makeHost({
      subuid: `tester:${start}:1000\nother:${start + 1000}:5\ntester:${start + 5000}:70000\n`,
    });
    const info = JSON.parse((await host.proa(["info", "--format", "json"])).stdout);
    expect(info.Proa.IdMapping).toBe("71001 user ids, 71001 group ids");
    expect((await host.proa(uidMap)).exitCode).toBe(0);
  });
});

describe.skipIf(missing !== null)("newuidmap and newgidmap", () => {
  const withoutPrograms = `
    mkdir -p $DIR/bin && mount -t tmpfs none $DIR/bin && mkdir $DIR/bin/upper $DIR/bin/work
    mount -t overlay -o lowerdir=/usr/bin,upperdir=$DIR/bin/upper,workdir=$DIR/bin/work overlay /usr/bin
    rm -f /usr/bin/newuidmap /usr/bin/newgidmap`;

  test("are not installed: a single id, and a warning that names the package", async () => {
    await using host = await makeHost({ setUp: withoutPrograms });
    const result = await host.proa(["run", "--rm", "hello"]);
    expect(result.stderr).toStartWith("Warning: newuidmap and newgidmap are not installed (package uidmap)");
    expect(result.stdout).toStartWith("Hello from proa!");
    expect(result.exitCode).toBe(0);
  });

  test("have lost their rights: the error says what they said, and what to do", async () => {
    const setUp = `cp /usr/bin/newuidmap /usr/bin/newgidmap $DIR/ && chmod 755 $DIR/new?idmap
      mount --bind $DIR/newuidmap /usr/bin/newuidmap; mount --bind $DIR/newgidmap /usr/bin/newgidmap`;
    await using host = await makeHost({ setUp });
    const result = await host.proa(["run", "--rm", "hello"]);
    expectRefusal(result);
    expect(result.stderr).toStartWith("Error: write id map: newuidmap: operation not permitted (newuidmap: ");
    expect(result.stderr).toContain("hint: ");
    expect(result.stderr).toContain("setuid");
    expect((await host.proa(["ps", "-aq"])).stdout).toBe("");
  });
});

describe.skipIf(missing !== null)("user namespaces", () => {
  test("are switched off by sysctl: the error names it, and nothing is left", async () => {
    const all = "0:4000000000";
    await using host = await makeHost({ subuid: `root:${all}\ntester:${SUBORDINATE.tester}:65536\n` });
    // the limit holds in a user namespace that maps every id to itself, so that the host's own stays as it is
    const off = [
      "unshare",
      "--user",
      "--map-users=0,0,4000000000",
      "--map-groups=0,0,4000000000",
      "sh",
      "-c",
      'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"',
      "sh",
    ];
    const result = await host.proa(["run", "--rm", "hello"], { through: off });
    expectRefusal(result);
    expect(result.stderr).toMatch(/^Error: .*create user namespace: /);
    expect(result.stderr).toContain(
      "hint: an administrator can allow it: sysctl -w user.max_user_namespaces=",
    );
    expect(result.stderr).not.toContain("no space left"); // the kernel's ENOSPC is of a count here
    const info = await host.proa(["info"], { through: off });
    expect(info.stdout).toMatch(/^Warning: .*create user namespace: .*sysctl -w user\.max_user_namespaces=/m);
    expect(info.exitCode).toBe(0);
    expect((await host.proa(["ps", "-aq"])).stdout).toBe("");
    expect(
      await host.sh("find $DIR/d/proa/layers -name 'tmp*'; ls $DIR/r/proa/containers 2>/dev/null || true"),
    ).toBe("");
    expect((await host.proa(["run", "--rm", "hello"])).exitCode).toBe(0);
    const later = await host.proa(["run", "--rm", "hello"], { through: off }); // image and driver are known by now
    expectRefusal(later);
    expect(later.stderr).toContain("sysctl -w user.max_user_namespaces=");
    expect((await host.proa(["ps", "-aq"])).stdout).toBe("");
  });

  test("are forbidden where proa runs (a chroot): the error asks whether it is in a sandbox", async () => {
    await using host = await makeHost({ setUp: "mkdir $DIR/root-of && mount --rbind / $DIR/root-of" });
    const result = await host.proa(["run", "--rm", "hello"], {
      through: ["chroot", `${host.directory}/root-of`],
    });
    expectRefusal(result);
    expect(result.stderr).toMatch(/^Error: .*create user namespace: .*operation not permitted/);
    expect(result.stderr).toContain(
      "hint: proa needs user namespaces: is it running in a container or sandbox that forbids them?",
    );
    expect((await host.proa(["run", "--rm", "hello"])).exitCode).toBe(0);
    const later = await host.proa(["run", "--rm", "hello"], {
      through: ["chroot", `${host.directory}/root-of`],
    });
    expectRefusal(later);
    expect(later.stderr).toContain("hint: proa needs user namespaces");
  });
});

describe.skipIf(missing !== null)("without XDG_RUNTIME_DIR", () => {
  const env = { XDG_RUNTIME_DIR: undefined };
  const ownTmp = "mount -t tmpfs -o mode=1777 none /run; mkdir $DIR/tmp && chmod 1777 $DIR/tmp";

  test("the login manager's directory is used where it is there", async () => {
    await using host = await makeHost({
      setUp: `${ownTmp}; mkdir -p /run/user/${TESTER} && chown ${TESTER} /run/user/${TESTER} && chmod 700 /run/user/${TESTER}`,
    });
    expect((await host.proa(["info", "-f", "{{.Proa.Runtime}}"], { env })).stdout).toBe(
      `/run/user/${TESTER}/proa\n`,
    );
    expect((await host.proa(["run", "--rm", "hello"], { env })).exitCode).toBe(0);
  });

  // /tmp itself is not replaced: the host's directory lies in it
  const inTmp = `/tmp/proa-${TESTER}`;
  const cleared = `rm -rf ${inTmp}`;

  test("a directory of the user's own in /tmp is made, closed to others", async () => {
    await using host = await makeHost({ setUp: `${ownTmp}; ${cleared}` });
    try {
      const result = await host.proa(["run", "-d", "hello"], { env });
      expect(result.stderr).toBe("");
      expect(await host.sh(`stat -c '%u %a' ${inTmp}`)).toBe(`${TESTER} 700`);
      expect((await host.proa(["rm", "-f", result.stdout.trim()], { env })).exitCode).toBe(0);
    } finally {
      await host.sh(cleared);
    }
  });

  test.each([
    ["belongs to another user", `mkdir ${inTmp} && chown 4243 ${inTmp} && chmod 777 ${inTmp}`],
    ["can be written by others", `mkdir ${inTmp} && chown ${TESTER} ${inTmp} && chmod 777 ${inTmp}`],
    ["is a link", `mkdir -p $DIR/t && chown ${TESTER} $DIR/t && chmod 700 $DIR/t && ln -s $DIR/t ${inTmp}`],
    ["is a file", `touch ${inTmp} && chown ${TESTER} ${inTmp}`],
  ])("one in /tmp that %s is refused, with a hint", async (_what, make) => {
    await using host = await makeHost({ setUp: `${ownTmp}; ${cleared}; ${make}` });
    try {
      const result = await host.proa(["run", "--rm", "hello"], { env });
      expectRefusal(result);
      expect(result.stderr).toContain(inTmp);
      expect(result.stderr).toContain("hint: set XDG_RUNTIME_DIR to a directory of your own");
      expect((await host.proa(["ps", "-aq"])).stdout).toBe("");
    } finally {
      await host.sh(cleared);
    }
  });

  test("a runtime directory that is not the user's is refused", async () => {
    await using host = await makeHost({
      setUp:
        "mkdir $DIR/foreign && chmod 777 $DIR/foreign && mkdir $DIR/foreign/proa && chmod 777 $DIR/foreign/proa",
    });
    const result = await host.proa(["run", "--rm", "hello"], {
      env: { XDG_RUNTIME_DIR: `${host.directory}/foreign` },
    });
    expectRefusal(result);
    expect(result.stderr).toContain("foreign/proa");
  });
});

describe.skipIf(missing !== null)("a home that cannot be written", () => {
  test.each([
    ["belongs to root", "chown 0:0 $HOME && chmod 755 $HOME"],
    ["is on a read-only file system", "mount --bind $HOME $HOME && mount -o remount,ro,bind $HOME"],
  ])("because it %s: every command that needs it says where and why", async (_what, setUp) => {
    await using host = await makeHost({ setUp });
    const env = { XDG_DATA_HOME: undefined, XDG_CACHE_HOME: undefined };
    for (const args of [["ps"], ["images"], ["run", "--rm", "hello"], ["pull", "127.0.0.1:1/x"], ["info"]]) {
      const result = await host.proa(args, { env });
      expect(result.stderr).toMatch(/(permission denied|read-only file system)/);
      expect(result.stderr).toContain(`${host.home}/.local`);
      expect(result.stderr).toContain(
        "hint: proa keeps its state there; choose another place with XDG_DATA_HOME",
      );
      expect(result.stdout).toBe("");
      expect(result.exitCode).toBeGreaterThan(0);
    }
    for (const args of [["version"], ["--help"], ["help", "run"], ["completion", "bash"]]) {
      expect((await host.proa(args, { env })).stderr).toBe("");
    }
  });

  test("a cache that cannot be written changes nothing but speed", async () => {
    await using host = await makeHost({ setUp: "chown 0:0 $DIR/k && chmod 755 $DIR/k" });
    const result = await host.proa(["run", "--rm", "hello"]);
    expect(result.stdout).toStartWith("Hello from proa!");
    expect(result.stderr).toBe("");
    expect(result.exitCode).toBe(0);
  });

  test("a cache where nothing may be executed: the helper runs from memory", async () => {
    await using host = await makeHost({
      setUp: `mount -t tmpfs -o noexec,mode=700,uid=${TESTER} none $DIR/k`,
    });
    for (let i = 0; i < 2; i++) {
      const result = await host.proa(["run", "--rm", "hello"]);
      expect(result.stderr).toBe("");
      expect(result.stdout).toStartWith("Hello from proa!");
    }
    const id = (await host.proa(["create", "hello"])).stdout.trim();
    expect((await host.proa(["start", id])).exitCode).toBe(0);
    expect((await host.proa(["wait", id])).stdout).toBe("0\n");
    expect((await host.proa(["rm", id])).exitCode).toBe(0);
  });

  test("a temporary directory where nothing may be executed: only zstd for compressing is missing", async () => {
    await using host = await makeHost({
      setUp: `mkdir $DIR/noexec && mount -t tmpfs -o noexec,mode=777 none $DIR/noexec`,
    });
    const env = { TMPDIR: `${host.directory}/noexec` };
    expect((await host.proa(["run", "--rm", "hello"], { env })).stderr).toBe("");
    const info = await host.proa(["info"], { env });
    expect(info.stderr).toBe("");
    expect(info.exitCode).toBe(0);
  });

  test("a helper in the cache that somebody else can write is not executed", async () => {
    await using host = await makeHost();
    expect((await host.proa(["run", "--rm", "hello"])).exitCode).toBe(0);
    await host.sh(
      "for f in $DIR/k/proa/*helper*; do rm $f; printf '#!/bin/sh\\ntouch $DIR/marker\\n' > $f; chmod 777 $f; done",
    );
    const result = await host.proa(["run", "--rm", "hello"]);
    expect(result.stdout).toStartWith("Hello from proa!");
    expect(await host.sh("ls $DIR | grep marker || true")).toBe("");
  });

  test("homes and directories with blanks, quotes and letters beyond ASCII work", async () => {
    await using host = await makeHost();
    const odd = `${host.directory}/od d'"é\\x,:y`;
    await host.sh(
      `mkdir "$(printf '%s' '${odd.replaceAll("'", "'\\''")}')" && chown ${TESTER} "$(printf '%s' '${odd.replaceAll("'", "'\\''")}')"`,
    );
    const env = {
      XDG_DATA_HOME: `${odd}/data`,
      XDG_CACHE_HOME: `${odd}/cache`,
      XDG_RUNTIME_DIR: `${odd}/run`,
    };
    await host.sh(
      `d='${odd.replaceAll("'", "'\\''")}'; mkdir "$d/run" && chown ${TESTER} "$d/run" && chmod 700 "$d/run"`,
    );
    const result = await host.proa(["run", "--rm", "hello"], { env, cwd: odd });
    expect(result.stderr).toBe("");
    expect(result.stdout).toStartWith("Hello from proa!");
  });
});

describe.skipIf(missing !== null)("a disk that is full", () => {
  let registry: FakeRegistry;
  beforeAll(async () => {
    registry = await FakeRegistry.start();
  });
  afterAll(() => registry[Symbol.asyncDispose]());

  const small = (size: string, where = "$DIR/d") =>
    `mount -t tmpfs -o size=${size},mode=700,uid=${TESTER} none ${where}`;
  const noise = (bytes: number) =>
    Buffer.concat(Array.from({ length: bytes >> 16 }, () => crypto.getRandomValues(new Uint8Array(65_536))));

  /** Names below the store that are neither whole nor meant to stay. */
  const stray = "find $DIR/d/proa/images/ingest -type f; find $DIR/d/proa/layers -maxdepth 2 -name 'tmp*'";

  test.each([
    ["a layer that does not shrink", async () => ({ big: noise(8 << 20) })],
    ["a layer that grows when it is unpacked", async () => ({ big: Buffer.alloc(24 << 20, "grows") })],
    [
      "many small files",
      async () => Object.fromEntries(Array.from({ length: 4000 }, (_, i) => [`f${i}`, "x".repeat(3000)])),
    ],
  ])(
    "in the middle of a pull of %s: the error says so, nothing is left, and with more room the same pull works",
    async (_what, tree) => {
      await using host = await makeHost({ setUp: small("6m") });
      const name = registry.addImage(
        `full${crypto.randomUUID()}`,
        "v1",
        await makeImage({ layers: [{ small: "s" }, await tree()] }),
      );
      const result = await host.proa(["pull", name]);
      expect(result.stdout).toBe("");
      expect(result.stderr).toMatch(/Error: pull image: .*no space left on device/);
      expect(result.stderr).toContain("hint: free some space");
      expect(result.exitCode).toBe(1);
      expect((await host.proa(["images", "-q"])).stdout).toBe("");
      expect(await host.sh(stray)).toBe("");
      const used = Number((await host.sh("du -sk $DIR/d | cut -f1")).trim());
      expect(used).toBeLessThan(3000);
      await host.sh("mount -o remount,size=60m $DIR/d");
      expect((await host.proa(["pull", "-q", name])).stdout).toBe(`${name}\n`);
      expect(await host.sh(stray)).toBe("");
    },
  );

  test("while a container writes: the container sees it, and proa goes on", async () => {
    await using host = await makeHost({ setUp: small("12m") });
    const name = registry.addImage(
      "writer",
      "v1",
      await makeImage({ layers: [await tinyLayer()], config: { Env: ["PATH=/bin"] } }),
    );
    expect((await host.proa(["pull", "-q", name])).exitCode).toBe(0);
    const result = await host.proa([
      "run",
      "--name",
      "writer",
      name,
      "sh",
      "-c",
      "dd if=/dev/zero of=/big bs=1M count=100; echo status $?",
    ]);
    expect(result.stdout).toContain("status 1");
    expect(result.stderr).toContain("No space left on device");
    expect((await host.proa(["inspect", "-f", "{{.State.ExitCode}}", "writer"])).stdout).toBe("0\n");
    expect((await host.proa(["rm", "writer"])).stderr).toBe("");
    expect((await host.proa(["run", "--rm", name, "echo", "again"])).stdout).toBe("again\n");
    expect((await host.proa(["rmi", name])).exitCode).toBe(0);
  });

  test("with no room at all: rmi and rm still work, which is how room comes back", async () => {
    await using host = await makeHost({ setUp: small("12m") });
    const name = registry.addImage(
      "freed",
      "v1",
      await makeImage({ layers: [await tinyLayer()], config: { Env: ["PATH=/bin"] } }),
    );
    expect((await host.proa(["pull", "-q", name])).exitCode).toBe(0);
    expect((await host.proa(["run", "--name", "first", name, "true"])).exitCode).toBe(0);
    await host.sh(
      "dd if=/dev/zero of=$DIR/d/filler bs=4k 2>/dev/null || true; dd if=/dev/zero of=$DIR/d/rest bs=1 2>/dev/null || true",
    );
    expect((await host.proa(["rm", "first"])).stderr).toBe("");
    await host.sh("dd if=/dev/zero of=$DIR/d/more bs=4k 2>/dev/null || true");
    const removed = await host.proa(["rmi", name]);
    expect(removed.stderr).toBe("");
    expect(removed.stdout).toContain("Deleted: ");
    await host.sh("rm $DIR/d/filler $DIR/d/more");
    expect((await host.proa(["pull", "-q", name])).exitCode).toBe(0);
  });

  test("with no room at all: run says so, and leaves no container", async () => {
    await using host = await makeHost({ setUp: small("12m") });
    const name = registry.addImage(
      "noroom",
      "v1",
      await makeImage({ layers: [await tinyLayer()], config: { Env: ["PATH=/bin"] } }),
    );
    expect((await host.proa(["pull", "-q", name])).exitCode).toBe(0);
    await host.sh("dd if=/dev/zero of=$DIR/d/filler bs=4k 2>/dev/null || true");
    const result = await host.proa(["run", "--rm", name, "true"]);
    expect(result.stderr).not.toMatch(/internal|undefined| {4}at /);
    if (result.exitCode !== 0) expect(result.stderr).toMatch(/no space left|full/);
    await host.sh("rm $DIR/d/filler");
    expect((await host.proa(["ps", "-aq"])).stdout).toBe("");
    expect(await host.sh("ls $DIR/r/proa/containers 2>/dev/null || true")).toBe("");
    expect((await host.proa(["run", "--rm", name, "echo", "again"])).stdout).toBe("again\n");
  });

  test("a full runtime directory is said, and cured by room", async () => {
    await using host = await makeHost({ setUp: `${small("64k", "$DIR/r")}` });
    await host.sh("dd if=/dev/zero of=$DIR/r/filler bs=1k 2>/dev/null || true");
    const result = await host.proa(["run", "--rm", "hello"]);
    expect(result.stderr).not.toMatch(/internal|undefined| {4}at /);
    await host.sh("rm $DIR/r/filler");
    expect((await host.proa(["run", "--rm", "hello"])).exitCode).toBe(0);
    expect((await host.proa(["ps", "-aq"])).stdout).toBe("");
  });
});

describe.skipIf(missing !== null)("started as root", () => {
  const both = `root:${SUBORDINATE.root}:65536\ntester:${SUBORDINATE.tester}:65536\n`;
  const asRoot = { uid: 0 };
  let registry: FakeRegistry;
  let name: string;
  beforeAll(async () => {
    registry = await FakeRegistry.start();
    name = registry.addImage(
      "tiny",
      "v1",
      await makeImage({ layers: [await tinyLayer()], config: { Env: ["PATH=/bin:/sbin"] } }),
    );
  });
  afterAll(() => registry[Symbol.asyncDispose]());

  const rooted =
    "mkdir $DIR/root; chown -R 0:0 $DIR/d $DIR/r $DIR/c $DIR/k; chmod 711 $DIR/d $DIR/r $DIR/c $DIR/k";

  test.each([
    ["/etc/subuid", { subuid: `tester:${SUBORDINATE.tester}:65536\n`, subgid: both }],
    ["/etc/subgid", { subuid: both, subgid: "" }],
  ])("without a line in %s refuses, and prints the line that is missing", async (file, files) => {
    await using host = await makeHost({ ...files, setUp: rooted });
    const result = await host.proa(["run", "--rm", "hello"], asRoot);
    expectRefusal(result);
    expect(result.stderr).toContain(`no line for root in ${file}`);
    expect(result.stderr).toMatch(new RegExp(`hint: .*echo root:\\d+:65536 >> ${file}`));
    expect((await host.proa(["ps", "-aq"], asRoot)).stdout).toBe("");
    const info = await host.proa(["info"], asRoot);
    expect(info.stdout).toContain(`no line for root in ${file}`);
    expect(info.exitCode).toBe(0);
  });

  test.each(["overlay", "vfs", "fuse-overlayfs"])(
    "with one (%s): no id of the container is the host's root, and files belong to the range",
    async (driver) => {
      if (driver === "fuse-overlayfs" && Bun.which("fuse-overlayfs") === null) return;
      await using host = await makeHost({ subuid: both, setUp: rooted });
      const proa = (...args: string[]) => host.proa(["--storage-driver", driver, ...args], asRoot);
      const result = await proa(
        "run",
        "--name",
        "rooted",
        name,
        "sh",
        "-c",
        "cat /proc/self/uid_map /proc/self/gid_map; id -u; echo x > /made; mkdir /root/d; cat /made",
      );
      expect(result.stderr).not.toContain("Error");
      const maps = result.stdout
        .trim()
        .split("\n")
        .map((line) => line.trim().split(/\s+/));
      expect(maps).toEqual([
        ["0", String(SUBORDINATE.root), "65536"],
        ["0", String(SUBORDINATE.root), "65536"],
        ["0"],
        ["x"],
      ]);
      const owner = await host.sh("find $DIR/d/proa/containers -name made -exec stat -c %u {} +");
      expect(owner).toBe(String(SUBORDINATE.root));
      expect((await proa("rm", "rooted")).stderr).toBe("");
      expect((await proa("rmi", name)).stderr).toBe("");
    },
  );

  test("the host's files stay closed: a bind mount of root's file cannot be read", async () => {
    await using host = await makeHost({
      subuid: both,
      setUp: `${rooted}; echo secret > $DIR/secret; chmod 600 $DIR/secret; chmod 711 $DIR`,
    });
    const result = await host.proa(
      ["run", "--rm", "-v", `${host.directory}/secret:/secret`, name, "cat", "/secret"],
      asRoot,
    );
    expect(result.stdout).toBe("");
    expect(result.stderr.toLowerCase()).toContain("permission denied");
    expect(result.exitCode).not.toBe(0);
  });

  test("detached, logs, exec, stop and rm work; directories are the system's where no variable says otherwise", async () => {
    const setUp = `${rooted}; for d in /var/lib /var/cache /run; do mount -t tmpfs -o mode=755 none $d; done`;
    await using host = await makeHost({ subuid: both, setUp });
    const env = {
      XDG_DATA_HOME: undefined,
      XDG_RUNTIME_DIR: undefined,
      XDG_CACHE_HOME: undefined,
      XDG_CONFIG_HOME: undefined,
    };
    const proa = (...args: string[]) => host.proa(args, { uid: 0, env });
    const id = (
      await proa("run", "-d", "--name", "web", name, "sh", "-c", "echo up; exec sleep 100")
    ).stdout.trim();
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    expect((await proa("exec", "web", "id", "-u")).stdout).toBe("0\n");
    expect((await proa("logs", "web")).stdout).toBe("up\n");
    expect(await host.sh(`ls /var/lib/proa/containers`)).toBe(id);
    const pid = Number((await proa("inspect", "-f", "{{.State.Pid}}", "web")).stdout);
    expect(/^Uid:\s+(\d+)/m.exec(await Bun.file(`/proc/${pid}/status`).text())?.[1]).toBe(
      String(SUBORDINATE.root),
    );
    expect((await proa("stop", "-t", "0", "web")).exitCode).toBe(0);
    expect((await proa("rm", "web")).exitCode).toBe(0);
    expect(await host.sh("ls /var/lib/proa/containers; ls /run/proa/containers")).toBe("");
  });
});

describe.skipIf(missing !== null)(
  "where the kernel's overlay cannot be used (the data lie on an overlay)",
  () => {
    const onOverlay = `mkdir $DIR/o && mount -t tmpfs none $DIR/o && mkdir $DIR/o/l $DIR/o/u $DIR/o/w && chown ${TESTER} $DIR/o/u && chmod 700 $DIR/o/u
    mount -t overlay -o lowerdir=$DIR/o/l,upperdir=$DIR/o/u,workdir=$DIR/o/w overlay $DIR/d; chown ${TESTER} $DIR/d; chmod 700 $DIR/d`;

    test("fuse-overlayfs is, where it is installed; it is said once, and info tells why", async () => {
      if (Bun.which("fuse-overlayfs") === null) return;
      await using host = await makeHost({ setUp: onOverlay });
      const first = await host.proa(["run", "--rm", "hello"]);
      expect(first.stderr).toMatch(
        /^Warning: storage driver fuse-overlayfs is used: the kernel's overlay does not work here \(.+\), and it is slower\n$/,
      );
      expect(first.stdout).toStartWith("Hello from proa!");
      expect((await host.proa(["run", "--rm", "hello"])).stderr).toBe("");
      const info = JSON.parse((await host.proa(["info", "--format", "json"])).stdout);
      expect(info.Driver).toBe("fuse-overlayfs");
      expect(info.Warnings.join()).toContain("the kernel's overlay does not work here");
    });

    test("else vfs, with the reason", async () => {
      await using host = await makeHost({ setUp: onOverlay });
      const env = { PATH: `${host.directory}/few` };
      await host.sh(
        "mkdir $DIR/few; for f in setpriv sh newuidmap newgidmap; do ln -s $(command -v $f) $DIR/few/; done",
      );
      const first = await host.proa(["run", "--rm", "hello"], { env });
      expect(first.stderr).toMatch(
        /^Warning: storage driver vfs is used: .* and fuse-overlayfs is not installed; each container is a full copy\n$/,
      );
      expect(first.stdout).toStartWith("Hello from proa!");
    });

    test("and asking for it all the same is an error with the kernel's reason", async () => {
      await using host = await makeHost({ setUp: onOverlay });
      const result = await host.proa(["--storage-driver", "overlay", "run", "--rm", "hello"]);
      expectRefusal(result);
      expect(result.stderr).toContain("not supported as upperdir");
      expect(result.stderr).toContain("hint: choose another driver: --storage-driver fuse-overlayfs, or vfs");
      expect((await host.proa(["ps", "-aq"])).stdout).toBe("");
    });
  },
);
