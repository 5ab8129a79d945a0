/** TCP from containers to the outside: the outcome of connect(2), and everything that a connection carries. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { cpuSeconds, netMissing, proaPath, processesOf, pssKib, useNet, waitUntil } from "../../harness";
import { removeAll, SLEEP } from "../_network";
import { addressOf, type Family, HOST, LOOPBACK, start, startHere } from "./_net";
import { CASES, here, inside, peer } from "./_tcp";

const why = netMissing === null ? "" : ` (${netMissing})`;
const ECONNREFUSED = 111;

describe.skipIf(netMissing !== null)(`tcp to the outside${why}`, () => {
  const place = useNet();
  const { engine } = place;
  const children: { kill(): void }[] = [];
  const port = { 4: 0, 6: 0 };

  const sleeping = (name: string, ...options: string[]) => start(place, name, SLEEP, ...options);
  const server = async (address: string): Promise<number> => {
    const { child, first } = await startHere(peer("server", address, 0));
    children.push(child);
    return Number(first);
  };
  const asked = <T>(to: string, at: number, what: string) =>
    inside<T>(engine, "client", peer("client", to, at, what));
  const netd = () => processesOf(engine.sandbox).filter(({ name }) => /^proa-(netd|relay)$/.test(name));
  beforeAll(async () => {
    if (netMissing !== null) return;
    port[4] = await server(LOOPBACK[4]);
    port[6] = await server(LOOPBACK[6]);
    await sleeping("client", "--network", "proa:host-loopback");
  }, 120_000);
  afterAll(() => {
    for (const child of children) child.kill();
  });

  describe.each([4, 6] as Family[])("by IPv%d", (family) => {
    test.each(CASES)("%s is what it is without a container", async (what, expected) => {
      expect(await asked<unknown>(HOST[family], port[family], what)).toEqual(expected);
    });

    test("a port where nobody listens refuses, at once", async () => {
      const [error, seconds] = await asked<[number, number]>(HOST[family], 9, "connect");
      expect(error).toBe(ECONNREFUSED);
      expect(seconds).toBeLessThan(0.9); // a segment that was lost is sent again after one second
    });
  });

  test.each(["198.51.100.7", "240.0.0.1", "203.0.113.255", "2001:db8::1", "100::1"])(
    "what the host comes to with %s, the container comes to at that time",
    async (address) => {
      const [ours, theirs] = await Promise.all([
        here<[unknown, number]>(peer("client", address, 9, "connect")),
        asked<[unknown, number]>(address, 9, "connect"),
      ]);
      expect(theirs[0]).toBe(ours[0]);
      expect(Math.abs(theirs[1] - ours[1])).toBeLessThan(1.5);
    },
  );

  test("a server that answers late is not connected before it does", async () => {
    // Its queue is full: the kernel drops further segments until it accepts, and the client's own are sent again after 1 and 3 s.
    const program = `
import socket, sys, time
s = socket.create_server(("127.0.0.1", 0), backlog=0); port = s.getsockname()[1]
full = [socket.socket() for _ in range(4)]
for c in full: c.setblocking(False); c.connect_ex(("127.0.0.1", port))
time.sleep(0.2); print(port, flush=True); sys.stdin.readline()
s.settimeout(10)
while True: s.accept()[0].close()
`;
    const { child, first } = await startHere(["python3", "-c", program]);
    try {
      const full = await asked<[unknown, number]>(HOST[4], Number(first), "connect");
      expect(full[0]).toBe("no answer");
      const late = asked<[unknown, number]>(HOST[4], Number(first), "connect");
      await Bun.sleep(300);
      child.stdin.write("\n");
      child.stdin.flush();
      expect((await late)[0]).toBe(0);
    } finally {
      child.kill();
    }
  });

  test("the host's loopback is refused to those who may not go there", async () => {
    await sleeping("stranger");
    for (const family of [4, 6] as Family[]) {
      const [error] = await inside<[unknown, number]>(
        engine,
        "stranger",
        peer("client", HOST[family], port[family], "connect"),
      );
      expect(error).toBe(ECONNREFUSED);
    }
  });

  test("the host's side is kept alive by probes", async () => {
    const watching = engine.start(["exec", "client", ...peer("client", HOST[4], port[4], "watch probed")]);
    await watching.stdout.getReader().read();
    const shown = Bun.spawnSync([
      "ss",
      "-tnoH",
      "state",
      "established",
      `( dport = :${port[4]} )`,
    ]).stdout.toString();
    expect(shown).toContain("timer:(keepalive,");
    watching.kill();
  });

  test("a container that goes ends what it had open", async () => {
    await sleeping("leaves", "--network", "proa:host-loopback");
    const watching = engine.start(["exec", "leaves", ...peer("client", HOST[4], port[4], "watch left")]);
    await watching.stdout.getReader().read();
    await engine.ok(["rm", "-f", "leaves"]);
    await watching.exited;
    // its process was killed: as without a network between, the kernel says FIN, or RST where something was left unread
    expect(await asked<string>(HOST[4], port[4], "end-of left")).toBeOneOf(["reset", "end of file"]);
  });

  test("what netd had open when it is killed ends with a reset, as nothing else would tell that data is missing", async () => {
    const watching = engine.start(["exec", "client", ...peer("client", HOST[4], port[4], "watch killed")]);
    const output = watching.stdout.getReader();
    await output.read();
    for (const { pid, name } of netd()) if (name === "proa-netd") process.kill(pid, "SIGKILL");
    expect(new TextDecoder().decode((await output.read()).value)).toBe('"reset"\n');
    await waitUntil(async () => (await asked<unknown>(HOST[4], port[4], "many 1").catch(() => 0)) === 1);
    expect(await asked<string>(HOST[4], port[4], "end-of killed")).toBe("reset");
  });

  test("10,000 connections at once, each under 4 KiB of memory, and none left behind", async () => {
    const limit = Number(/Max open files\s+\d+\s+(\d+)/.exec(readFileSync("/proc/self/limits", "utf8"))?.[1]);
    const n = Math.min(10_000, limit - 500);
    const pss = () =>
      netd()
        .map(({ pid }) => pssKib(pid))
        .reduce((a, b) => a + b, 0);
    const before = pss();
    const many = engine.start(["exec", "-i", "client", ...peer("hold", HOST[4], port[4], n)]);
    const { value } = await many.stdout.getReader().read();
    expect(Number(new TextDecoder().decode(value))).toBe(n);
    expect(pss() - before).toBeLessThan((n * 4) / 2); // KiB; half of what is allowed
    many.stdin.write("\n");
    many.stdin.end();
    await many.exited;
    expect(await asked<unknown>(HOST[4], port[4], "many 20")).toBe(20);
    await waitUntil(() => netd().every(({ name }) => name !== "proa-relay"), {
      what: "processes beside netd to end",
    });
  });

  test("a flood of first segments harms nobody but who floods", async () => {
    await sleeping("flooder", "--network", "proa:host-loopback");
    const from = await addressOf(place, "flooder");
    for (const to of ["198.51.100.7", HOST[4]]) {
      const flood = engine.start(["exec", "flooder", ...peer("flood", from, to, 9, 3)]);
      await flood.stdout.getReader().read();
      const began = performance.now();
      expect(await asked<unknown>(HOST[4], port[4], "many 200")).toBe(200);
      expect(performance.now() - began).toBeLessThan(10_000);
      await flood.exited;
    }
  });

  test("nothing is left of them", () => removeAll(place));
});

describe.skipIf(netMissing !== null)(`tcp with few descriptors${why}`, () => {
  const place = useNet();
  const { engine } = place;

  test("what netd has no room for waits, costs nothing, and is served when others end", async () => {
    const { child, first } = await startHere(peer("server", "127.0.0.1", 0));
    const limited = ["sh", "-c", 'ulimit -n 128; exec "$@"', "sh", proaPath, "run", "-d", "--name", "few"];
    const started = Bun.spawn(
      [
        ...limited,
        "--ulimit",
        "nofile=128:128",
        "--network",
        "proa:host-loopback",
        place.net,
        "sleep",
        "1000",
      ],
      { env: { ...engine.sandbox.env }, stdio: ["ignore", "ignore", "inherit"] },
    );
    expect(await started.exited).toBe(0);
    await start(place, "caller", SLEEP, "--network", "proa:host-loopback"); // its own limit is the usual one
    const netds = processesOf(engine.sandbox).filter(({ name }) => name === "proa-netd"); // and its factory of sockets
    const open = () => Math.max(...netds.map(({ pid }) => readdirSync(`/proc/${pid}/fd`).length));
    const cpu = () => netds.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0);
    const idle = open();
    const many = engine.start(["exec", "-i", "caller", ...peer("hold", HOST[4], Number(first), 2000)]);
    await waitUntil(() => open() > idle + 30, { what: "netd to give one container all that it may have" });
    await Bun.sleep(2_000); // what it does then is what counts
    expect([open() > idle + 30, open() < 128]).toEqual([true, true]);
    const before = cpu();
    await Bun.sleep(1_000);
    expect(cpu() - before).toBeLessThan(0.3);
    many.kill("SIGKILL");
    await engine.ok(["exec", "caller", "busybox", "killall", "-9", "python3"]);
    expect(await inside<unknown>(engine, "caller", peer("client", HOST[4], Number(first), "many 20"))).toBe(
      20,
    );
    child.kill();
    await removeAll(place);
  });
});
