/**
 * A host of its own for tests that root makes: a private mount namespace in which files of the system can be replaced, and an
 * ordinary user `tester` who exists there alone. Nothing of it is seen outside, and it ends with its process.
 */
import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { proaPath } from "../../harness";

export const TESTER = 4242;
/** First subordinate id of `tester`, and of root where the test gives it some. */
export const SUBORDINATE = { tester: 2_100_000_000, root: 2_200_000_000 };
const RANGE = 65_536;

export type HostOptions = {
  /** Content of /etc/subuid and /etc/subgid. Default: a range for the tester, none for root. */
  subuid?: string;
  subgid?: string;
  /** A shell script run as root in the namespace before anything else; `$DIR` is the host's directory, `$HOME` the tester's. */
  setUp?: string;
};

export type HostResult = { stdout: string; stderr: string; exitCode: number };

export type RunOptions = {
  /** Default: the tester. */
  uid?: number;
  env?: Record<string, string | undefined>;
  /** Words in front of the program: `["chroot", "/x"]`, run as root before the user is changed. */
  through?: string[];
  cwd?: string;
};

export type Host = AsyncDisposable & {
  readonly directory: string;
  readonly home: string;
  proa(args: string[], options?: RunOptions): Promise<HostResult>;
  /** Start without waiting; the caller ends it. */
  start(args: string[], options?: RunOptions): Bun.Subprocess<"ignore", "pipe", "pipe">;
  /** A script as root in the namespace. Throws where it fails. */
  sh(script: string): Promise<string>;
};

export async function makeHost(options: HostOptions = {}): Promise<Host> {
  const directory = mkdtempSync(join(tmpdir(), "p-"));
  chmodSync(directory, 0o755);
  const home = join(directory, "h");
  for (const name of ["h", "d", "r", "c", "k"]) {
    mkdirSync(join(directory, name), { mode: 0o700 });
    chownSync(join(directory, name), TESTER, TESTER);
  }
  const program = join(directory, "proa");
  copyFileSync(proaPath, program); // the checkout may lie where only root can go
  chmodSync(program, 0o755);
  const subuid = options.subuid ?? `tester:${SUBORDINATE.tester}:${RANGE}\n`;
  const etc: Record<string, string> = {
    passwd: `root:x:0:0:root:/root:/bin/sh\ntester:x:${TESTER}:${TESTER}::${home}:/bin/sh\n`,
    group: `root:x:0:\ntester:x:${TESTER}:\n`,
    subuid,
    subgid: options.subgid ?? subuid,
  };
  mkdirSync(join(directory, "etc"));
  // The whole directory is overlaid: a mount on a single file would go when somebody outside renames another over it (usermod does).
  const binds = [
    `cd ${directory}/etc; mount -t tmpfs none .; cd ${directory}/etc; mkdir u w`,
    ...Object.entries(etc).map(([name, text]) => `printf %s ${quote(text)} > u/${name}; chmod 644 u/${name}`),
    `mount -t overlay -o lowerdir=/etc,upperdir=${directory}/etc/u,workdir=${directory}/etc/w overlay /etc`,
  ];
  const script = [
    ...binds,
    `DIR=${directory} HOME=${home}`,
    options.setUp ?? "",
    "echo ready",
    "exec sleep infinity",
  ].join("\n");
  const holder = Bun.spawn(["unshare", "--mount", "--propagation", "private", "sh", "-e", "-c", script], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const dispose = async (): Promise<void> => {
    holder.kill("SIGKILL");
    await holder.exited;
    rmSync(directory, { recursive: true, force: true });
  };
  const first = await holder.stdout.getReader().read();
  if (new TextDecoder().decode(first.value) !== "ready\n") {
    const why = await new Response(holder.stderr).text();
    await dispose();
    throw new Error(`make host: ${why}`);
  }
  const enter = [Bun.which("nsenter") ?? "nsenter", `--mount=/proc/${holder.pid}/ns/mnt`];
  const start: Host["start"] = (args, { uid = TESTER, env = {}, through = [], cwd = home } = {}) => {
    const full: Record<string, string | undefined> = {
      HOME: uid === 0 ? join(directory, "root") : home,
      USER: uid === 0 ? "root" : "tester",
      PATH: "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
      LANG: "C.UTF-8",
      XDG_DATA_HOME: join(directory, "d"),
      XDG_RUNTIME_DIR: join(directory, "r"),
      XDG_CONFIG_HOME: join(directory, "c"),
      XDG_CACHE_HOME: join(directory, "k"),
      ...env,
    };
    const become = ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", "--inh-caps=-all"];
    const there = ["sh", "-c", 'cd "$0" && exec "$@"', cwd];
    return Bun.spawn([...enter, ...through, ...become, ...there, program, ...args], {
      env: Object.fromEntries(
        Object.entries(full).filter((entry): entry is [string, string] => entry[1] !== undefined),
      ),
      stdio: ["ignore", "pipe", "pipe"],
    });
  };
  return {
    directory,
    home,
    start,
    async proa(args, more) {
      const child = start(args, more);
      const timer = setTimeout(() => child.kill("SIGKILL"), 40_000);
      const [stdout, stderr, exitCode] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
        child.exited,
      ]);
      clearTimeout(timer);
      return { stdout, stderr, exitCode };
    },
    async sh(text) {
      const result = Bun.spawnSync([...enter, "sh", "-e", "-c", `DIR=${directory} HOME=${home}\n${text}`], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      if (result.exitCode !== 0) throw new Error(`${text}: ${result.stderr}`);
      return result.stdout.toString().trim();
    },
    [Symbol.asyncDispose]: dispose,
  };
}

function quote(text: string): string {
  return `'${text.replaceAll("\0", "").replaceAll("'", "'\\''")}'`;
}

/** Null where root can make such hosts, otherwise what is missing. */
export function hostMissing(): string | null {
  if (process.getuid?.() !== 0) return "not root";
  if (!existsSync("/usr/bin/newuidmap")) return "uidmap is not installed";
  const tried = Bun.spawnSync(["unshare", "--mount", "true"]);
  return tried.exitCode === 0 ? null : "root cannot make a mount namespace here";
}
