/** Layers on file systems whose files can share extents: what two images have in common is stored once. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeImage, proaPath, tinyLayer, waitUntil } from "../../harness";
import { FakeRegistry } from "../../registry/_fake";

const USER = process.env["PROA_USER"] ?? "proa";
const idOf = (kind: "-u" | "-g"): number => Number(Bun.spawnSync(["id", kind, USER]).stdout.toString());
const run = (...command: string[]) => Bun.spawnSync(command, { stdio: ["ignore", "pipe", "pipe"] });

const MIB = 1 << 20;
const noise = (bytes: number) =>
  new Uint8Array(
    Buffer.concat(Array.from({ length: bytes >> 16 }, () => crypto.getRandomValues(new Uint8Array(1 << 16)))),
  );

describe.each([
  ["XFS", ["mkfs.xfs", "-q", "-m", "reflink=1"]],
  ["btrfs", ["mkfs.btrfs", "-q"]],
] as const)("on %s", (name, mkfs) => {
  const directory = mkdtempSync(join(tmpdir(), "p-"));
  const mount = join(directory, "m");
  let why = Bun.which(mkfs[0]) === null ? `${mkfs[0]} is not installed` : "";
  let registry: FakeRegistry;

  if (why === "") {
    mkdirSync(mount);
    chmodSync(directory, 0o755);
    writeFileSync(join(directory, "disk"), "");
    truncateSync(join(directory, "disk"), 700 * MIB);
    const made = run(...mkfs, join(directory, "disk"));
    const mounted = made.exitCode === 0 ? run("mount", "-o", "loop", join(directory, "disk"), mount) : made;
    if (mounted.exitCode !== 0) why = `no ${name} here: ${mounted.stderr.toString().trim()}`;
  }
  beforeAll(async () => {
    registry = await FakeRegistry.start();
    if (why !== "") return;
    copyFileSync(proaPath, join(directory, "proa"));
    chmodSync(join(directory, "proa"), 0o755);
  });
  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
    const isFree = () => why !== "" || run("umount", mount).exitCode === 0;
    await waitUntil(isFree, { what: "the end of the last process on it" });
    rmSync(directory, { recursive: true, force: true });
  });

  async function proa(...args: string[]): Promise<string> {
    const env: Record<string, string> = {
      HOME: mount,
      PATH: "/usr/bin:/bin:/usr/sbin:/sbin",
      LANG: "C.UTF-8",
    };
    for (const [each, variable] of [
      ["d", "DATA_HOME"],
      ["r", "RUNTIME_DIR"],
      ["c", "CONFIG_HOME"],
      ["k", "CACHE_HOME"],
    ] as const) {
      const path = join(mount, each);
      mkdirSync(path, { recursive: true });
      chownSync(path, idOf("-u"), idOf("-g"));
      chmodSync(path, 0o700);
      env[`XDG_${variable}`] = path;
    }
    chownSync(mount, idOf("-u"), idOf("-g"));
    const user = ["setpriv", `--reuid=${idOf("-u")}`, `--regid=${idOf("-g")}`, "--init-groups"];
    const child = Bun.spawn([...user, join(directory, "proa"), ...args], {
      env,
      cwd: "/",
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    const said = args[0] === "system" ? stderr.replace(/^\d+ images.*: all is well\n$/, "") : stderr;
    expect({ said, exitCode: await child.exited }).toEqual({ said: "", exitCode: 0 });
    return stdout.trim();
  }

  const usedBytes = (): number => {
    run("sync", "-f", mount);
    const { blocks, bfree, bsize } = statfsSync(mount);
    return (blocks - bfree) * bsize;
  };

  test.skipIf(why !== "")(
    `files that a new layer has in common with another take no room${why === "" ? "" : ` (${why})`}`,
    async () => {
      const common = Object.fromEntries(
        Array.from({ length: 10 }, (_, at) => [`usr/lib/common${at}`, noise(2 * MIB)]),
      );
      const changed = noise(2 * MIB);
      const images = await Promise.all(
        [
          { ...common, "usr/other": noise(2 * MIB), said: "one" },
          { ...common, "usr/lib/common3": changed, said: "two" },
        ].map(async (tree) =>
          makeImage({ layers: [await tinyLayer(), tree], config: { Env: ["PATH=/bin"] } }),
        ),
      );
      const names = images.map((image, at) => registry.addImage("shared", `v${at}`, image));
      await proa("pull", "-q", names[0] ?? "");
      const before = usedBytes();
      await proa("pull", "-q", names[1] ?? "");
      const blob = images[1]?.blobs.reduce((sum, { bytes }) => sum + bytes.length, 0) ?? 0;
      const added = usedBytes() - before;
      expect(added).toBeLessThan(blob + 6 * MIB); // the blob itself, what is changed, and what the file system needs
      expect(await proa("run", "--rm", names[1] ?? "", "cat", "/said")).toBe("two");
      const sum = await proa("run", "--rm", names[1] ?? "", "sha256sum", "/usr/lib/common3");
      expect(sum).toStartWith(new Bun.CryptoHasher("sha256").update(changed).digest("hex"));
      // what is written in one is not written in the other
      await proa("run", "--rm", names[1] ?? "", "sh", "-c", "echo x >> /usr/lib/common1");
      expect(await proa("system", "check")).toBe("");
      await proa("rmi", names[0] ?? "");
      expect(await proa("run", "--rm", names[1] ?? "", "sh", "-c", "cat /usr/lib/* | wc -c")).toBe(
        String(20 * MIB),
      );
    },
    60_000,
  );
});
