/** The n-th system call of a kind fails, in proa, the helper or newuidmap: an error or no harm, and nothing is left. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { makeImage, tinyLayer } from "../../harness";
import { FakeRegistry } from "../../registry/_fake";
import { type Host, hostMissing, makeHost, TESTER } from "./_host";

const missing = hostMissing() ?? (Bun.which("strace") === null ? "strace is not installed" : null);

/** As root, so that newuidmap keeps its rights although it is traced. */
const failing = (call: string, errno: string, nth: number) => [
  ...["timeout", "-s", "KILL", "30", "strace", "-f", "-qq", "-o", "/dev/null"],
  ...["-e", `trace=${call}`, "-e", `inject=${call}:error=${errno}:when=${nth}`],
];

describe.skipIf(missing !== null)("run, when a system call fails:", () => {
  let host: Host;
  let registry: FakeRegistry;
  let name: string;
  beforeAll(async () => {
    host = await makeHost();
    registry = await FakeRegistry.start();
    name = registry.addImage(
      "tiny",
      "v1",
      await makeImage({ layers: [await tinyLayer()], config: { Env: ["PATH=/bin"] } }),
    );
    await host.proa(["pull", "-q", name]);
    await host.proa(["run", "--rm", "--network", "none", name, "true"]); // what is made once is there
  });
  afterAll(async () => {
    await host?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
  });

  test.each([
    ["mkdir", "ENOSPC", 5],
    ["mkdirat", "ENOSPC", 5],
    ["mkdirat", "ENOSPC", 9],
    ["rename", "ENOSPC", 1],
    ["renameat2", "ENOSPC", 1],
    ["write", "ENOSPC", 3],
    ["fsync", "EIO", 1],
    ["fsync", "EIO", 2],
    ["ftruncate", "ENOSPC", 1],
    ["vfork", "EAGAIN", 1],
    ["vfork", "EAGAIN", 2],
    ["pipe2", "EMFILE", 1],
    ["pipe2", "EMFILE", 2],
    ["socketpair", "EMFILE", 1],
    ["unshare", "EPERM", 1],
    ["fsopen", "EPERM", 1],
    ["fsmount", "EPERM", 2],
    ["move_mount", "EPERM", 1],
    ["open_tree", "EMFILE", 1],
    ["mount_setattr", "EPERM", 1],
    ["pivot_root", "EPERM", 1],
    ["seccomp", "EINVAL", 1],
    ["sethostname", "EPERM", 1],
  ] as const)("%s, %s, number %d", async (call, errno, nth) => {
    const result = await host.proa(["run", "--rm", "--network", "none", name, "echo", "fine"], {
      through: failing(call, errno, nth),
    });
    if (result.exitCode === 0) {
      expect(result).toEqual({ stdout: "fine\n", stderr: "", exitCode: 0 });
    } else {
      expect(result.stdout).toBe("");
      expect(result.stderr).toStartWith("Error: ");
      expect(result.stderr).not.toMatch(/internal|undefined| {4}at /);
      expect(result.exitCode).toBe(125);
    }
    expect((await host.proa(["ps", "-aq"])).stdout).toBe("");
    expect(await host.sh("ls $DIR/d/proa/containers $DIR/r/proa/containers | grep -v : || true")).toBe("");
    const living = await host.sh(`ps -o stat=,args= -U ${TESTER} | grep -v '^Z' || true`);
    expect(living).toBe("");
    const again = await host.proa(["run", "--rm", "--network", "none", name, "echo", "fine"]);
    expect(again.stdout).toBe("fine\n");
  });
});

describe.skipIf(missing !== null)("pull, when a system call fails:", () => {
  let host: Host;
  let registry: FakeRegistry;
  let name: string;
  beforeAll(async () => {
    host = await makeHost();
    registry = await FakeRegistry.start();
    const image = await makeImage({
      layers: [await tinyLayer(), { x: crypto.randomUUID().repeat(1000) }],
      config: { Env: ["PATH=/bin"] },
    });
    name = registry.addImage("tiny", "v1", image);
    await host.proa(["run", "--rm", "hello"]); // what is made once is there
  });
  afterAll(async () => {
    await host?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
  });

  test.each([
    ["mkdir", "EIO", 4],
    ["mkdirat", "EIO", 2],
    ["openat2", "EMFILE", 1],
    ["rename", "ENOSPC", 1],
    ["rename", "ENOSPC", 3],
    ["renameat2", "ENOSPC", 1],
    ["renameat2", "ENOSPC", 3],
    ["fsync", "EIO", 1],
    ["fsync", "EIO", 3],
    ["symlinkat", "ENOSPC", 5],
    ["utimensat", "EIO", 1],
    ["vfork", "EAGAIN", 1],
    ["pipe2", "EMFILE", 1],
    ["recvfrom", "ECONNRESET", 1],
    ["memfd_create", "EMFILE", 1],
  ] as const)("%s, %s, number %d", async (call, errno, nth) => {
    await host.proa(["rmi", "-f", name]);
    const result = await host.proa(["pull", "-q", name], { through: failing(call, errno, nth) });
    if (result.exitCode === 0) {
      expect(result).toEqual({ stdout: `${name}\n`, stderr: "", exitCode: 0 });
    } else {
      expect(result.stdout).toBe("");
      expect(result.stderr).toStartWith("Error: ");
      expect(result.stderr).not.toMatch(/internal|undefined| {4}at /);
      expect(result.exitCode).toBe(1);
      expect((await host.proa(["images", "-q", name])).stdout).toBe("");
    }
    expect(await host.proa(["pull", "-q", name])).toEqual({ stdout: `${name}\n`, stderr: "", exitCode: 0 });
    // the pull above has cleaned up after the one before
    const stray = "find $DIR/d/proa/images/ingest $DIR/d/proa/layers -maxdepth 2 -name 'tmp*'";
    expect(await host.sh(stray)).toBe("");
    expect((await host.proa(["run", "--rm", name, "stat", "-c", "%s", "/x"])).stdout).toBe("36000\n");
  });
});
