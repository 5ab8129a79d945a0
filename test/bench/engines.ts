/** The engines that are compared, each with stores of its own in a sandbox: proa, and podman where it is installed. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createSandbox, proaPath, processesOf, removeSandbox, type Sandbox } from "../harness";
import type { Command } from "./measure";

export type BenchEngine = {
  readonly name: string;
  readonly sandbox: Sandbox;
  command(...args: string[]): Command;
  /** Run to its end; returns stdout. Throws with stderr. */
  run(...args: string[]): string;
  pull(reference: string): void;
  /** Remove all containers. */
  clear(): void;
  dispose(): void;
};

/** Options of the command line that differ. */
type Dialect = { pull: string[]; rm: string[] };

function makeEngine(
  name: string,
  program: string,
  dialect: Dialect,
  configure?: (sandbox: Sandbox) => void,
): BenchEngine {
  const sandbox = createSandbox();
  configure?.(sandbox);
  const command = (...args: string[]): Command => ({ argv: [program, ...args], env: sandbox.env });
  const run = (...args: string[]): string => {
    const result = Bun.spawnSync([program, ...args], {
      env: { ...sandbox.env },
      cwd: sandbox.home,
      stdin: "ignore",
      stderr: "pipe",
    });
    if (result.exitCode !== 0)
      throw new Error(`${name} ${args.join(" ")}: ${result.stderr.toString().slice(-500)}`);
    return result.stdout.toString().trim();
  };
  const clear = (): void => {
    const ids = run("ps", "-aq").split("\n").filter(Boolean);
    for (let i = 0; i < ids.length; i += 50) run("rm", "-f", ...dialect.rm, ...ids.slice(i, i + 50));
  };
  return {
    name,
    sandbox,
    command,
    run,
    pull: (reference) => void run("pull", "-q", ...dialect.pull, reference),
    clear,
    dispose() {
      try {
        clear();
      } catch {
        // the processes are ended below, and the directory goes as a whole
      }
      if (name !== "proa")
        Bun.spawnSync([program, "unshare", "rm", "-rf", sandbox.dataHome], { env: { ...sandbox.env } });
      for (const pid of [...processesOf(sandbox).map(({ pid }) => pid), ...pausePids(sandbox)]) end(pid);
      removeSandbox(sandbox);
    },
  };
}

/** podman keeps a process that holds its user namespace; it is told by this file alone. */
function pausePids(sandbox: Sandbox): number[] {
  const file = join(sandbox.runtimeDir, "libpod/tmp/pause.pid");
  return existsSync(file) ? [Number(readFileSync(file, "utf8"))] : [];
}

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it ended by itself
  }
}

function configurePodman(sandbox: Sandbox): void {
  const directory = join(sandbox.configHome, "containers");
  mkdirSync(directory);
  const runtime = Bun.which("runc") === null ? "" : 'runtime = "runc"\n'; // Debian 12's crun refuses hybrid cgroups
  writeFileSync(
    join(directory, "containers.conf"),
    `[engine]\nevents_logger = "file"\ncgroup_manager = "cgroupfs"\n${runtime}`,
  );
  writeFileSync(join(directory, "storage.conf"), '[storage]\ndriver = "overlay"\n');
  writeFileSync(join(directory, "policy.json"), '{"default":[{"type":"insecureAcceptAnything"}]}');
}

/** `alone`: proa without its peers. */
export function benchEngines(alone: boolean): BenchEngine[] {
  const engines = [makeEngine("proa", proaPath, { pull: [], rm: [] })];
  const podman = alone ? null : Bun.which("podman");
  if (podman !== null)
    engines.push(
      makeEngine("podman", podman, { pull: ["--tls-verify=false"], rm: ["-t", "0"] }, configurePodman),
    );
  return engines;
}
