/** The life of a detached container: run -d, ps, logs, exec, stop, start, kill, wait, rm. */
import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { missing, processesOf, useTiny, waitUntil } from "../../harness";

const SLEEP = ["sleep", "1000"];

describe.skipIf(missing !== null)("a detached container", () => {
  const place = useTiny();
  const { engine } = place;
  const detach = (name: string, ...command: string[]) =>
    engine.ok(["run", "-d", "--name", name, place.tiny, ...command]);
  const status = (name: string) =>
    engine.ok(["inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", name]);

  afterEach(async () => {
    const ids = (await engine.ok(["ps", "-aq"])).split("\n").filter(Boolean);
    if (ids.length > 0) await engine.ok(["rm", "-f", ...ids]);
    await engine.assertNothingLeft();
  });

  test("run -d prints the id, ps shows the container, rm -f removes it", async () => {
    const id = await detach("web", ...SLEEP);
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    expect(await engine.ok(["ps", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.Image}}"])).toBe(
      `${id} web ${place.tiny}`,
    );
    expect(await engine.ok(["rm", "-f", "web"])).toBe("web");
    expect(await engine.ok(["ps", "-aq"])).toBe("");
  });

  test("is found by its id, by a prefix that only it has, and by its name", async () => {
    const id = await detach("web", ...SLEEP);
    for (const reference of [id, id.slice(0, 12), id.slice(0, 6), "web"])
      expect(await status(reference)).toBe("running 0");
    const result = await engine.proa(["inspect", "--type", "container", "nothing"]);
    expect(result.exitCode).toBe(1);
  });

  test("logs shows what it printed, -f follows to the end", async () => {
    await detach(
      "web",
      "sh",
      "-c",
      "echo one; echo two >&2; while ! test -e /go; do sleep 0.05; done; echo three",
    );
    const follower = engine.start(["logs", "-f", "web"]);
    await waitUntil(async () => (await engine.proa(["logs", "web"])).stderr === "two\n");
    expect(await engine.proa(["logs", "web"])).toMatchObject({
      stdout: "one\n",
      stderr: "two\n",
      exitCode: 0,
    });
    await engine.ok(["exec", "web", "touch", "/go"]);
    expect(await follower.stdout.text()).toBe("one\nthree\n");
    expect(await follower.exited).toBe(0);
  });

  test("exec runs beside it, with stdin, status and the container's view", async () => {
    await detach("web", ...SLEEP);
    expect(await engine.proa(["exec", "web", "sh", "-c", "echo hi; exit 3"])).toMatchObject({
      stdout: "hi\n",
      exitCode: 3,
    });
    expect(await engine.proa(["exec", "-i", "web", "cat"], { stdin: "through" })).toMatchObject({
      stdout: "through",
    });
    expect(
      await engine.ok([
        "exec",
        "-u",
        "app",
        "-w",
        "/tmp",
        "-e",
        "A=1",
        "web",
        "sh",
        "-c",
        "id -u; pwd; echo $A",
      ]),
    ).toBe("1000\n/tmp\n1");
    expect(await engine.ok(["exec", "web", "cat", "/proc/1/comm"])).toBe("sleep");
    expect((await engine.proa(["exec", "web", "nothere"])).exitCode).toBe(127);
    expect((await engine.proa(["exec", "web", "/etc/passwd"])).exitCode).toBe(126);
  });

  test("exec has the capabilities and the filter of the container", async () => {
    await detach("web", ...SLEEP);
    const of = (pid: string) =>
      engine.ok(["exec", "web", "grep", "-E", "^(Cap(Eff|Bnd)|Seccomp:)", `/proc/${pid}/status`]);
    expect(await of("self")).toBe(await of("1"));
  });

  test("stop asks with TERM, then kills; start runs it again", async () => {
    await detach("polite", "sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.05; done");
    await detach("deaf", ...SLEEP);
    expect(await engine.ok(["stop", "polite"])).toBe("polite");
    expect(await status("polite")).toBe("exited 5");
    expect(await engine.ok(["stop", "-t", "1", "deaf"])).toBe("deaf");
    expect(await status("deaf")).toBe("exited 137");
    expect(await engine.ok(["start", "deaf"])).toBe("deaf");
    expect(await status("deaf")).toBe("running 0");
  });

  test("kill sends a signal, wait prints the status", async () => {
    await detach("web", "sh", "-c", "trap 'exit 9' USR1; while :; do sleep 0.05; done");
    const waiting = engine.start(["wait", "web"]);
    await Bun.sleep(100); // the trap is set
    expect(await engine.ok(["kill", "-s", "USR1", "web"])).toBe("web");
    expect(await waiting.stdout.text()).toBe("9\n");
    expect(await engine.ok(["wait", "web"])).toBe("9");
  });

  test("files written to it survive stop and start", async () => {
    await detach("web", ...SLEEP);
    await engine.ok(["exec", "web", "sh", "-c", "echo kept >/file"]);
    await engine.ok(["stop", "-t", "0", "web"]);
    await engine.ok(["start", "web"]);
    expect(await engine.ok(["exec", "web", "cat", "/file"])).toBe("kept");
  });

  test("rm refuses a running one, and says how", async () => {
    await detach("web", ...SLEEP);
    const result = await engine.proa(["rm", "web"]);
    expect(result.stderr).toContain("web");
    expect(result.stderr).toContain("hint: ");
    expect(result.exitCode).toBe(1);
    expect(await status("web")).toBe("running 0");
  });

  test("a command over several does all, prints the good, reports each failure", async () => {
    await detach("a1", ...SLEEP);
    await detach("a2", ...SLEEP);
    const result = await engine.proa(["kill", "a1", "nothing", "a2"]);
    expect(result.stdout).toBe("a1\na2\n");
    expect(result.stderr).toContain("nothing");
    expect(result.exitCode).toBe(1);
  });

  test("of two run --name x at once exactly one gets the name", async () => {
    const both = await Promise.all(
      [1, 2].map(() => engine.proa(["run", "-d", "--name", "same", place.tiny, ...SLEEP])),
    );
    expect(both.map(({ exitCode }) => exitCode).toSorted((a, b) => a - b)).toEqual([0, 125]);
    expect(both.map(({ stderr }) => stderr).join("")).toContain("the name is used by container");
    expect((await engine.ok(["ps", "-aq"])).split("\n")).toHaveLength(1);
  });

  test("whose supervisor was killed is reported as ended, and can be started again", async () => {
    await detach("web", ...SLEEP);
    const supervisors = processesOf(engine.sandbox).filter(({ name }) => name === "proa-supervise");
    expect(supervisors.length).toBeGreaterThan(0);
    for (const { pid } of supervisors) process.kill(pid, "SIGKILL");
    await waitUntil(async () => (await status("web")).startsWith("exited"), { what: "reconciliation" });
    expect(await engine.ok(["ps", "-q"])).toBe("");
    expect(await engine.ok(["start", "web"])).toBe("web");
    expect(await engine.ok(["exec", "web", "echo", "again"])).toBe("again");
  });

  test("is reported as ended after a reboot, when the run directory is empty", async () => {
    await detach("web", ...SLEEP);
    for (const { pid } of processesOf(engine.sandbox)) process.kill(pid, "SIGKILL");
    await waitUntil(() => processesOf(engine.sandbox).length === 0);
    rmSync(join(engine.sandbox.runtimeDir, "proa"), { recursive: true });
    expect(await status("web")).toStartWith("exited ");
    expect(await engine.ok(["start", "web"])).toBe("web");
  });

  test("rmi refuses an image that it uses, and not one that an ended --rm container used", async () => {
    await detach("web", ...SLEEP);
    const refused = await engine.proa(["rmi", place.tiny]);
    expect(refused.stderr).toContain("web");
    expect(refused.exitCode).toBe(1);
    await engine.ok(["rm", "-f", "web"]);
    await engine.ok(["run", "--rm", place.tiny, "true"]);
    await engine.ok(["rmi", place.tiny]);
    await engine.ok(["pull", "-q", place.tiny]);
  });

  test("its log is docker's json-file", async () => {
    await detach("web", "sh", "-c", "echo line");
    await engine.ok(["wait", "web"]);
    const path = await engine.ok(["inspect", "--format", "{{.LogPath}}", "web"]);
    const entry = JSON.parse(readFileSync(path, "utf8").split("\n")[0] ?? "");
    expect(entry).toMatchObject({ log: "line\n", stream: "stdout" });
    expect(entry.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/);
  });
});
