/** The n-th system call of a kind fails, in proa, the helper or newuidmap: an error or no harm, and nothing is left. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { makeImage, type TestImage, tinyLayer } from "../../harness";
import { FakeRegistry } from "../../registry/_fake";
import { type Host, hostMissing, makeHost, TESTER } from "./_host";

const missing = hostMissing() ?? (Bun.which("strace") === null ? "strace is not installed" : null);

type Fault = readonly [call: string, errno: string, nth: number];

/** A host that has used an image of a registry, so that what is made once is there. */
function usePlace(image: () => Promise<TestImage>, ...warmUp: ((name: string) => string[])[]) {
  let host: Host;
  let registry: FakeRegistry;
  let name = "";
  beforeAll(async () => {
    host = await makeHost();
    registry = await FakeRegistry.start();
    name = registry.addImage("tiny", "v1", await image());
    for (const args of warmUp) await host.proa(args(name));
  });
  afterAll(async () => {
    await host?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
  });
  return {
    get host() {
      return host;
    },
    get name() {
      return name;
    },
    /** Run proa with this fault, which has to occur. strace is root's, so that newuidmap keeps its rights although it is traced. */
    async failing([call, errno, nth]: Fault, args: string[]): ReturnType<Host["proa"]> {
      const trace = join(host.directory, "trace");
      const through = [
        ...["timeout", "-s", "KILL", "30", "strace", "-f", "-qq", "-o", trace],
        ...["-e", `trace=${call}`, "-e", `inject=${call}:error=${errno}:when=${nth}`],
      ];
      const result = await host.proa(args, { through });
      expect(readFileSync(trace, "utf8")).toContain("(INJECTED)");
      return result;
    },
  };
}

/** What a command reports that failed for a reason that is not its own fault. */
function expectError({ stdout, stderr, exitCode }: Awaited<ReturnType<Host["proa"]>>, status: number): void {
  expect(stdout).toBe("");
  expect(stderr).toStartWith("Error: ");
  expect(stderr).not.toMatch(/internal|undefined| {4}at /);
  expect(exitCode).toBe(status);
}

describe.skipIf(missing !== null)("run, when a system call fails:", () => {
  const runIt = (name: string, ...command: string[]) => [
    "run",
    "--rm",
    "--network",
    "none",
    name,
    ...command,
  ];
  const image = async () => makeImage({ layers: [await tinyLayer()], config: { Env: ["PATH=/bin"] } });
  const place = usePlace(
    image,
    (name) => ["pull", "-q", name],
    (name) => runIt(name, "true"),
  );

  test.each([
    ["mkdir", "ENOSPC", 1],
    ["mkdirat", "ENOSPC", 1],
    ["mkdirat", "ENOSPC", 5],
    ["renameat", "ENOSPC", 1],
    ["write", "ENOSPC", 3],
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
    const { host, name } = place;
    const result = await place.failing([call, errno, nth], runIt(name, "echo", "fine"));
    if (result.exitCode === 0) {
      expect(result).toEqual({ stdout: "fine\n", stderr: "", exitCode: 0 });
    } else {
      expectError(result, 125);
    }
    expect((await host.proa(["ps", "-aq"])).stdout).toBe("");
    expect(await host.sh("ls $DIR/d/proa/containers $DIR/r/proa/containers | grep -v : || true")).toBe("");
    const living = await host.sh(`ps -o stat=,args= -U ${TESTER} | grep -v '^Z' || true`);
    expect(living).toBe("");
    const again = await host.proa(runIt(name, "echo", "fine"));
    expect(again.stdout).toBe("fine\n");
  });
});

describe.skipIf(missing !== null)("pull, when a system call fails:", () => {
  const image = async () =>
    makeImage({
      layers: [await tinyLayer(), { x: crypto.randomUUID().repeat(1000) }],
      config: { Env: ["PATH=/bin"] },
    });
  const place = usePlace(image, () => ["run", "--rm", "hello"]);

  test.each([
    ["mkdirat", "EIO", 2],
    ["mkdirat", "EIO", 4],
    ["openat2", "EMFILE", 1],
    ["renameat2", "ENOSPC", 1],
    ["renameat2", "ENOSPC", 3],
    ["renameat2", "ENOSPC", 5],
    ["fsync", "EIO", 1],
    ["fsync", "EIO", 3],
    ["symlinkat", "ENOSPC", 5],
    ["utimensat", "EIO", 1],
    ["vfork", "EAGAIN", 1],
    ["pipe2", "EMFILE", 1],
    ["recvfrom", "ECONNRESET", 1],
    ["memfd_create", "EMFILE", 1],
  ] as const)("%s, %s, number %d", async (call, errno, nth) => {
    const { host, name } = place;
    await host.proa(["rmi", "-f", name]);
    const result = await place.failing([call, errno, nth], ["pull", "-q", name]);
    if (result.exitCode === 0) {
      expect(result).toEqual({ stdout: `${name}\n`, stderr: "", exitCode: 0 });
    } else {
      expectError(result, 1);
      if (errno === "ENOSPC") expect(result.stderr).toContain("hint: free some space");
      expect((await host.proa(["images", "-q", name])).stdout).toBe("");
    }
    expect(await host.proa(["pull", "-q", name])).toEqual({ stdout: `${name}\n`, stderr: "", exitCode: 0 });
    // the pull above has cleaned up after the one before
    const stray = "find $DIR/d/proa/images/ingest $DIR/d/proa/layers -maxdepth 2 -name 'tmp*'";
    expect(await host.sh(stray)).toBe("");
    expect((await host.proa(["run", "--rm", name, "stat", "-c", "%s", "/x"])).stdout).toBe("36000\n");
  });
});
