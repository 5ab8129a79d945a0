/** A system call fails, a process is killed or the disk is full while a volume is filled: the next use sees all of it or begins anew. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { makeImage, tinyLayer } from "../../harness";
import { FakeRegistry } from "../../registry/_fake";
import { type Host, hostMissing, makeHost, TESTER } from "../host/_host";

const missing = hostMissing() ?? (Bun.which("strace") === null ? "strace is not installed" : null);

const SIZE = 6 << 20;

describe.skipIf(missing !== null)("filling a volume", () => {
  let host: Host;
  let registry: FakeRegistry;
  let name = "";

  beforeAll(async () => {
    host = await makeHost({
      setUp: `mount -t tmpfs -o size=80m,mode=700,uid=${TESTER},gid=${TESTER} none $DIR/d`,
    });
    registry = await FakeRegistry.start();
    const big = Buffer.alloc(SIZE, "x");
    const content = {
      "data/": "",
      "data/a/": "",
      "data/a/b": "b\n",
      "data/big": big,
      "data/c": "c\n",
      "data/z/": "",
    };
    const image = await makeImage({ layers: [await tinyLayer(), content], config: { Env: ["PATH=/bin"] } });
    name = registry.addImage("full", "v1", image);
    await host.proa(["pull", "-q", name]);
    await host.proa(["run", "--rm", "--network", "none", name, "true"]);
  });
  afterEach(async () => {
    await host.sh("rm -f $DIR/d/filler");
    await host.proa(["volume", "rm", "-f", "v"]);
  });
  afterAll(async () => {
    await host?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
  });

  const use = (...command: string[]) => [
    "run",
    "--rm",
    "--network",
    "none",
    "-v",
    "v:/data",
    name,
    ...command,
  ];
  const WHOLE = `b\nc\n${SIZE}\n/data:\na\nbig\nc\nz\n`;
  const look = () => use("sh", "-c", "cat /data/a/b /data/c; stat -c %s /data/big; ls /data");

  const under = async (inject: string, args: string[]) => {
    const trace = join(host.directory, "trace");
    const [call = ""] = inject.split(":");
    const through = [
      ...["timeout", "-s", "KILL", "30", "strace", "-f", "-qq", "-o", trace],
      ...["-e", `trace=${call}`, "-e", `inject=${inject}`],
    ];
    const result = await host.proa(args, { through });
    expect(readFileSync(trace, "utf8")).toMatch(/\(INJECTED\)|killed by SIGKILL/);
    return result;
  };

  const seesAll = async (): Promise<void> => {
    const next = await host.proa(look());
    expect(next.stderr).toBe("");
    expect(next.stdout).toBe(WHOLE.replace("/data:\n", ""));
    expect(await host.sh("ls $DIR/d/proa/volumes/v")).toBe("_data");
    expect((await host.proa(["volume", "rm", "v"])).stdout).toBe("v\n");
    expect(await host.sh("ls -A $DIR/d/proa/volumes")).toBe(".lock");
  };

  test.each([
    "pwrite64:error=ENOSPC:when=2",
    "pwrite64:error=EIO:when=1",
    "renameat:error=ENOSPC:when=1",
    "renameat2:error=EIO:when=1",
    "renameat2:error=EIO:when=3",
    "fchown:error=EPERM:when=2",
  ])("%s", async (inject) => {
    const result = await under(inject, look());
    if (result.exitCode === 0) expect(result.stdout).toBe(WHOLE.replace("/data:\n", ""));
    else expect(result.stderr).toStartWith("Error: ");
    await seesAll();
  });

  test.each(["pwrite64:signal=KILL:when=1", "pwrite64:signal=KILL:when=4", "renameat2:signal=KILL:when=2"])(
    "%s",
    async (inject) => {
      const result = await under(inject, look());
      expect(result.exitCode).not.toBe(0);
      await seesAll();
    },
  );

  test("no room for the copy: an error, nothing of it stays, and it works when there is room", async () => {
    const fill = "dd if=/dev/zero of=$DIR/d/filler bs=64k 2>/dev/null || true; truncate -s -3M $DIR/d/filler";
    await host.sh(fill);
    const result = await host.proa(look());
    expect(result.stdout).toBe("");
    expect(result.stderr).toContain("no space left on device");
    expect(result.exitCode).toBe(125);
    expect(await host.sh("ls $DIR/d/proa/volumes/v $DIR/d/proa/volumes/v/_data")).not.toContain("copy");
    await host.sh("rm $DIR/d/filler");
    await seesAll();
  });

  test("no room to take a volume out of the list: it goes all the same", async () => {
    await host.proa(look());
    await host.sh("dd if=/dev/zero of=$DIR/d/filler bs=64k 2>/dev/null || true");
    const removed = await host.proa(["volume", "rm", "v"]);
    expect(removed.stderr).toBe("");
    expect(removed.stdout).toBe("v\n");
    await host.sh("rm $DIR/d/filler");
    expect((await host.proa(["volume", "ls", "-q"])).stdout).toBe("");
  });
});
