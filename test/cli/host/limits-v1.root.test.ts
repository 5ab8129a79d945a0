/** Limits in directories of version 1 that root has given to a user. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { waitUntil } from "../../harness";
import { type Host, hostMissing, makeHost, TESTER } from "./_host";

const CONTROLLERS = ["memory", "pids", "cpu", "cpuacct", "freezer"];
const directoryOf = (controller: string): string => `/sys/fs/cgroup/${controller}/proa-${TESTER}`;

const missing =
  hostMissing() ??
  (CONTROLLERS.every((each) => existsSync(`/sys/fs/cgroup/${each}/tasks`))
    ? null
    : "this host has no control groups of version 1");

describe.skipIf(missing !== null)(`limits of version 1${missing === null ? "" : ` (${missing})`}`, () => {
  let host: Host;

  beforeAll(async () => {
    if (missing !== null) return;
    for (const each of CONTROLLERS) {
      mkdirSync(directoryOf(each), { recursive: true });
      chownSync(directoryOf(each), TESTER, TESTER);
    }
    host = await makeHost();
  });

  afterAll(async () => {
    if (missing !== null) return;
    await host[Symbol.asyncDispose]();
    for (const each of CONTROLLERS) rmdirSync(directoryOf(each)); // fails where a container's group is left in it
  });

  const proa = (...args: string[]) => host.proa(args);
  const root = ["--rootfs", "--network", "none"];
  const groups = (controller: string): string[] =>
    readdirSync(directoryOf(controller), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  const value = (controller: string, file: string): string =>
    readFileSync(`${directoryOf(controller)}/${groups(controller)[0]}/${file}`, "utf8").trim();

  test("are in the files while it runs, change by update, and nothing is left afterwards", async () => {
    const limits = ["-m", "64m", "--cpus", "0.5", "--pids-limit", "50"];
    const started = await proa("run", "-d", "--name", "web", ...limits, ...root, "/", "sleep", "1000");
    expect(started).toMatchObject({ stderr: "", exitCode: 0 });
    expect(value("memory", "memory.limit_in_bytes")).toBe(String(64 << 20));
    expect([value("cpu", "cpu.cfs_quota_us"), value("cpu", "cpu.cfs_period_us")]).toEqual([
      "50000",
      "100000",
    ]);
    expect(value("pids", "pids.max")).toBe("50");
    const changed = await proa("update", "-m", "96m", "--pids-limit", "33", "web");
    expect(changed).toMatchObject({ stdout: "web\n", stderr: "", exitCode: 0 });
    expect(value("memory", "memory.limit_in_bytes")).toBe(String(96 << 20));
    expect(value("pids", "pids.max")).toBe("33");
    // no directory of blkio was given: what its process has read and written itself is shown
    const shown = "{{.MemUsage}} {{.PIDs}} {{.BlockIO}}";
    const stats = await proa("stats", "--no-stream", "--format", shown, "web");
    expect(stats.stdout).toMatch(/^\S+B \/ 96MiB 1 \S+B \/ \S+B\n$/);
    expect(stats.stderr).toBe("");
    const path = (await proa("inspect", "-f", "{{.State.CgroupPath}}", "web")).stdout.trim();
    expect(path).toBe(`/memory/proa-${TESTER}/${groups("memory")[0]}`);
    expect((await proa("rm", "-f", "web")).exitCode).toBe(0);
    expect(CONTROLLERS.flatMap(groups)).toEqual([]);
  });

  test("without any there is one of processes: podman's", async () => {
    await proa("run", "-d", "--name", "web", ...root, "/", "sleep", "1000");
    expect(value("pids", "pids.max")).toBe("2048");
    await proa("rm", "-f", "web");
  });

  test("what uses up its memory is killed, and inspect and events say so", async () => {
    const script = "head -c 100m /dev/zero | tail";
    const killed = await proa("run", "--name", "big", "-m", "20m", ...root, "/", "sh", "-c", script);
    expect(killed.exitCode).toBe(137);
    expect((await proa("inspect", "-f", "{{.State.OOMKilled}}", "big")).stdout).toBe("true\n");
    const told = await proa(
      "events",
      "--since",
      "1m",
      "--until",
      "0s",
      "--filter",
      "event=oom",
      "--format",
      "{{.Action}}",
    );
    expect(told.stdout).toBe("oom\n");
    await proa("rm", "big");
    expect(CONTROLLERS.flatMap(groups)).toEqual([]);
  });

  test("the next command removes what a supervisor that was killed has left", async () => {
    const { stdout } = await proa("run", "-d", "--name", "web", ...root, "/", "sleep", "1000");
    const supervisor = readdirSync("/proc").find((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "latin1").startsWith(`proa-supervise ${stdout.trim()}`);
      } catch {
        return false;
      }
    });
    process.kill(Number(supervisor), "SIGKILL");
    await waitUntil(async () => (await proa("ps", "-q")).stdout === "", { what: "the end" });
    expect(CONTROLLERS.flatMap(groups)).toEqual([]);
    await proa("rm", "web");
  });
});
