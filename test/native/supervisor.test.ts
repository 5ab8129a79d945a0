import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { waitUntil } from "../harness/wait";
import { Container, ended, helperMissing, removeDirectories, run, start, text } from "./_container";

setDefaultTimeout(30_000);
afterAll(removeDirectories);

describe.skipIf(helperMissing !== undefined)(`run${helperMissing ? ` (${helperMissing})` : ""}`, () => {
  test("a program that is not there is exit status 127, reported and recorded", async () => {
    const { stdout, container } = await run(["/bin/nothing"]);

    expect(stdout).toContain("__report run {");
    expect(JSON.parse(stdout.slice(stdout.indexOf("{")))).toMatchObject({ errno: "ENOENT", exit: 127 });
    expect(container.exit).toMatchObject({
      exitCode: 127,
      signal: 0,
      startedMs: 0,
      error: { errno: "ENOENT" },
    });
    expect(readdirSync(container.runDir)).toEqual([]);
    expect(container.isLocked).toBe(false);
  });

  test("a program that cannot be executed is exit status 126", async () => {
    const { container } = await run(["/tmp"]);

    expect(container.exit).toMatchObject({ exitCode: 126, error: { exit: 126 } });
  });

  test("a bundle without config.json is reported and recorded", async () => {
    const container = new Container(["true"]);
    writeFileSync(join(container.bundle, "config.json"), "{");
    const child = container.run(["ignore", "pipe", "pipe"]);

    expect(await text(child.stdout)).toContain('"step":"read bundle"');
    await child.exited;
    expect(container.exit.exitCode).toBe(125);
    expect(container.isLocked).toBe(false);
  });

  test("stdout and stderr stay apart, and the exit status is the container's", async () => {
    const { stdout, stderr, exitCode } = await run(["sh", "-c", "echo out; echo err >&2; exit 42"]);

    expect(stdout).toBe("out\n");
    expect(stderr).toBe("err\n");
    expect(exitCode).toBe(42);
  });

  test("a container that a signal killed is 128 + N, with the signal in exit.json", async () => {
    const container = await start(["sleep", "100"]);
    container.kill("SIGKILL");
    await ended(container);

    expect(container.exit).toMatchObject({ exitCode: 137, signal: 9, error: null, logLostBytes: 0 });
    expect(container.exit.finishedMs).toBeGreaterThanOrEqual(container.exit.startedMs);
  });

  test("stdin is binary safe and its end is passed on", async () => {
    const bytes = crypto.getRandomValues(new Uint8Array(65_536));
    const { stdout } = await run(["sha256sum"], {}, bytes);

    expect(stdout.split(" ")[0]).toBe(createHash("sha256").update(bytes).digest("hex"));
  });

  test("200 MB go through stdin and stdout unchanged while the supervisor stays small", async () => {
    const container = new Container(["cat"], { log: null });
    const child = container.run();
    const chunk = crypto.getRandomValues(new Uint8Array(1 << 16));
    const sent = createHash("sha256");
    const received = createHash("sha256");
    let biggest = 0;
    const reading = (async () => {
      for await (const part of child.stdout) received.update(part);
    })();
    await waitUntil(() => container.isStarted);
    const status = `/proc/${container.supervisor}/status`;
    for (let i = 0; i < 3200; i++) {
      sent.update(chunk);
      child.stdin.write(chunk);
      await child.stdin.flush();
      if (i % 100 === 0)
        biggest = Math.max(biggest, Number(/^RssAnon:\s*(\d+)/m.exec(readFileSync(status, "utf8"))?.[1]));
    }
    await child.stdin.end();
    await reading;

    expect(await child.exited).toBe(0);
    expect(received.digest("hex")).toBe(sent.digest("hex"));
    expect(biggest).toBeLessThan(1500); // KiB
  });

  test("a container that does not read its stdin makes nobody grow, and signals still get through", async () => {
    const container = new Container(["sh", "-c", "trap 'exit 7' TERM; sleep 100 & wait"], { log: null });
    const child = container.run();
    await waitUntil(() => container.isStarted);
    const chunk = new Uint8Array(1 << 20);
    for (let i = 0; i < 8; i++) child.stdin.write(chunk);
    Promise.resolve(child.stdin.flush()).catch(() => {}); // it never gets all of it
    await Bun.sleep(300); // let it fill whatever it can
    const anon = (pid: number) =>
      Number(/^RssAnon:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
    expect(anon(container.supervisor)).toBeLessThan(500);
    expect(anon(child.pid)).toBeLessThan(1500);
    child.kill("SIGTERM");

    expect(await child.exited).toBe(7);
  });

  test("immediate end of stdin ends cat", async () => {
    const { stdout, exitCode } = await run(["cat"]);

    expect(stdout).toBe("");
    expect(exitCode).toBe(0);
  });

  test("without stdin the container reads /dev/null", async () => {
    const { stdout } = await run(["sh", "-c", "cat; echo end"], { stdin: false }, "ignored");

    expect(stdout).toBe("end\n");
  });

  test("a closed stdout ends the foreground as by SIGPIPE, and not the container", async () => {
    const container = new Container(["sh", "-c", "seq 1 200000; exit 9"], { log: null });
    const child = container.run(["ignore", "pipe", "pipe"]);
    await child.stdout.cancel();

    expect(await child.exited).toBe(141);
    await ended(container);
    expect(container.exit.exitCode).toBe(9);
  });

  test("a closed stdout of a container that is removed at its end is a broken pipe for it", async () => {
    const container = new Container(["sh", "-c", "trap '' PIPE; seq 1 200000 || exit 9"], { remove: true });
    const child = container.run(["ignore", "pipe", "pipe"]);
    await child.stdout.cancel();

    expect(await child.exited).toBe(9);
  });

  test("printId prints the id when the container runs, and leaves", async () => {
    const container = new Container(["sleep", "100"], { attach: null, printId: true });
    const child = container.run(["ignore", "pipe", "pipe"]);

    expect(await text(child.stdout)).toBe(`${container.id}\n`);
    expect(await child.exited).toBe(0);
    expect(container.isLocked).toBe(true);
    expect(container.state).toMatchObject({
      id: container.id,
      status: "running",
      bundle: container.bundle,
    });
    expect(statSync(join(container.runDir, "attach.sock")).mode & 0o777).toBe(0o600);
    container.kill();
    await ended(container);
  });

  test("whoever saw the end finds the lock free and exit.json written", async () => {
    for (let i = 0; i < 10; i++) {
      const { container } = await run(["true"]);
      expect(container.isLocked).toBe(false);
      expect(container.exit.exitCode).toBe(0);
      expect(readdirSync(container.runDir)).toEqual([]);
    }
  });

  test("remove leaves neither the trees nor the run directory", async () => {
    const { container, exitCode } = await run(["false"], { remove: true });

    expect(exitCode).toBe(1);
    expect(existsSync(container.bundle)).toBe(false);
    expect(existsSync(container.runDir)).toBe(false);
  });

  test("remove also cleans up after a failed start", async () => {
    const { container } = await run(["/bin/nothing"], { remove: true });

    expect(existsSync(container.bundle)).toBe(false);
    expect(existsSync(container.runDir)).toBe(false);
  });

  test("a run directory with a longer path than a socket may have works", async () => {
    const container = await start(["sh", "-c", "read line; echo got $line"], {
      longPath: 150,
      attach: null,
    });
    const client = container.attachTo();
    client.stdin.write("x\n");
    await client.stdin.flush();

    expect(await text(client.stdout)).toBe("got x\n");
    expect(await client.exited).toBe(0);
  });

  test("the end does not wait for a grandchild that keeps stdout open", async () => {
    const { stdout, exitCode } = await run(["sh", "-c", "sleep 1000 & echo done; exit 3"]);

    expect(stdout).toBe("done\n");
    expect(exitCode).toBe(3);
  });

  test("SIGINT, SIGUSR1 and SIGHUP reach the container's first process", async () => {
    for (const signal of ["SIGINT", "SIGUSR1", "SIGHUP"] as const) {
      const name = signal.slice(3);
      const container = new Container([
        "sh",
        "-c",
        `trap 'echo ${name}; exit 5' ${name}; echo ready; sleep 100 & wait`,
      ]);
      const child = container.run(["ignore", "pipe", "pipe"]);
      await waitUntil(
        () => existsSync(container.logPath) && readFileSync(container.logPath, "utf8").includes("ready"),
      );
      child.kill(signal);

      expect(await text(child.stdout)).toBe(`ready\n${name}\n`);
      expect(await child.exited).toBe(5);
    }
  });

  test("without sigProxy a signal ends the client only", async () => {
    const container = new Container(["sleep", "100"], { attach: { sigProxy: false } });
    const child = container.run(["ignore", "pipe", "pipe"]);
    await waitUntil(() => container.isStarted);
    child.kill("SIGTERM");
    await child.exited;

    expect(child.signalCode).toBe("SIGTERM");
    expect(container.isLocked).toBe(true);
    container.kill();
    await ended(container);
  });

  test("SIGTERM to the supervisor is the container's, and the end is recorded", async () => {
    const container = await start(["sh", "-c", "trap 'exit 6' TERM; sleep 100 & wait"]);
    await Bun.sleep(100);
    process.kill(container.supervisor, "SIGTERM");
    await ended(container);

    expect(container.exit).toMatchObject({ exitCode: 6, signal: 0 });
  });

  test("SIGKILL of the supervisor takes the container with it and leaves the lock free without a record", async () => {
    const container = await start(["sleep", "100"]);
    const { pid } = container.state;
    const client = container.attachTo(["ignore", "pipe", "pipe"]);
    await Bun.sleep(100);
    process.kill(container.supervisor, "SIGKILL");

    expect(await text(client.stdout)).toContain("its supervisor is gone");
    await waitUntil(() => !existsSync(`/proc/${pid}/exe`) || !existsSync(`/proc/${pid}`), {
      what: "death of the container",
    });
    expect(container.isLocked).toBe(false);
    expect(existsSync(container.exitFile)).toBe(false);
  });

  test("after a killed supervisor its directories serve for the next start", async () => {
    const first = await start(["sleep", "100"]);
    const { pid } = first.state;
    process.kill(first.supervisor, "SIGKILL");
    await waitUntil(() => !existsSync(`/proc/${pid}/exe`), { what: "death of the container" });
    const second = new Container(["sh", "-c", "read line; echo got $line"], { attach: null, after: first });
    await second.run(["ignore", "pipe", "pipe"]).exited;
    const client = second.attachTo();
    client.stdin.write("on\n");
    await client.stdin.flush();

    expect(await text(client.stdout)).toBe("got on\n");
    expect(second.exit.exitCode).toBe(0);
  });

  test("a user other than root opens /dev/stdout and /dev/stderr again", async () => {
    const { stdout, stderr } = await run(
      ["sh", "-c", "echo out > /proc/self/fd/1; echo err > /proc/self/fd/2"],
      { user: 1000 },
    );

    expect(stdout).toBe("out\n");
    expect(stderr).toBe("err\n");
  });

  test("a signal that the caller ignores is no signal for the container", async () => {
    const script = "trap 'echo interrupted' INT; echo ready; read line; echo $line";
    const container = new Container(["sh", "-c", script]);
    const child = container.run(["pipe", "pipe", "pipe"], ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]);
    await waitUntil(() => existsSync(container.logPath) && readFileSync(container.logPath, "utf8") !== "");
    child.kill("SIGINT");
    child.stdin.write("end\n");
    await child.stdin.end();

    expect(await text(child.stdout)).toBe("ready\nend\n");
  });

  test("the container has no signal ignored or blocked, whatever the caller had", async () => {
    const container = new Container(["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]);
    const wrap = ["sh", "-c", 'trap "" INT HUP QUIT PIPE; exec "$@"', "sh"];
    const child = container.run(["ignore", "pipe", "pipe"], wrap);

    expect((await text(child.stdout)).match(/[0-9a-f]{16}/g)).toEqual(["0".repeat(16), "0".repeat(16)]);
  });

  test("a client that is stopped misses nothing when it goes on", async () => {
    const container = new Container(["sh", "-c", "read go; seq 1 300000"], { log: null });
    const child = container.run();
    await waitUntil(() => container.isStarted);
    child.kill("SIGSTOP");
    child.stdin.write("go\n");
    await child.stdin.flush();
    child.kill("SIGCONT");
    await Bun.sleep(20);
    child.kill("SIGSTOP");
    await Bun.sleep(200);
    child.kill("SIGCONT");
    const output = await text(child.stdout);

    expect(output === `${Array.from({ length: 300_000 }, (_, i) => i + 1).join("\n")}\n`).toBe(true);
    expect(await child.exited).toBe(0);
  });

  test("the flags of inherited descriptors stay as they are", async () => {
    const container = new Container(["cat"], { log: null });
    const script = '"$@"; for i in 0 1 2; do grep flags /proc/self/fdinfo/$i; done';
    const before = Bun.spawnSync(["sh", "-c", script, "sh", "true"], { stdio: ["pipe", "pipe", "pipe"] });
    const child = container.run(["pipe", "pipe", "pipe"], ["sh", "-c", script, "sh"]);
    await child.stdin.end();

    expect(
      (await text(child.stdout)).match(/flags.*/g)?.map((line) => Number.parseInt(line.slice(7), 8) & 0o4000),
    ).toEqual(
      before.stdout
        .toString()
        .match(/flags.*/g)
        ?.map((line) => Number.parseInt(line.slice(7), 8) & 0o4000) ?? [],
    );
  });

  test("idle supervisors cost less than 300 KiB each", async () => {
    const containers = await Promise.all(Array.from({ length: 8 }, () => start(["sleep", "100"])));
    const pss = (container: Container) =>
      Number(/^Pss:\s*(\d+)/m.exec(readFileSync(`/proc/${container.supervisor}/smaps_rollup`, "utf8"))?.[1]);

    await waitUntil(() => containers.map(pss).reduce((sum, each) => sum + each) / 8 < 300, {
      what: "less memory",
    });
    for (const container of containers) container.kill();
    await Promise.all(containers.map(ended));
  });
});
