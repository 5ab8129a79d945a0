/** Bundles as the engine writes them, changed by each test and given to the helper's `run` in the foreground. */
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostMappings } from "../../src/helper/mappings";
import type { Facts, Mappings, Rootfs } from "../../src/helper/protocol";
import { flock, LOCK_EX, LOCK_NB, memfdCreate } from "../../src/helper/syscalls";
import { resolveSeccomp, type SeccompProfile } from "../../src/oci";
import profile from "../../src/oci/seccomp-default.json";
import { helperPath } from "./_container";

export const capabilities =
  "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE"
    .split(" ")
    .map((name) => `CAP_${name}`);

/** A runtime config as far as the tests change it. */
export type Config = ReturnType<typeof makeConfig>;
type Mount = { destination: string; type?: string; source?: string; options?: string[] };

export function makeConfig(args: string[]) {
  const mappings: Mappings = hostMappings().mappings;
  const mount = (destination: string, type: string, ...options: string[]): Mount => ({
    destination,
    type,
    source: type,
    options,
  });
  return {
    ociVersion: "1.2.0",
    hostname: "box",
    root: { path: "rootfs", readonly: false },
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 } as { uid: number; gid: number; additionalGids?: number[]; umask?: number },
      args,
      env: ["PATH=/bin:/opt/bin"],
      cwd: "/",
      capabilities: {
        bounding: capabilities,
        effective: capabilities,
        permitted: capabilities,
        inheritable: [] as string[],
        ambient: [] as string[],
      },
      noNewPrivileges: false,
      rlimits: [] as { type: string; soft: number; hard: number }[],
      oomScoreAdj: undefined as number | undefined,
    },
    mounts: [
      mount("/proc", "proc", "nosuid", "noexec", "nodev"),
      mount("/dev", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
      mount("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
      mount("/sys", "sysfs", "nosuid", "noexec", "nodev", "ro"),
      mount("/sys/fs/cgroup", "cgroup", "nosuid", "noexec", "nodev", "ro"),
      mount("/dev/mqueue", "mqueue", "nosuid", "noexec", "nodev"),
      mount("/dev/shm", "tmpfs", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
    ],
    linux: {
      uidMappings: mappings.uid,
      gidMappings: mappings.gid,
      namespaces: ["user", "mount", "pid", "network", "ipc", "uts", "cgroup"].map((type) => ({ type })) as {
        type: string;
        path?: string;
      }[],
      maskedPaths: [
        "/proc/acpi",
        "/proc/kcore",
        "/proc/keys",
        "/proc/timer_list",
        "/sys/firmware",
        "/nowhere",
      ],
      readonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
      devices: [] as { path: string; type: string; major: number; minor: number }[],
      sysctl: {} as Record<string, string>,
      seccomp: resolveSeccomp(profile as SeccompProfile, { capabilities, arch: "amd64", kernel: "6.1" }),
    },
  };
}

export type Place = {
  readonly path: string;
  readonly rootfs: string;
  readonly runDir: string;
  readonly bundle: string;
  readonly upper: string;
  readonly work: string;
};

const places: string[] = [];

let probe: string | undefined;

/** The probe, compiled once for a file of tests. */
function probePath(): string {
  if (probe !== undefined) return probe;
  const directory = mkdtempSync(join(process.env["PROA_TEST_TMP"] ?? tmpdir(), "probe-"));
  places.push(directory);
  probe = join(directory, "probe");
  const source = join(import.meta.dir, "probe.c");
  const made = Bun.spawnSync(["gcc", "-O1", "-static", "-o", probe, source], { stderr: "inherit" });
  if (made.exitCode !== 0) throw new Error(`compile ${source}: exit ${made.exitCode}`);
  return probe;
}

/** A fresh directory with a rootfs of busybox and the probe in it. */
export function makePlace(): Place {
  const path = mkdtempSync(join(process.env["PROA_TEST_TMP"] ?? tmpdir(), "b-"));
  places.push(path);
  chmodSync(path, 0o711);
  const below = (...names: string[]): string => join(path, ...names);
  for (const name of ["run", "bundle", "upper", "work", "rootfs"]) mkdirSync(below(name), { mode: 0o755 });
  for (const name of ["bin", "proc", "dev", "sys", "tmp", "etc", "opt/bin"])
    mkdirSync(below("rootfs", name), { recursive: true });
  const busybox = ["/bin/busybox", "/usr/bin/busybox"].find((each) => existsSync(each)) ?? "";
  copyFileSync(busybox, below("rootfs/bin/busybox"));
  copyFileSync(probePath(), below("rootfs/bin/probe"));
  const programs =
    "sh basename cat ls id sleep echo readlink hostname ulimit touch mount umount ip stat grep pwd mkdir tty rm kill true";
  for (const program of programs.split(" ")) symlinkSync("busybox", below("rootfs/bin", program));
  // As root, the files of an image belong to the container's root, who is another id.
  if (process.getuid?.() === 0) {
    const root = hostMappings().mappings.uid.find(({ containerID }) => containerID === 0)?.hostID ?? 0;
    Bun.spawnSync(["chown", "-hR", `${root}:${root}`, below("rootfs")]);
  }
  return {
    path,
    rootfs: below("rootfs"),
    runDir: below("run"),
    bundle: below("bundle"),
    upper: below("upper"),
    work: below("work"),
  };
}

export function removePlaces(): void {
  probe = undefined;
  for (const path of places.splice(0)) {
    const script = 'chmod -R u+rwX "$1" 2>/dev/null; rm -rf "$1"';
    Bun.spawnSync(["sh", "-c", script, "sh", path]);
    if (existsSync(path)) Bun.spawnSync(["unshare", "--map-root-user", "--map-auto", "rm", "-rf", path]);
  }
}

export type Options = {
  /** Where, if not in a fresh place. */
  place?: Place;
  /** Change the config before it is written. */
  config?: (config: Config, place: Place) => void;
  rootfs?: Rootfs;
  runtime?: string;
  seccompCache?: string;
  env?: Record<string, string>;
  /** The helper's executable, if not the one under test. */
  helper?: string;
  /** A command in front of the helper's, which passes descriptors 3 and 4 on. */
  wrap?: string[];
};

/** An overlay over the rootfs of PLACE: what the engine does for an image. */
export const overlay = (place: Place): Rootfs => ({
  driver: "overlay",
  lower: [place.rootfs],
  upper: place.upper,
  work: place.work,
  volatile: false,
});

/** A request in a descriptor, which the caller closes. */
export function requestFd(request: unknown): number {
  const fd = memfdCreate("request");
  const bytes = Buffer.from(JSON.stringify(request));
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
  return fd;
}

/** Start `run` in the foreground, stdin a pipe. */
export function launch(args: string[], options: Options = {}) {
  const place = options.place ?? makePlace();
  const config = makeConfig(args);
  options.config?.(config, place);
  writeFileSync(join(place.bundle, "config.json"), JSON.stringify(config));
  const lockFd = openSync(place.runDir, "r");
  flock(lockFd, LOCK_EX | LOCK_NB);
  const fd = requestFd({
    id: "a".repeat(64),
    proa: "/bin/echo",
    bundle: place.bundle,
    runDir: place.runDir,
    lockFd: 3,
    rootfs: options.rootfs ?? overlay(place),
    runtime: options.runtime ?? null,
    log: null,
    stdin: true,
    stdinOnce: true,
    attach: { stdin: true, stdout: true, stderr: true, detachKeys: [], sigProxy: true },
    printId: false,
    remove: [],
    exitFile: join(place.path, "exit.json"),
    seccompCache: options.seccompCache ?? null,
  });
  const child = Bun.spawn([...(options.wrap ?? []), options.helper ?? helperPath, "run", "4"], {
    stdio: ["pipe", "pipe", "pipe", lockFd, fd],
    env: { PATH: "/usr/bin:/bin:/usr/sbin:/sbin", ...options.env },
  });
  closeSync(fd);
  closeSync(lockFd);
  return { child, place };
}

/** A further program in the running container of PLACE, stdin a pipe. */
export function execIn(place: Place, args: string[]) {
  const { process } = JSON.parse(readFileSync(join(place.bundle, "config.json"), "utf8"));
  const fd = requestFd({
    proa: "/bin/echo",
    runDir: place.runDir,
    bundle: place.bundle,
    process: { ...process, args },
    stdin: true,
    detach: false,
    attach: { stdin: true, stdout: true, stderr: true, detachKeys: [], sigProxy: true },
    seccompCache: null,
  });
  const child = Bun.spawn([helperPath, "exec", "3"], { stdio: ["pipe", "pipe", "pipe", fd] });
  closeSync(fd);
  return child;
}

export type Outcome = { stdout: string; stderr: string; exitCode: number; place: Place };

/** Run a bundle to its end. */
export async function runBundle(args: string[], options: Options = {}): Promise<Outcome> {
  const { child, place } = launch(args, options);
  await child.stdin.end();
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { stdout, stderr, exitCode, place };
}

/** The output of a bundle that has to succeed, without the last newline. */
export async function outputOf(args: string[], options: Options = {}): Promise<string> {
  const { stdout, stderr, exitCode } = await runBundle(args, options);
  if (exitCode !== 0) throw new Error(`exit ${exitCode}: ${stderr}${stdout}`);
  return stdout.trimEnd();
}

/** What `proa __report` would have been told. */
export function factsOf(outcome: Outcome): Facts {
  const start = outcome.stdout.indexOf("{");
  if (start < 0) throw new Error(`no facts, exit ${outcome.exitCode}: ${outcome.stdout}${outcome.stderr}`);
  return JSON.parse(outcome.stdout.slice(start)) as Facts;
}

/** Command lines of processes that name PLACE. */
export function processesIn(place: Place): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8");
      } catch {
        return ""; // it has ended meanwhile
      }
    })
    .filter((command) => command.includes(place.path));
}
