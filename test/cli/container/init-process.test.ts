/** `--init`: the process above a container's command. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { missing, useTiny, waitUntil } from "../../harness";
import { detach, inspect, printed, removeAll, run, SLEEP, shell } from "./_shell";

/** An init of the user's own: starts what is behind `--` and exits with its status, and 100 more. */
const OWN_INIT = `
#include <sys/wait.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	int status = 0;
	(void)argc;
	pid_t pid = fork();
	if (pid == 0)
		execvp(argv[2], argv + 2);
	waitpid(pid, &status, 0);
	return 100 + WEXITSTATUS(status);
}`;

describe.skipIf(missing !== null)("--init", () => {
  const place = useTiny();
  const { engine } = place;

  test("is the first process, with the command as its child", async () => {
    const script = "tr '\\0' ' ' </proc/1/cmdline; echo; cat /proc/1/comm; echo $$ $PPID";
    expect(await shell(place, ["--init"], script)).toBe(
      `/sbin/docker-init -- sh -c ${script} \ndocker-init\n2 1`,
    );
  });

  test.each([
    ["exit 0", 0],
    ["exit 7", 7],
    ["exit 255", 255],
    ["kill -9 $$", 137],
    ["kill -TERM $$", 143],
  ])("ends as its command does: %s", async (script, status) => {
    expect((await run(place, ["--init"], ["sh", "-c", script])).exitCode).toBe(status);
  });

  test("a command that cannot be executed is told of as without one", async () => {
    const without = await run(place, [], ["nothere"]);
    const withInit = await run(place, ["--init"], ["nothere"]);
    expect(withInit).toMatchObject({ stderr: without.stderr, exitCode: 127 });
    const denied = await run(place, ["--init"], ["/etc/passwd"]);
    expect(denied.stderr).toStartWith("Error: execute: /etc/passwd: permission denied");
    expect(denied.exitCode).toBe(126);
  });

  test("passes signals on, and a command without a handler ends by them", async () => {
    const script = "trap 'echo caught; exit 6' USR1; echo ready; while :; do sleep 0.02; done";
    await detach(place, "signals", ["sh", "-c", script], ["--init"]);
    await printed(place, "signals", "ready");
    await engine.ok(["kill", "-s", "USR1", "signals"]);
    expect(await engine.ok(["wait", "signals"])).toBe("6");
    expect(await engine.ok(["logs", "signals"])).toBe("ready\ncaught");
    await detach(place, "plain", SLEEP, ["--init"]);
    await engine.ok(["stop", "-t", "-1", "plain"]); // for ever: the first process alone would not hear TERM
    expect(await inspect(place, "plain", "{{.State.ExitCode}}")).toBe("143");
  });

  test("TINI_KILL_PROCESS_GROUP sends them to the whole group", async () => {
    const script =
      "(trap 'echo child' USR1; while :; do sleep 0.02; done) & trap 'echo parent' USR1; echo ready; while :; do wait; done";
    const ends = async (name: string, options: string[]) => {
      await detach(place, name, ["sh", "-c", script], ["--init", ...options]);
      await printed(place, name, "ready");
      await engine.ok(["kill", "-s", "USR1", name]);
      await printed(place, name, "parent");
      return (await engine.ok(["logs", name])).split("\n");
    };
    await ends("group", ["-e", "TINI_KILL_PROCESS_GROUP=1"]);
    await printed(place, "group", "child");
    expect(await ends("alone", [])).toEqual(["ready", "parent"]);
  });

  test("reaps a flood of orphans, which are left without it", async () => {
    const flood = "i=0; while [ $i -lt 300 ]; do (true &); i=$((i+1)); done";
    const zombies = async (name: string): Promise<number> =>
      Number(
        await engine.ok([
          "exec",
          name,
          "sh",
          "-c",
          "cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z ' || :",
        ]),
      );
    for (const [name, options] of [
      ["reaped", ["--init"]],
      ["left", []],
    ] as const) {
      await detach(place, name, SLEEP, [...options]);
      await engine.ok(["exec", name, "sh", "-c", flood]);
    }
    expect(await zombies("left")).toBeGreaterThan(200);
    await waitUntil(async () => (await zombies("reaped")) === 0);
    expect(await inspect(place, "reaped", "{{.HostConfig.Init}}")).toBe("true");
  });

  test("the command has the terminal, its keys and its size", async () => {
    const pty = engine.pty(["run", "--rm", "-it", "--init", "-e", "PS1=> ", place.tiny, "sh"], {
      cols: 61,
      rows: 17,
    });
    await pty.waitFor("> ");
    pty.write("sh -c 'stty size; exec sleep 1000'\n"); // one job: between two the key would be nobody's
    await pty.waitFor("17 61");
    pty.write("\x03");
    await pty.waitFor("> ");
    pty.write("jobs; exit 3\n");
    expect(await pty.exited).toBe(3);
  });

  test("what is executed cannot be written by the container, which sees no file of it", async () => {
    const script =
      "echo x 2>/dev/null >/proc/1/exe && echo written; readlink /proc/1/exe; ls /sbin 2>/dev/null; ls /proc/1/fd";
    expect(await shell(place, ["--init"], script)).toMatch(/^\/memfd:init \(deleted\)\n0\n1\n2$/);
  });

  test("an unprivileged command may have one, with its own user", async () => {
    expect(
      await shell(place, ["--init", "-u", "app", "--cap-drop", "ALL"], "id -u; grep Uid /proc/1/status"),
    ).toBe("1000\nUid:\t1000\t1000\t1000\t1000");
  });

  test("--init-path takes a program of the host in place of ours", async () => {
    const source = join(engine.sandbox.home, "own.c");
    const program = join(engine.sandbox.home, "own-init");
    await Bun.write(source, OWN_INIT);
    const made = Bun.spawnSync(["gcc", "-static", "-Os", "-o", program, source]);
    expect(made.stderr.toString()).toBe("");
    expect((await run(place, ["--init", "--init-path", program], ["sh", "-c", "exit 5"])).exitCode).toBe(105);
    const absent = await run(place, ["--init", "--init-path", "/no/such"], ["true"]);
    expect(absent.stderr).toStartWith("Error: --init-path: /no/such: there is no such file\n");
    expect(absent.exitCode).toBe(125);
  });

  test("is refused with another runtime", async () => {
    const refused = await run(place, ["--init", "--runtime", "/bin/true"], ["true"]);
    expect(refused.stderr).toContain("init: /bin/true: proa's init cannot be handed to another runtime");
    expect(refused.exitCode).toBe(125);
  });

  test("nothing is left of all these", () => removeAll(place));
});
