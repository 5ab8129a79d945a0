/** `proa exec`. */
import { beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing, useTiny, waitUntil } from "../../harness";
import { detach, inspect, printed, removeAll, SLEEP } from "./_shell";

describe.skipIf(missing !== null)("exec", () => {
  const place = useTiny();
  const { engine } = place;
  const exec = (
    options: string[],
    command: string[],
    more: { stdin?: string; env?: Record<string, string> } = {},
  ) => engine.proa(["exec", ...options, "web", ...command], more);

  beforeAll(async () => {
    if (missing === null)
      await detach(place, "web", SLEEP, [
        "-e",
        "A=container",
        "-e",
        "B=container",
        "-w",
        "/tmp",
        "--cap-drop",
        "NET_RAW",
      ]);
  });

  test.each([
    [["exec"], '"proa exec" requires at least 2 arguments: no CONTAINER given'],
    [["exec", "web"], '"proa exec" requires at least 2 arguments: no COMMAND given'],
    [["exec", "--nosuch", "web", "true"], "unknown flag: --nosuch"],
    [["exec", "nothing", "true"], "exec: nothing: no such container"],
    [["exec", "-w", "relative", "web", "true"], "working directory: relative: it must be an absolute path"],
    [["exec", "-u", "nosuch", "web", "true"], "find user: nosuch: no such user in the image's /etc/passwd"],
    [["exec", "web", "nothere"], "execute: nothere: command not found in the container"],
    [["exec", "web", "/etc/passwd"], "execute: /etc/passwd: permission denied"],
  ])("%p is refused", async (args, message) => {
    const result = await engine.proa(args);
    expect(result.stderr).toStartWith(`Error: ${message}\n`);
    expect(result.exitCode).toBe(
      message.includes("not found")
        ? 127
        : message.includes("passwd: perm")
          ? 126
          : message.includes("no such container")
            ? 1
            : 125,
    );
  });

  test("passes stdout, stderr and the status; options end at the container's name", async () => {
    expect(await exec([], ["sh", "-c", "echo out; echo err >&2; exit 9"])).toMatchObject({
      stdout: "out\n",
      stderr: "err\n",
      exitCode: 9,
    });
    expect((await exec([], ["echo", "-u", "--", "-it"])).stdout).toBe("-u -- -it\n");
    expect((await exec([], ["sh", "-c", "kill -9 $$"])).exitCode).toBe(137);
  });

  test("-i passes stdin and its end; without it there is none", async () => {
    expect((await exec(["-i"], ["cat"], { stdin: "a\0b" })).stdout).toBe("a\0b");
    expect((await exec([], ["cat"], { stdin: "not for it" })).stdout).toBe("");
  });

  test("has the container's environment, directory and user, and options on top", async () => {
    expect((await exec([], ["sh", "-c", "echo $A $B; pwd; id -u"])).stdout).toBe(
      "container container\n/tmp\n0\n",
    );
    const path = join(engine.sandbox.home, "exec-env");
    writeFileSync(path, "B=file\nC=file\n");
    const options = ["-e", "A=exec", "--env-file", path, "-w", "/etc", "-u", "app"];
    expect((await exec(options, ["sh", "-c", "echo $A $B $C $HOME; pwd; id -u; id -G"])).stdout).toBe(
      "exec file file /home/app\n/etc\n1000\n1000 2000\n",
    );
    expect((await exec(["-u", "5:6"], ["sh", "-c", "echo $(id -u) $(id -g)"])).stdout).toBe("5 6\n");
  });

  test.each([
    ["/no/such", "no such file or directory"],
    ["/etc/passwd", "not a directory"],
  ])("-w %s is an error, with the status that docker has for it", async (path, why) => {
    const result = await exec(["-w", path], ["true"]);
    expect(result.stderr).toContain(`${path}: ${why}`);
    expect(result.exitCode).toBe(127);
  });

  test("is in every namespace of the container, under its filter, with its capabilities and limits", async () => {
    const script =
      'for n in user mnt pid net ipc uts cgroup; do [ "$(readlink /proc/self/ns/$n)" = "$(readlink /proc/1/ns/$n)" ] || echo "other $n"; done';
    expect((await exec([], ["sh", "-c", script])).stdout).toBe("");
    const of = async (pid: string) =>
      (await exec([], ["grep", "-E", "^(Cap|Seccomp:|NoNewPrivs)", `/proc/${pid}/status`])).stdout;
    expect(await of("self")).toBe(await of("1"));
    const limits = async (pid: string) =>
      (await exec([], ["grep", "open files", `/proc/${pid}/limits`])).stdout;
    expect(await limits("self")).toBe(await limits("1"));
  });

  test("has the standard descriptors and no other", async () => {
    expect((await exec(["-i"], ["sh", "-c", "ls /proc/$$/fd; :"])).stdout).toBe("0\n1\n2\n");
  });

  test("-d returns when the program runs, and what it does goes on", async () => {
    const result = await exec(
      ["-d"],
      ["sh", "-c", "while ! test -e /go; do sleep 0.02; done; echo done >/made"],
    );
    expect(result).toMatchObject({ stdout: "", stderr: "", exitCode: 0 });
    await exec([], ["touch", "/go"]);
    await waitUntil(async () => (await exec([], ["cat", "/made"])).stdout === "done\n");
    expect((await exec(["-d"], ["nothere"])).exitCode).toBe(127);
  });

  test("signals of the foreground go to the program", async () => {
    const child = engine.start([
      "exec",
      "web",
      "sh",
      "-c",
      "trap 'echo caught; exit 6' TERM; echo ready; while :; do sleep 0.02; done",
    ]);
    const reader = child.stdout.getReader();
    await reader.read();
    child.kill("SIGTERM");
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("caught\n");
    expect(await child.exited).toBe(6);
  });

  test("kill -9 of the foreground leaves the program and the container alone", async () => {
    const child = engine.start(["exec", "web", "sh", "-c", "echo $$; exec sleep 4321"]);
    const pid = new TextDecoder().decode((await child.stdout.getReader().read()).value).trim();
    await waitUntil(
      async () => (await exec([], ["cat", `/proc/${pid}/cmdline`])).stdout === "sleep\u00004321\0",
    );
    child.kill("SIGKILL");
    await child.exited;
    expect((await exec([], ["cat", `/proc/${pid}/comm`])).stdout).toBe("sleep\n");
    await exec([], ["kill", "-9", pid]);
    await waitUntil(async () => (await exec([], ["test", "-e", `/proc/${pid}`])).exitCode === 1);
  });

  test("-it has a terminal of our size, follows its resizing, and knows Ctrl-C", async () => {
    const pty = engine.pty(["exec", "-it", "-e", "PS1=> ", "web", "sh"], { cols: 64, rows: 16 });
    await pty.waitFor("> ");
    pty.write("tty; stty size\n");
    await pty.waitFor(/\/dev\/pts\/\d+\r\n16 64\r\n/);
    pty.resize(70, 20);
    pty.write("while [ \"$(stty size)\" != '20 70' ]; do sleep 0.02; done; echo res''ized\n");
    await pty.waitFor("resized");
    pty.write("echo st''arted; sleep 1000\n");
    await pty.waitFor("started");
    await waitUntil(async () => (await exec([], ["pidof", "sleep"])).stdout.trim() !== "1");
    pty.write("\x03");
    await pty.waitFor("> ");
    pty.write("exit 4\n");
    expect(await pty.exited).toBe(4);
  });

  test("-t without a terminal on our side is refused with -i, and is a terminal without", async () => {
    const refused = await exec(["-it"], ["true"], { stdin: "" });
    expect(refused.stderr).toStartWith("Error: attach: stdin: the input is not a terminal\n");
    expect(refused.exitCode).toBe(125);
    expect((await exec(["-t"], ["tty"])).stdout).toMatch(/^\/dev\/pts\/\d+\r\n$/);
  });

  test("an /etc/passwd of the container that is a pipe, endless, or a link out of it holds nobody up", async () => {
    const passwd = async (script: string): Promise<void> => {
      await exec([], ["sh", "-c", `rm -f /etc/passwd; ${script}`]);
    };
    await passwd("mkfifo /etc/passwd");
    expect((await exec([], ["echo", "pipe"])).stdout).toBe("pipe\n");
    await passwd("truncate -s 20G /etc/passwd");
    expect((await exec(["-u", "5"], ["echo", "endless"])).stdout).toBe("endless\n");
    await passwd("ln -s ../../../../../../etc/passwd /etc/passwd");
    expect((await exec(["-u", "bin"], ["true"])).stderr).toStartWith("Error: find user: bin: no such user");
    await passwd("ln -s /proc/1/root/etc/passwd /etc/passwd");
    expect((await exec(["-u", "bin"], ["true"])).stderr).toStartWith("Error: find user: bin: no such user");
    await passwd("echo app:x:1000:1000::/home/app:/bin/sh >/etc/passwd");
    expect((await exec(["-u", "app"], ["id", "-u"])).stdout).toBe("1000\n");
  });

  test("thirty at once all run", async () => {
    const all = await Promise.all(
      Array.from({ length: 30 }, (_, i) => exec([], ["sh", "-c", `echo ${i}; exit ${i}`])),
    );
    expect(all.map(({ stdout, stderr, exitCode }) => [stdout, stderr, exitCode])).toEqual(
      Array.from({ length: 30 }, (_, i) => [`${i}\n`, "", i]),
    );
  });

  test("ends with its container, and leaves no process", async () => {
    await detach(place, "short", ["sh", "-c", "echo ready; while ! test -e /go; do sleep 0.02; done"]);
    await printed(place, "short", "ready");
    const child = engine.start(["exec", "short", "sh", "-c", "touch /here; exec sleep 5432"]);
    await waitUntil(async () => (await engine.proa(["exec", "short", "test", "-e", "/here"])).exitCode === 0);
    await engine.proa(["exec", "short", "touch", "/go"]); // itself killed where the container is quicker
    expect(await child.exited).toBe(137);
    expect(await engine.ok(["wait", "short"])).toBe("0");
    expect(await inspect(place, "short", "{{.State.Status}}")).toBe("exited");
    const late = await engine.proa(["exec", "short", "true"]);
    expect(late.stderr).toStartWith("Error: exec: short: the container is not running\n");
    expect(late.exitCode).toBe(1);
  });

  test("nothing is left of all these", () => removeAll(place));
});
