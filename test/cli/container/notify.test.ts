/** `--sdnotify`: telling the service manager that a container is ready. */
import { afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { missing, useTiny, waitUntil } from "../../harness";
import { removeAll, run, SLEEP, supervisorOf } from "./_shell";

/** A service manager's socket: what comes is a line each. */
const MANAGER = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1]); os.chmod(sys.argv[1], 0o777)
print("listening", flush=True)
while True: print(s.recv(4096).decode().replace("\\n", ";"), flush=True)
`;

describe.skipIf(missing !== null || Bun.which("python3") === null)("--sdnotify", () => {
  const place = useTiny();
  const { engine } = place;
  afterEach(() => removeAll(place));

  async function withManager(act: (socket: string, told: () => string[]) => Promise<void>): Promise<void> {
    const socket = join(engine.sandbox.home, "notify.sock");
    await Bun.$`rm -f ${socket}`.quiet();
    const manager = Bun.spawn(["python3", "-c", MANAGER, socket], { stdout: "pipe" });
    let text = "";
    void (async () => {
      for await (const chunk of manager.stdout) text += new TextDecoder().decode(chunk);
    })();
    try {
      await waitUntil(() => text.startsWith("listening"));
      await act(socket, () => text.split("\n").slice(1, -1));
    } finally {
      manager.kill();
      await manager.exited;
    }
  }

  test("conmon tells of the supervisor and of the start", async () => {
    await withManager(async (socket, told) => {
      const env = { NOTIFY_SOCKET: socket };
      const id = await engine.ok(["run", "-d", "--sdnotify", "conmon", place.tiny, ...SLEEP], { env });
      await waitUntil(() => told().length > 0);
      expect(told()).toEqual([`MAINPID=${supervisorOf(place, id)};READY=1`]);
    });
  });

  test("container gives the program the socket, and tells of the supervisor only", async () => {
    await withManager(async (socket, told) => {
      const look = ["sh", "-c", "echo $NOTIFY_SOCKET; test -S $NOTIFY_SOCKET && echo socket"];
      const result = await run(place, [], look, { env: { NOTIFY_SOCKET: socket } });
      expect(result.stdout).toBe("/run/notify/notify.sock\nsocket\n");
      await waitUntil(() => told().length > 0);
      expect(told()).toEqual([expect.stringMatching(/^MAINPID=\d+$/) as unknown as string]);
    });
  });

  test("healthy tells of the supervisor, and that it is ready when a check has succeeded", async () => {
    await withManager(async (socket, told) => {
      const options = [
        "--health-cmd",
        "test -e /well",
        "--health-interval",
        "disable",
        "--sdnotify",
        "healthy",
      ];
      const id = await engine.ok(["run", "-d", ...options, place.tiny, ...SLEEP], {
        env: { NOTIFY_SOCKET: socket },
      });
      const pid = supervisorOf(place, id);
      await waitUntil(() => told().length === 1);
      expect((await engine.proa(["healthcheck", "run", id])).exitCode).toBe(1);
      await engine.ok(["exec", id, "touch", "/well"]);
      for (let i = 0; i < 2; i++) await engine.ok(["healthcheck", "run", id]);
      await waitUntil(() => told().length > 1);
      expect(told()).toEqual([`MAINPID=${pid}`, `MAINPID=${pid};READY=1`]);
    });
    const refused = await engine.proa(["create", "--sdnotify", "healthy", place.tiny]);
    expect(refused.stderr).toStartWith("Error: sdnotify: healthy: it needs a health check\n");
    expect(refused.exitCode).toBe(125);
  });

  test("ignore says nothing, and without a manager there is nothing to say", async () => {
    await withManager(async (socket, told) => {
      const env = { NOTIFY_SOCKET: socket };
      const ignored = await run(place, ["--sdnotify", "ignore"], ["sh", "-c", "echo $NOTIFY_SOCKET."], {
        env,
      });
      expect(ignored.stdout).toBe(".\n");
      await run(place, ["--sdnotify", "conmon"], ["true"], { env });
      await waitUntil(() => told().length > 0);
      expect(told()).toHaveLength(1); // conmon's: before it there was none
    });
    const nobody = await run(place, ["--sdnotify", "conmon"], ["echo", "ok"], {
      env: { NOTIFY_SOCKET: "/nosuch" },
    });
    expect([nobody.stdout, nobody.stderr, nobody.exitCode]).toEqual(["ok\n", "", 0]);
  });
});
