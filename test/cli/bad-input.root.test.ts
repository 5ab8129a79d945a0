/** What only root can bring about: users without subordinate ids, a full file system, the engine started as root. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeImage, missing, proaPath, pushImage, type Registry, startRegistry } from "../harness";

const USER = process.env["PROA_USER"] ?? "proa";

let directory: string;
let program: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "p-"));
  chmodSync(directory, 0o755);
  program = join(directory, "proa");
  copyFileSync(proaPath, program);
  chmodSync(program, 0o755);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** A fresh set of XDG directories below `parent`, of a user. */
function place(parent: string, uid: number): Record<string, string> {
  const env: Record<string, string> = {
    HOME: parent,
    PATH: "/usr/bin:/bin:/usr/sbin:/sbin",
    LANG: "C.UTF-8",
  };
  const directories = { d: "DATA_HOME", r: "RUNTIME_DIR", c: "CONFIG_HOME", k: "CACHE_HOME" };
  for (const [name, variable] of Object.entries(directories)) {
    const path = join(parent, name);
    mkdirSync(path, { recursive: true });
    chownSync(path, uid, uid);
    env[`XDG_${variable}`] = path;
  }
  return env;
}

function idOf(user: string): number {
  return Number(Bun.spawnSync(["id", "-u", user]).stdout.toString());
}

async function call(uid: number, env: Record<string, string>, args: string[]) {
  const drop = ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"];
  const command = [...(uid === 0 ? [] : drop), program, ...args];
  const child = Bun.spawn(command, { env, cwd: "/", stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { stdout, stderr, exitCode: await child.exited };
}

test("a user without subordinate ids gets a container of one id, and is told", async () => {
  const NOBODY = 65534;
  const env = place(join(directory, "nobody"), NOBODY);
  const result = await call(NOBODY, env, ["run", "--rm", "hello"]);
  expect(result.stdout).toStartWith("Hello from proa!");
  expect(result.stderr).toContain("/etc/subuid");
  expect(result.exitCode).toBe(0);
});

describe.skipIf(missing !== null)("a full file system", () => {
  let registry: Registry;
  let mount: string;
  beforeAll(async () => {
    registry = await startRegistry();
    mount = join(directory, "small");
    mkdirSync(mount);
    const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=3m,mode=755", "tmpfs", mount]);
    if (mounted.exitCode !== 0) mount = "";
  });
  afterAll(async () => {
    if (mount !== "") Bun.spawnSync(["umount", mount]);
    await registry.stop();
  });

  test("in the middle of a pull is an error that says so, and leaves no layer", async () => {
    if (mount === "") return; // no right to mount here
    const uid = idOf(USER);
    const env = place(mount, uid);
    const noise = crypto.getRandomValues(new Uint8Array(65_536));
    const tree = Object.fromEntries(Array.from({ length: 160 }, (_, i) => [`file-${i}`, noise]));
    const reference = await pushImage(`${registry.host}/large:1`, await makeImage({ layers: [tree] }));
    const result = await call(uid, env, ["pull", "-q", reference]);
    expect(result.stderr).toContain("no space left on device");
    expect(result.stderr).toContain("large:1");
    expect(result.exitCode).toBe(1);
    const files = new Bun.Glob("d/proa/layers/**/*").scanSync({ cwd: mount, onlyFiles: true });
    expect([...files].filter((file) => file.includes("file-"))).toEqual([]);
    expect((await call(uid, env, ["images", "-q"])).stdout).toBe("");
  });
});

test("started as root, runs as root's subordinate ids, or names the line that is missing", async () => {
  const env = place(join(directory, "root"), 0);
  const result = await call(0, env, ["run", "--rm", "--rootfs", "/", "cat", "/proc/self/uid_map"]);
  if (/^(root|0):/m.test(readFileSync("/etc/subuid", "utf8"))) {
    const lines = result.stdout.trim().split("\n");
    const outside = lines.map((line) => Number(line.trim().split(/\s+/)[1]));
    expect(result.exitCode).toBe(0);
    expect(outside).not.toContain(0);
  } else {
    expect(result.stderr).toContain("/etc/subuid");
    expect(result.stderr).toContain("hint: ");
    expect(result.exitCode).toBe(125);
    expect(readdirSync(join(directory, "root/r"))).not.toContain("containers");
  }
});
