/** A disk that is full while a container logs, and when it ends: the container goes on, its end is recorded, and what the log lost is said. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { makeImage, tinyLayer, tinyMissing, waitUntil } from "../../harness";
import { FakeRegistry } from "../../registry/_fake";
import { type Host, hostMissing, makeHost, TESTER } from "../host/_host";

const missing = hostMissing() ?? tinyMissing;

describe.skipIf(missing !== null)(`a full disk${missing ? ` (${missing})` : ""}`, () => {
  let registry: FakeRegistry;
  let host: Host;
  let name = "";
  beforeAll(async () => {
    registry = await FakeRegistry.start();
    const made = await makeImage({ layers: [await tinyLayer()], config: { Env: ["PATH=/bin"] } });
    name = registry.addImage("tiny", "v1", made);
    host = await makeHost({ setUp: `mount -t tmpfs -o size=12m,mode=700,uid=${TESTER} none $DIR/d` });
    await host.proa(["pull", "-q", name]);
  });
  afterEach(() => free());
  afterAll(async () => {
    await host?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
  });

  const proa = async (...args: string[]): Promise<string> => {
    const result = await host.proa(args);
    if (result.exitCode !== 0)
      throw new Error(`proa ${args.join(" ")}: ${result.exitCode}: ${result.stderr}`);
    return result.stdout.trim();
  };
  const state = (of: string): Promise<string> =>
    proa("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", of);
  const fill = () =>
    host.sh("for bs in 4k 1; do dd if=/dev/zero of=$DIR/d/filler$bs bs=$bs 2>/dev/null || true; done");
  const free = () => host.sh("rm -f $DIR/d/filler*");

  /** Processes of the host's user that were started in this directory: another test may have a user of the same number. */
  const living = (): string[] => commands().filter((command) => command !== "sleep infinity "); // that is the host itself

  const commands = (): string[] =>
    readdirSync("/proc").flatMap((pid) => {
      try {
        const isOurs = readFileSync(`/proc/${pid}/environ`, "utf8").includes(`=${host.directory}/`);
        return isOurs ? readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ") : [];
      } catch {
        return []; // no process, or gone
      }
    });

  async function expectClean(): Promise<void> {
    expect(await proa("ps", "-aq")).toBe("");
    expect(
      await host.sh("ls $DIR/d/proa/containers $DIR/r/proa/containers | grep -v -e : -e '^$' || true"),
    ).toBe("");
    await waitUntil(() => living().length === 0).catch(() => undefined);
    expect(living()).toEqual([]);
    expect(await host.sh("grep -c $DIR/d/proa /proc/self/mounts || true")).toBe("0");
  }

  test("while a container logs: it goes on to its own end, and the loss is reported", async () => {
    const script =
      "i=0; while [ $i -lt 40 ]; do head -c 1000000 /dev/zero | tr '\\0' x; echo; i=$((i+1)); done; exit 3";
    await proa("run", "-d", "--name", "loud", name, "sh", "-c", script);
    expect(await proa("wait", "loud")).toBe("3");
    expect(await state("loud")).toBe("exited 3");
    const logs = await host.proa(["logs", "--tail", "1", "loud"]);
    expect(logs.stderr).toMatch(
      /loud: \d+ bytes of its output are not in the log: there was no room for them/,
    );
    expect(logs.exitCode).toBe(0);
    await proa("rm", "loud");
    await expectClean();
  });

  test("at a container's end: the status is what it was", async () => {
    await proa("run", "-d", "--name", "ending", name, "sh", "-c", "sleep 1000; exit 6");
    await fill();
    await proa("kill", "ending");
    expect(await state("ending")).toBe("exited 137");
    const again = await host.proa(["start", "ending"]); // there is no room for a life: that is said, or it runs
    if (again.exitCode !== 0) expect(again.stderr).toMatch(/no space left|full/);
    await host.proa(["stop", "-t", "0", "ending"]);
    expect(await state("ending")).toMatch(/^(exited|created) /);
    await free();
    expect(await proa("start", "ending")).toBe("ending");
    await proa("rm", "-f", "ending");
    await expectClean();
  });

  test.skipIf(Bun.which("strace") === null)(
    "as soon as a container runs: its end is recorded all the same",
    async () => {
      const slowly = ["-e", "trace=fallocate", "-e", "inject=fallocate:delay_enter=1000000"];
      const through = ["strace", "-f", "-qq", "-o", "/dev/null", ...slowly];
      const begun = host.start(["run", "-d", "--name", "young", name, "sleep", "1000"], { through });
      await begun.stdout.getReader().read(); // its id
      await fill();
      await proa("kill", "young");
      expect(await state("young")).toBe("exited 137");
      await free();
      await proa("rm", "young");
      await begun.exited;
      await expectClean();
    },
  );

  test("while the supervisor is killed: the end is unknown, and with room again everything works", async () => {
    await proa("run", "-d", "--name", "killed", name, "sleep", "1000");
    await fill();
    const pid = await proa("inspect", "-f", "{{.State.Pid}}", "killed");
    const supervisor = /^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    process.kill(Number(supervisor), "SIGKILL");
    await waitUntil(async () => (await host.proa(["ps", "-q"])).stdout === "");
    expect((await host.proa(["ps", "-a", "--format", "{{.Status}}"])).stdout).toStartWith("Exited (unknown)");
    expect((await host.proa(["rm", "killed"])).stderr).toBe("");
    await free();
    await expectClean();
  });

  test("removes what it can: rm -f and prune make room, and do not need any", async () => {
    for (const each of ["one", "two"]) await proa("run", "-d", "--name", each, name, "sleep", "1000");
    await fill();
    expect(await host.proa(["rm", "-f", "one"])).toEqual({ stdout: "one\n", stderr: "", exitCode: 0 });
    await proa("stop", "-t", "0", "two");
    const pruned = await host.proa(["container", "prune", "-f"]);
    expect(pruned.stderr).toBe("");
    await free();
    await expectClean();
  });
});
