/**
 * A place of its own for the engine: fresh XDG directories below one short temporary directory (a socket's path may have 107 bytes),
 * removed at the end together with everything the engine started in it.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** The executable under test. */
export const proaPath = resolve(process.env["PROA"] ?? join(import.meta.dir, "../../dist/proa"));

export type Sandbox = {
  readonly directory: string;
  readonly dataHome: string;
  readonly runtimeDir: string;
  readonly configHome: string;
  readonly cacheHome: string;
  readonly home: string;
  /** The whole environment of a process in the sandbox. */
  readonly env: Readonly<Record<string, string>>;
};

export function createSandbox(): Sandbox {
  const directory = mkdtempSync(join(process.env["PROA_TEST_TMP"] ?? tmpdir(), "p-"));
  const below = (name: string): string => {
    const path = join(directory, name);
    mkdirSync(path, { mode: 0o700 });
    return path;
  };
  const home = below("h");
  const dataHome = below("d");
  const runtimeDir = below("r");
  const configHome = below("c");
  const cacheHome = below("k");
  return {
    directory,
    dataHome,
    runtimeDir,
    configHome,
    cacheHome,
    home,
    env: {
      HOME: home,
      USER: process.env["USER"] ?? "proa",
      PATH: process.env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
      LANG: "C.UTF-8",
      TERM: "xterm",
      XDG_DATA_HOME: dataHome,
      XDG_RUNTIME_DIR: runtimeDir,
      XDG_CONFIG_HOME: configHome,
      XDG_CACHE_HOME: cacheHome,
    },
  };
}

/** Remove the sandbox's directory, files of mapped ids included. Processes must be gone. */
export function removeSandbox(sandbox: Sandbox): void {
  try {
    rmSync(sandbox.directory, { recursive: true, force: true });
    return;
  } catch {
    // files of subordinate ids, or directories that their owner may not write: only root of the id map removes them
  }
  const remove = ["sh", "-c", 'chmod -R u+rwX "$1" 2>/dev/null; rm -rf "$1"', "sh", sandbox.directory];
  const ways = [
    ["unshare", "--map-root-user", "--map-auto", ...remove],
    [proaPath, "unshare", ...remove],
    remove,
  ];
  for (const way of ways) {
    Bun.spawnSync(way, { env: sandbox.env, stdio: ["ignore", "ignore", "ignore"] });
    if (!existsSync(sandbox.directory)) return;
  }
  throw new Error(`remove sandbox: ${sandbox.directory}: files are left in it`);
}

/** A process that was started in a sandbox, told by its environment or by a directory of the sandbox that it holds open. */
export type Leftover = { pid: number; name: string; command: string };

export function processesOf(sandbox: Sandbox): Leftover[] {
  const found: Leftover[] = [];
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    if (!belongsTo(pid, sandbox)) continue;
    const read = (file: string): string => {
      try {
        return readFileSync(`/proc/${pid}/${file}`, "utf8").replaceAll("\0", " ").trim();
      } catch {
        return "";
      }
    };
    const comm = read("comm");
    if (comm !== "") found.push({ pid, name: comm, command: read("cmdline") });
  }
  return found;
}

function belongsTo(pid: number, sandbox: Sandbox): boolean {
  try {
    if (readFileSync(`/proc/${pid}/environ`, "utf8").includes(`=${sandbox.directory}/`)) return true;
  } catch {
    // another user's, or one that gave up being dumpable
  }
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith(`${sandbox.directory}/`);
      } catch {
        return false;
      }
    });
  } catch {
    return false;
  }
}

/** What the engine left in the sandbox, one line each; empty when it is as if nothing had run. Stored images do not count. */
export function leftIn(sandbox: Sandbox): string[] {
  const left: string[] = processesOf(sandbox).map(
    ({ pid, name, command }) => `process ${pid} ${name}: ${command}`,
  );
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n")) {
    if (line.includes(` ${sandbox.directory}/`)) left.push(`mount ${line.split(" ")[4]}`);
  }
  const directories = [
    join(sandbox.runtimeDir, "proa/containers"),
    join(sandbox.dataHome, "proa/containers"),
  ];
  for (const directory of directories) {
    if (existsSync(directory))
      left.push(...readdirSync(directory).map((name) => `directory ${join(directory, name)}`));
  }
  const layers = join(sandbox.dataHome, "proa/layers");
  if (existsSync(layers)) {
    left.push(
      ...readdirSync(layers)
        .filter((name) => name.startsWith("tmp"))
        .map((name) => `layer ${name}`),
    );
  }
  return left;
}

/** Where tests keep what is slow to make, between runs. */
export function testCacheDir(): string {
  const path = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "proa-test");
  mkdirSync(path, { recursive: true });
  return path;
}
