import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { waitUntil } from "../harness/wait";
import { ended, helperMissing, printed, removeDirectories, run, start, text } from "./_container";

setDefaultTimeout(30_000);
afterAll(removeDirectories);

describe.skipIf(helperMissing !== undefined)(`exec${helperMissing ? ` (${helperMissing})` : ""}`, () => {
  test("relays stdin, stdout, stderr and the exit status", async () => {
    const container = await start(["sleep", "100"]);
    const child = container.exec(["sh", "-c", "cat; echo err >&2; exit 12"]);
    child.stdin.write("in\n");
    await child.stdin.end();

    expect(await text(child.stdout)).toBe("in\n");
    expect(await text(child.stderr)).toBe("err\n");
    expect(await child.exited).toBe(12);
    container.kill();
    await ended(container);
  });

  test("in a container that has ended says so", async () => {
    const { container } = await run(["true"]);
    writeFileSync(join(container.runDir, "state.json"), JSON.stringify({ pid: process.pid }));
    const child = container.exec(["true"], { stdio: ["ignore", "pipe", "pipe"] });

    expect(await text(child.stdout)).toContain("it is not running");
    await child.exited;
  });

  test("of a program that is not there is reported with exit status 127", async () => {
    const container = await start(["sleep", "100"]);
    const child = container.exec(["/bin/nothing"], { stdio: ["ignore", "pipe", "pipe"] });

    expect(await text(child.stdout)).toContain('"exit":127');
    await child.exited;
    container.kill();
    await ended(container);
  });

  test("detached returns when the program runs", async () => {
    const container = await start(["sleep", "100"]);
    const child = container.exec(["sh", "-c", "echo yes > /tmp/mark; sleep 100"], {
      detach: true,
      stdio: ["ignore", "pipe", "pipe"],
    });

    expect(await text(child.stdout)).toBe("");
    expect(await child.exited).toBe(0);
    const mark = join(container.directory, "rootfs/tmp/mark");
    await waitUntil(() => existsSync(mark) || existsSync("/tmp/mark"));
    container.kill();
    await ended(container);
  });

  test("on a terminal: the detach keys leave the program running", async () => {
    const container = await start(["sleep", "100"]);
    const flag = join(container.directory, "rootfs/tmp");
    const screen = container.execOnTerminal([
      "sh",
      "-c",
      "echo ready; sleep 0.5; seq 1 100000; touch /tmp/flag; sleep 100",
    ]);
    await printed(screen, "ready");
    screen.terminal.write("\x10\x11");

    expect(await screen.exited).toBe(0);
    await waitUntil(() => existsSync(join(flag, "flag")) || existsSync("/tmp/flag"));
    container.kill();
    await ended(container);
  });
});
