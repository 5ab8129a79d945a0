/** netd killed while real programs use the network: what goes on, and what begins again. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { netMissing, processesOf, useNet, waitUntil } from "../../harness";
import { removeAll, SLEEP } from "../_network";
import { supervisorOf } from "../container/_shell";
import { HOST, start } from "./_net";

const why = netMissing === null ? "" : ` (${netMissing})`;

describe.skipIf(netMissing !== null)(`netd${why}`, () => {
  const place = useNet();
  const { engine } = place;
  const netds = () => processesOf(engine.sandbox).filter(({ name }) => name === "proa-netd");
  const nginx = `mkdir -p /tmp/n/logs; printf 'events {} http { access_log off; server { listen 80; return 200 "here\\n"; } }' > /tmp/n/c
    exec nginx -p /tmp/n -c /tmp/n/c -e /dev/stderr -g 'pid /tmp/n/pid; daemon off; user root;'`;
  let host: ReturnType<typeof Bun.serve>;

  beforeAll(async () => {
    if (netMissing !== null) return;
    host = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("outside\n") });
    await engine.ok(["network", "create", "load"]);
    await start(place, "server", ["iperf3", "-s"], "--network", "load");
    await start(place, "client", SLEEP, "--network", "load:host-loopback");
    await start(place, "web", ["sh", "-c", nginx], "-p", "127.0.0.1:0:80");
  }, 120_000);
  afterAll(() => host?.stop(true));

  /** Kill netd; resolves when there is another. */
  const kill = async (): Promise<void> => {
    const pid = netds()[0]?.pid ?? 0;
    process.kill(pid, "SIGKILL");
    await waitUntil(() => netds().some((each) => each.pid !== pid), { what: "another netd" });
  };

  const published = async (): Promise<string> => {
    const address = (await engine.ok(["port", "web", "80"])).trim();
    return (await fetch(`http://${address}/`)).text();
  };

  test("killed three times under load: traffic between containers goes on", async () => {
    const iperf = ["iperf3", "-c", "server", "-t", "4", "-i", "0.2", "-b", "200M", "-J"];
    const running = engine.ok(["exec", "client", ...iperf], { timeoutMs: 50_000 });
    for (let i = 0; i < 3; i++) {
      await Bun.sleep(900); // into the load
      await kill();
    }
    const { intervals } = JSON.parse(await running) as { intervals: { sum: { bits_per_second: number } }[] };
    expect(intervals.length).toBeGreaterThanOrEqual(18);
    expect(intervals.filter(({ sum }) => sum.bits_per_second < 20_000_000).length).toBeLessThanOrEqual(2);
  });

  test("a name asked for in the moment between two of them is never said to be unknown", async () => {
    const asking = engine.ok(
      [
        "exec",
        "client",
        "sh",
        "-c",
        "for i in $(seq 400); do dig +tries=1 +time=1 server | grep -o 'status: [A-Z]*'; done",
      ],
      { timeoutMs: 60_000 },
    );
    for (let i = 0; i < 4; i++) {
      await Bun.sleep(700); // into the questions
      await kill();
    }
    expect([...new Set((await asking).split("\n"))]).toEqual(["status: NOERROR"]);
  }, 90_000);

  test("a container that is late to the new one is waited for, one that does not come is not", async () => {
    const id = (await engine.ok(["inspect", "--format", "{{.Id}}", "server"])).trim();
    const supervisor = supervisorOf(place, id);
    const ask = () => engine.ok(["exec", "client", "dig", "+tries=1", "+time=10", "server"]);
    process.kill(supervisor, "SIGSTOP");
    try {
      await kill();
      const asking = ask();
      await Bun.sleep(1000); // into the question
      process.kill(supervisor, "SIGCONT");
      expect(await asking).toContain("status: NOERROR");
      process.kill(supervisor, "SIGSTOP");
      await kill();
      expect(await ask()).toMatch(/status: (NXDOMAIN|SERVFAIL)/); // whatever the host's servers say
    } finally {
      process.kill(supervisor, "SIGCONT");
    }
    await waitUntil(async () => (await ask()).includes("status: NOERROR"));
  });

  test("and what begins afterwards works: to the outside, by name, to a published port", async () => {
    const port = (await engine.ok(["port", "web", "80"])).trim();
    expect(await published()).toBe("here\n");
    await kill();
    const url = `http://${HOST[4]}:${host.port}/`;
    expect(await engine.ok(["exec", "client", "curl", "-sS", "--max-time", "10", url])).toBe("outside");
    expect(await engine.ok(["exec", "client", "dig", "+short", "server"])).toMatch(/^10\.[\d.]+$/);
    expect((await engine.ok(["port", "web", "80"])).trim()).toBe(port);
    const answers = async () => (await published().catch(() => "")) === "here\n";
    await waitUntil(answers, { what: "the published port" });
  });

  const supervisors = () =>
    processesOf(engine.sandbox).filter(({ name }) => name === "proa-supervise").length;
  /** Do this while netd stands still. */
  const whileStopped = async (work: () => Promise<void>): Promise<void> => {
    const pids = netds().map(({ pid }) => pid);
    for (const pid of pids) process.kill(pid, "SIGSTOP");
    try {
      await work();
    } finally {
      for (const pid of pids) process.kill(pid, "SIGCONT");
    }
  };
  const interfaces = async (): Promise<number> =>
    (await engine.ok(["exec", "client", "ip", "-o", "link"])).split("\n").length;

  test("that stands still: a change of connections is refused in time, and taken back", async () => {
    await engine.ok(["network", "create", "extra"]);
    const before = await interfaces();
    await whileStopped(async () => {
      const begin = performance.now();
      const { stderr, exitCode } = await engine.proa(["network", "connect", "extra", "client"], {
        timeoutMs: 35_000,
      });
      expect(stderr).toContain("it does not answer");
      expect(exitCode).toBe(125);
      expect(performance.now() - begin).toBeLessThan(30_000);
      const again = await engine.proa(["network", "connect", "extra", "client"], { timeoutMs: 10_000 });
      expect(again.stderr).toContain("it does not answer"); // at once: what is overdue is not waited for again
    });
    // netd has made the first one meanwhile: it is told what became of it
    await waitUntil(async () => (await interfaces()) === before);
    await engine.ok(["network", "connect", "extra", "client"]);
    expect(await interfaces()).toBe(before + 1);
    await engine.ok(["network", "disconnect", "extra", "client"]);
    expect(await interfaces()).toBe(before);
  }, 60_000);

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("that stands still: %s ends a container that is started now", async (signal, status) => {
    const before = supervisors();
    await whileStopped(async () => {
      const child = engine.start(["run", "--rm", "--name", "late", place.net, "sleep", "1000"]);
      await waitUntil(() => supervisors() > before);
      await Bun.sleep(300); // into the wait; a signal before it counts as well
      const begin = performance.now();
      child.kill(signal);
      expect(await child.exited).toBe(status);
      expect(performance.now() - begin).toBeLessThan(5_000);
      expect(await child.stderr.text()).toContain("the start was interrupted");
      await waitUntil(() => supervisors() === before);
      expect(await engine.ok(["ps", "-a", "--format", "{{.Names}}"])).not.toContain("late");
    });
  });

  test("that stands still: kill -9 of a `run -d` that waits for it ends the start", async () => {
    const before = supervisors();
    await whileStopped(async () => {
      const child = engine.start(["run", "-d", "--rm", "--name", "late", place.net, "sleep", "1000"]);
      await waitUntil(() => supervisors() > before);
      child.kill("SIGKILL");
      await waitUntil(() => supervisors() === before);
      expect(await engine.ok(["ps", "-a", "--format", "{{.Names}}"])).not.toContain("late");
    });
  });

  test("that is slow: rm -f waits for a container that is being started, and ends it", async () => {
    const before = supervisors();
    let removed: Promise<string> | undefined;
    let child: ReturnType<typeof engine.start> | undefined;
    await whileStopped(async () => {
      child = engine.start(["run", "--name", "late", place.net, "sleep", "1000"]);
      await waitUntil(() => supervisors() > before);
      removed = engine.ok(["rm", "-f", "late"]);
      await Bun.sleep(500); // rm has come to its wait
    });
    expect(await removed).toBe("late");
    expect(await child?.exited).toBe(137);
  });

  test("that stands still: stats goes without its figures, and network stats says why it has none", async () => {
    await whileStopped(async () => {
      const lines = await engine.ok([
        "stats",
        "--no-stream",
        "--format",
        "{{.Name}} {{.PIDs}} {{.NetIO}}",
        "client",
      ]);
      expect(lines).toBe("client 1 -- / --");
      const { stdout, stderr, exitCode } = await engine.proa(["network", "stats"]);
      expect(stderr).toContain("it does not answer");
      expect([stdout, exitCode]).toEqual(["", 125]);
    });
  }, 40_000);

  test("is gone with the last container", async () => {
    await removeAll({ engine });
    await waitUntil(() => netds().length === 0);
  });
});

describe.skipIf(netMissing !== null)(`a runtime directory that was removed under a container${why}`, () => {
  const place = useNet();
  const { engine } = place;
  const netds = () => processesOf(engine.sandbox).filter(({ name }) => name === "proa-netd");

  test("its netd leaves, and is in nobody's way", async () => {
    await start(place, "old", SLEEP);
    const [old] = netds();
    expect(old).toBeDefined();
    rmSync(join(engine.sandbox.env["XDG_RUNTIME_DIR"] ?? "", "proa"), { recursive: true });
    await waitUntil(() => netds().every(({ pid }) => pid !== old?.pid), { what: "the end of netd" });
    const route = "ping -c 1 -W 2 $(ip route | sed -n 's/default via \\([^ ]*\\).*/\\1/p')";
    expect(await engine.ok(["run", "--rm", place.net, "sh", "-c", route])).toContain("1 received");
    for (const { pid } of processesOf(engine.sandbox)) process.kill(pid, "SIGKILL"); // "old" is nobody's any more
    await waitUntil(() => processesOf(engine.sandbox).length === 0);
    await removeAll(place);
  });
});
