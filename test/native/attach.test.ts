import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, statSync } from "node:fs";
import { waitUntil } from "../harness/wait";
import {
  ended,
  frame,
  frames,
  helperMissing,
  rawClient,
  removeDirectories,
  run,
  start,
  text,
} from "./_container";

setDefaultTimeout(30_000);
afterAll(removeDirectories);

describe.skipIf(helperMissing !== undefined)(`attach${helperMissing ? ` (${helperMissing})` : ""}`, () => {
  test("to a container that is not running says so", async () => {
    const { container } = await run(["true"]);
    const client = container.attachTo(["ignore", "pipe", "pipe"]);

    expect(await text(client.stdout)).toContain("it is not running");
    await client.exited;
  });

  test("gives two clients the same output, whole and in order", async () => {
    const script =
      "(while :; do echo tick; sleep 0.02; done) & read go; kill $!; echo start; seq 1 100000; exit 8";
    const container = await start(["sh", "-c", script]);
    const clients = [container.attachTo(), container.attachTo()]; // stdin of each stays open
    const outputs = ["", ""];
    const reading = clients.map(async (client, i) => {
      const decoder = new TextDecoder();
      for await (const part of client.stdout) outputs[i] += decoder.decode(part, { stream: true });
    });
    await waitUntil(() => outputs.every((output) => output.includes("tick")));
    clients[0]?.stdin.write("go\n");
    await clients[0]?.stdin.flush();
    await Promise.all(reading);
    const expected = `start\n${Array.from({ length: 100_000 }, (_, i) => i + 1).join("\n")}\n`;

    for (const output of outputs) expect(output.slice(output.indexOf("start")) === expected).toBe(true);
    expect(await Promise.all(clients.map((client) => client.exited))).toEqual([8, 8]);
  });

  test("a client that does not read holds the container up, and frees it by leaving", async () => {
    const container = await start(["sh", "-c", "read go; seq 1 300000; echo end"], { log: null });
    const slow = await rawClient(container);
    slow.socket.write(frame(16, new Uint8Array([3])));
    slow.socket.pause();
    slow.socket.write(frame(0, "go\n"));
    await Bun.sleep(300);

    expect(container.isLocked).toBe(true);
    slow.socket.destroy();
    await ended(container);
  });

  test("stdin ends when the client that has it ends it, with stdinOnce", async () => {
    const container = await start(["cat"]);
    const client = container.attachTo();
    client.stdin.write("last words");
    await client.stdin.end();

    expect(await text(client.stdout)).toBe("last words");
    expect(await client.exited).toBe(0);
  });

  test("stdin stays open for the next client without stdinOnce", async () => {
    const container = await start(["cat"], { stdinOnce: false });
    const first = container.attachTo();
    first.stdin.write("one\n");
    await first.stdin.end();
    await waitUntil(() => existsSync(container.logPath) && statSync(container.logPath).size > 0);
    first.kill("SIGKILL");
    await first.exited;
    const second = container.attachTo();
    second.stdin.write("two\n");
    await second.stdin.flush();
    await waitUntil(() => container.log.length === 2);

    expect(container.log.map((line) => line.log)).toEqual(["one\n", "two\n"]);
    container.kill();
    await ended(container);
  });

  test("a malformed frame ends that client only", async () => {
    const container = await start(["sh", "-c", "read line; echo got $line"]);
    const bad = [
      Buffer.from([99, 0, 0, 0, 0, 0, 0, 0]),
      Buffer.from([0, 1, 0, 0, 0, 0, 0, 0]),
      Buffer.from([0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]),
      frame(18, new Uint8Array([0, 0, 1, 0])),
      frame(17, "xx"),
      frame(16, "x".repeat(100)),
      frame(33, "1234"),
    ];
    for (const bytes of bad) {
      const client = await rawClient(container);
      client.socket.write(bytes);
      await client.closed;
      expect(frames(client.bytes()).map(({ type }) => type)).toEqual([32]);
    }
    const good = await rawClient(container);
    for (const byte of Buffer.concat([frame(16, new Uint8Array([7])), frame(0, "he"), frame(0, "llo\n")])) {
      good.socket.write(new Uint8Array([byte])); // frames may come in pieces
    }
    await good.closed;

    const got = frames(good.bytes());
    expect(Buffer.concat(got.filter(({ type }) => type === 1).map(({ payload }) => payload)).toString()).toBe(
      "got hello\n",
    );
    expect(got.at(-1)).toEqual({ type: 33, payload: Buffer.from([0, 0, 0, 0]) });
  });

  test("random bytes from many clients harm nobody", async () => {
    const container = await start(["sh", "-c", "read line; echo got $line; exit 2"], { stdinOnce: false });
    const clients = await Promise.all(Array.from({ length: 100 }, () => rawClient(container)));
    for (const { socket } of clients) {
      const bytes = crypto.getRandomValues(new Uint8Array(4096));
      bytes[0] = 1; // no STDIN: the line is the good client's
      socket.write(bytes);
    }
    await Promise.all(clients.map(({ closed }) => closed));
    const good = container.attachTo();
    good.stdin.write("through\n");
    await good.stdin.flush();

    expect(await text(good.stdout)).toBe("got through\n");
    expect(await good.exited).toBe(2);
  });

  test("a client that did not ask for output gets the end only", async () => {
    const container = await start(["sh", "-c", "trap 'exit 3' TERM; echo noise; sleep 100 & wait"]);
    const client = await rawClient(container);
    await waitUntil(() => existsSync(container.logPath) && statSync(container.logPath).size > 0);
    client.socket.write(frame(18, new Uint8Array([0, 0, 0, 15])));
    await client.closed;

    expect(frames(client.bytes())).toEqual([
      { type: 32, payload: Buffer.alloc(0) },
      { type: 33, payload: Buffer.from([0, 0, 0, 3]) },
    ]);
  });
});
