/** The two images that most tests need: a busybox of one layer, and a Debian. */
import { existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Layer, makeImage, makeLayer, type TestImage } from "./image";
import { testCacheDir } from "./sandbox";
import type { Tree } from "./tar";

const BUSYBOX = "/bin/busybox"; // Debian's busybox-static

/** Null where the image can be made, otherwise what is missing. */
export const tinyMissing: string | null = existsSync(BUSYBOX) ? null : "busybox-static is not installed";

let tiny: Promise<TestImage> | undefined;

/** busybox with all its applets, users root, nobody and app (1000:1000, groups extra). Made once a process. */
export function tinyImage(): Promise<TestImage> {
  tiny ??= (async () =>
    makeImage({ layers: [await tinyLayer()], config: { Cmd: ["sh"], Env: ["PATH=/bin:/sbin"] } }))();
  return tiny;
}

export async function tinyLayer(): Promise<Layer> {
  const listed = Bun.spawnSync([BUSYBOX, "--list"]).stdout.toString().trim().split("\n");
  const applets: Tree = {};
  for (const name of listed) {
    if (name !== "busybox") applets[`bin/${name}`] = { type: "symlink", target: "/bin/busybox" };
  }
  return makeLayer({
    "bin/": "",
    "bin/busybox": { content: readFileSync(BUSYBOX), mode: 0o755 },
    ...applets,
    "dev/": "",
    "etc/": "",
    "etc/passwd":
      "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\napp:x:1000:\nextra:x:2000:app\nnogroup:x:65534:\n",
    "home/": "",
    "home/app/": { type: "directory", uid: 1000, gid: 1000 },
    "proc/": "",
    "root/": { type: "directory", mode: 0o700 },
    "run/": "",
    "sys/": "",
    "tmp/": { type: "directory", mode: 0o1777 },
    "var/": "",
  });
}

/** The archive of Debian's minimal root file system, made with mmdebstrap once and kept in the cache. */
const debianTar = (): string => join(testCacheDir(), "debian-bookworm.tar");

/** Null where `debianImage()` has its archive, otherwise why not. Tests that need it skip with this reason. */
export function debianMissing(): string | null {
  return existsSync(debianTar()) ? null : "no Debian root file system (mmdebstrap failed or was not run)";
}

/** Make the archive where it is missing: half a minute, and packages from Debian's mirror. Throws with mmdebstrap's words. */
export function prepareDebian(): void {
  if (existsSync(debianTar())) return;
  const temporary = `${debianTar()}.${process.pid}.tar`;
  const command = [
    "mmdebstrap",
    "--quiet",
    "--mode=unshare",
    "--variant=minbase",
    "--format=tar",
    "bookworm",
    temporary,
  ];
  const result = Bun.spawnSync(command, { stdio: ["ignore", "pipe", "pipe"], cwd: "/" });
  if (result.exitCode !== 0) {
    rmSync(temporary, { force: true });
    throw new Error(
      `mmdebstrap: exit status ${result.exitCode}: ${result.stderr.toString().trim().slice(-500)}`,
    );
  }
  renameSync(temporary, debianTar());
}

/** Debian bookworm, minbase, one layer; bash is its command. */
export async function debianImage(): Promise<TestImage> {
  const layer = await makeLayer(new Uint8Array(readFileSync(debianTar())));
  return makeImage({
    layers: [layer],
    config: { Cmd: ["bash"], Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"] },
  });
}
