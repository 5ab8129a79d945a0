/** Machines that root makes of network namespaces, and on one of them an engine that the unprivileged user runs. */
import { afterAll, beforeAll } from "bun:test";
import { chmodSync, chownSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { netImage, netMissing, proaPath, pushImage, startRegistry, waitUntil } from "../../harness";
import { startHere } from "./_net";

/** `enter`: what stands before a command that runs there. */
export type Machine = { readonly enter: string[]; readonly pid: string };

export type Machines = {
  /** A directory of its own, gone at the end. */
  readonly directory: string;
  /** The environment of proa. */
  readonly environment: Record<string, string>;
  /** Run a command to its end. */
  call(command: string[]): Promise<{ stdout: string; stderr: string; exitCode: number }>;
  /** What a command prints that has to succeed, trimmed. */
  ok(command: string[]): Promise<string>;
  /** Start a command that ends with the tests; resolves to its first line. */
  start(command: string[]): Promise<string>;
  /** A machine with loopback only. With `prepare`, commands of a shell, it has mounts of its own as well. */
  machine(prepare?: string): Promise<Machine>;
  /** Have `host` be where proa runs; resolves to the name of the image that it has then. */
  settle(host: Machine): Promise<string>;
  /** The command `proa ARGS` of the unprivileged user on that host. */
  proa(...args: string[]): string[];
  /** Wait until the log of a container holds `text`. */
  logged(name: string, text: string): Promise<void>;
};

/** For the tests of a `describe` at the top of which it is called. */
export function useMachines(): Machines {
  const children: { kill(signal: "SIGKILL"): void }[] = [];
  const environment: Record<string, string> = { PATH: "/usr/bin:/bin:/usr/sbin:/sbin", LANG: "C.UTF-8" };
  let directory = "";
  let host: string[] | undefined;
  let user: string[] = [];

  const call: Machines["call"] = async (command) => {
    const child = Bun.spawn(command, { env: environment, cwd: "/", stdio: ["ignore", "pipe", "pipe"] });
    const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    return { stdout, stderr, exitCode: await child.exited };
  };
  const ok: Machines["ok"] = async (command) => {
    const result = await call(command);
    if (result.exitCode !== 0) throw new Error(`${command.join(" ")}: ${result.stderr}`);
    return result.stdout.trim();
  };
  const start: Machines["start"] = async (command) => {
    const { child, first } = await startHere(command);
    children.push(child);
    return first;
  };
  const engine = (...args: string[]) => [...user, join(directory, "proa"), ...args];
  const proa: Machines["proa"] = (...args) => [...(host ?? []), ...engine(...args)];

  beforeAll(async () => {
    if (netMissing !== null) return;
    directory = mkdtempSync(join(tmpdir(), "p-"));
    chmodSync(directory, 0o755);
    copyFileSync(proaPath, join(directory, "proa"));
    chmodSync(join(directory, "proa"), 0o755);
    environment["HOME"] = directory;
    const uid = Number(await ok(["id", "-u", process.env["PROA_USER"] ?? "proa"]));
    user = ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"];
    for (const name of ["DATA_HOME", "RUNTIME_DIR", "CONFIG_HOME", "CACHE_HOME"]) {
      const path = join(directory, name.slice(0, 2));
      mkdirSync(path, { mode: 0o700 });
      chownSync(path, uid, uid);
      environment[`XDG_${name}`] = path;
    }
  });
  afterAll(async () => {
    if (directory === "") return;
    const ids = host === undefined ? [] : (await call(proa("ps", "-aq"))).stdout.split("\n").filter(Boolean);
    if (ids.length > 0) await call(proa("rm", "-f", ...ids));
    for (const child of children) child.kill("SIGKILL");
    const remove = ["unshare", "--map-root-user", "--map-auto", "rm", "-rf", join(directory, "DA/proa")];
    await call([...user, ...remove]); // files of subordinate ids
    rmSync(directory, { recursive: true, force: true });
  });

  return {
    get directory() {
      return directory;
    },
    environment,
    call,
    ok,
    start,
    proa,
    async machine(prepare) {
      const spaces = prepare === undefined ? [] : ["--mount", "--propagation", "private"];
      const script = `ip link set lo up; ${prepare ?? ":"}; echo $$; exec sleep 1000`;
      const pid = await start(["unshare", "--net", ...spaces, "sh", "-e", "-c", script]);
      const mounts = prepare === undefined ? [] : ["--mount"];
      return { enter: ["nsenter", "--target", pid, "--net", ...mounts], pid };
    },
    async settle({ enter }) {
      await using registry = await startRegistry();
      const reference = await pushImage(`${registry.host}/net:latest`, await netImage());
      await ok(engine("pull", "--quiet", reference)); // by the real host, where the registry is
      host = enter;
      return reference;
    },
    logged: (name, text) =>
      waitUntil(async () => (await ok(proa("logs", name))).includes(text), {
        what: `"${text}" in the log of ${name}`,
      }).then(() => undefined),
  };
}
