/** UDP of containers: to the outside, through published ports, and what one container's flood does to another. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { netMissing, processesOf, useNet, waitUntil } from "../../harness";
import { SLEEP } from "../_network";
import { inspect, printed } from "../container/_shell";
import { python } from "./_names";
import {
  addressOf,
  type Family,
  freePorts,
  gatewayOf,
  HOST,
  hostPort,
  LOOPBACK,
  ownAddress,
  start,
  startHere,
} from "./_net";

const why = netMissing === null ? "" : ` (${netMissing})`;
/** For programs in Python: say(value) prints JSON, udp(address) is a socket of its family that waits for 3 s. */
const UDP = `
import json, socket, struct, sys, time
def say(value): print(json.dumps(value), flush=True)
def family(address): return socket.AF_INET6 if ":" in address else socket.AF_INET
def udp(address="0.0.0.0"):
    s = socket.socket(family(address), socket.SOCK_DGRAM); s.settimeout(3); return s
def attempt(call, *args):
    try: return call(*args)
    except OSError as e: return e.__class__.__name__ if e.errno is None else e.errno
`;

/** Answers each datagram with what it knows of it: [bytes, address, port, mark]. */
const SERVER = `${UDP}
mark = sys.argv[2] if len(sys.argv) > 2 else ""
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.setsockopt(41, 26, 0); s.bind(("::", int(sys.argv[1])))
print("ready", flush=True)
while True:
    d, a = s.recvfrom(70000)
    s.sendto(json.dumps([len(d), a[0].removeprefix("::ffff:"), a[1], mark]).encode(), a)
`;

/** Sends argv[4] bytes from argv[1] (or any address) to argv[2], argv[3]; says [own address, own port, answer]. */
const ASK = `${UDP}
own, to, port, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
s = udp(to)
if own: s.bind((own, 0))
s.connect((to, port)); s.send(b"x" * size)
me = s.getsockname()
answer = attempt(s.recv, 70000)
say([me[0], me[1], json.loads(answer) if isinstance(answer, bytes) else answer])
`;

describe.skipIf(netMissing !== null)(`udp${why}`, () => {
  const place = useNet();
  const { engine } = place;
  const peers: { close(): void }[] = [];
  const port = { 4: 0, 6: 0 };

  const sleeping = (name: string, ...options: string[]) => start(place, name, SLEEP, ...options);
  /** A server on the host that sends back what comes. */
  const peer = async (address: string) => {
    const socket = await Bun.udpSocket({
      hostname: address,
      socket: { data: (from, data, fromPort, fromAddress) => void from.send(data, fromPort, fromAddress) },
    });
    peers.push(socket);
    return socket.port;
  };
  const serving = async (name: string, options: string[], ...args: string[]) => {
    await start(place, name, ["python3", "-c", SERVER, ...args], ...options);
    await printed(place, name, "ready");
  };
  /** What a client on the host hears: [own address, own port, answer]. */
  const ask = async (to: string, at: number, options: { own?: string; bytes?: number } = {}) => {
    const child = Bun.spawn(["python3", "-c", ASK, options.own ?? "", to, `${at}`, `${options.bytes ?? 5}`], {
      stderr: "inherit",
    });
    return JSON.parse(await child.stdout.text()) as [
      string,
      number,
      [number, string, number, string] | string | number,
    ];
  };
  beforeAll(async () => {
    if (netMissing !== null) return;
    port[4] = await peer(LOOPBACK[4]);
    port[6] = await peer(LOOPBACK[6]);
    await sleeping("client", "--network", "proa:host-loopback");
  }, 120_000);
  afterAll(() => {
    for (const socket of peers) socket.close();
  });

  describe.each([4, 6] as Family[])("to the outside by IPv%d", (family) => {
    test("datagrams of every size arrive whole, and answers come from the address that was asked", async () => {
      const sizes = [0, 1, 1400, 1452, 1453, 1472, 1473, 2000, 9000, 59000, 65507];
      const program = `${UDP}
for n in ${JSON.stringify(sizes)}:
    s = udp("${HOST[family]}"); data = bytes(i * 7 & 255 for i in range(n))
    s.sendto(data, ("${HOST[family]}", ${port[family]})); d, a = s.recvfrom(70000)
    say([n, d == data, a[0], a[1]])`;
      expect(await python<unknown>(engine, "client", program)).toEqual(
        sizes.map((n) => [n, true, HOST[family], port[family]]),
      );
    });

    test("a connected socket is told that nobody listens", async () => {
      const program = `${UDP}
s = udp("${HOST[family]}"); s.connect(("${HOST[family]}", 9)); s.send(b"x"); began = time.monotonic()
say([attempt(s.recv, 10), time.monotonic() - began < 2]); s.send(b"x"); say([attempt(s.recv, 10)])`;
      expect(await python<unknown>(engine, "client", program)).toEqual([[111, true], [111]]);
    });

    test("the first hop is the gateway", async () => {
      const [ip, hops, errors] = family === 4 ? [0, 2, 11] : [41, 16, 25];
      const program = `${UDP}
s = udp("${HOST[family]}"); s.setsockopt(${ip}, ${errors}, 1); s.setsockopt(${ip}, ${hops}, 1); s.connect(("${HOST[family]}", ${port[family]})); s.send(b"hop")
say(attempt(s.recv, 10)); d, c, f, a = s.recvmsg(100, 512, socket.MSG_ERRQUEUE)
for level, kind, data in c:
    if kind == ${errors}: say([d.decode(), data[5], data[6], socket.inet_ntop(s.family, data[20:24] if s.family == socket.AF_INET else data[24:40])])`;
      const gateway = await gatewayOf(place, family);
      expect(await python<unknown>(engine, "client", program)).toEqual([
        113,
        ["hop", family === 4 ? 11 : 3, 0, gateway],
      ]);
    });
  });

  test("one socket has one port, whomever it writes to, and hears each from its own address", async () => {
    const others = await Promise.all(Array.from({ length: 40 }, () => peer(LOOPBACK[4])));
    const program = `${UDP}
s = udp(); ports = ${JSON.stringify(others)}; heard = []
for p in ports: s.sendto(str(p).encode(), ("${HOST[4]}", p))
for p in ports:
    d, a = s.recvfrom(100); heard.append(int(d) == a[1] and a[0] == "${HOST[4]}")
say([len(heard), all(heard)])`;
    expect(await python<unknown>(engine, "client", program)).toEqual([[40, true]]);
  });

  test("its port is the same for all peers, and nobody else can write to it", async () => {
    const seen: [number, string][] = [];
    const listeners = await Promise.all(
      ["a", "b"].map((mark) =>
        Bun.udpSocket({
          hostname: LOOPBACK[4],
          socket: {
            data: (_from, data, fromPort) => {
              seen.push([fromPort, mark]);
              // a stranger first, then the one who was asked
              void stranger.send("stranger", fromPort, LOOPBACK[4]);
              setTimeout(
                () => void listeners[mark === "a" ? 0 : 1]?.send(`${mark}${data}`, fromPort, LOOPBACK[4]),
                100,
              );
            },
          },
        }),
      ),
    );
    const stranger = await Bun.udpSocket({ hostname: LOOPBACK[4] });
    peers.push(stranger, ...listeners);
    const program = `${UDP}
s = udp()
for p in ${JSON.stringify(listeners.map((l) => l.port))}:
    s.sendto(b"!", ("${HOST[4]}", p)); d, a = s.recvfrom(100); say([d.decode(), a[1] == p])
s.settimeout(0.3); say(attempt(s.recvfrom, 100))`;
    expect(await python<unknown>(engine, "client", program)).toEqual([
      ["a!", true],
      ["b!", true],
      "TimeoutError",
    ]);
    expect(seen.map(([, mark]) => mark)).toEqual(["a", "b"]);
    expect(seen[0]?.[0]).toBe(seen[1]?.[0] as number);
  });

  test("the class of traffic goes along in both directions", async () => {
    const server = Bun.spawn(
      [
        "python3",
        "-c",
        `${UDP}
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 0)); s.setsockopt(0, 13, 1); say(s.getsockname()[1])
d, c, f, a = s.recvmsg(100, 100); s.setsockopt(0, 1, 0x48); s.sendto(str(c[0][2][0]).encode(), a)`,
      ],
      { stdout: "pipe" },
    );
    const reader = server.stdout.getReader();
    const at = Number(new TextDecoder().decode((await reader.read()).value));
    const program = `${UDP}
s = udp(); s.setsockopt(0, 1, 0xb8); s.setsockopt(0, 13, 1); s.sendto(b"x", ("${HOST[4]}", ${at}))
d, c, f, a = s.recvmsg(100, 100); say([int(d), c[0][2][0]])`;
    expect(await python<unknown>(engine, "client", program)).toEqual([[0xb8, 0x48]]);
    await server.exited;
  });

  test("the host's loopback is prohibited unless it was asked for, and the container is told", async () => {
    await sleeping("stranger");
    const program = `${UDP}
for to in ("${HOST[4]}", "${HOST[6]}"):
    s = udp(to); s.setsockopt(*((41, 25, 1) if ":" in to else (0, 11, 1))); s.connect((to, ${port[4]})); s.send(b"x"); say(attempt(s.recv, 10))`;
    expect(await python<unknown>(engine, "stranger", program)).toEqual([113, 13]);
  });

  test("what is for many goes nowhere", async () => {
    const program = `${UDP}
s = udp(); s.settimeout(0.3); s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1); s.setsockopt(0, 11, 1)
for to in ("255.255.255.255", "10.88.255.255", "224.0.0.251"): s.sendto(b"x", (to, 5353))
say(attempt(s.recvfrom, 10))`;
    expect(await python<unknown>(engine, "client", program)).toEqual(["TimeoutError"]);
  });

  describe("through a published port", () => {
    let at = 0;
    beforeAll(async () => {
      if (netMissing !== null) return;
      await serving("server", ["-p", "5300/udp"], "5300");
      at = await hostPort(place, "server", "5300/udp");
    }, 60_000);

    test.each([0, 5, 1472, 1473, 65507])(
      "%d bytes from loopback arrive, from the gateway as the server sees it",
      async (bytes) => {
        const [, , answer] = await ask("127.0.0.1", at, { bytes });
        expect(answer).toEqual([bytes, "10.88.0.1", expect.any(Number), ""]);
      },
    );

    test("IPv6 clients reach it by IPv6", async () => {
      const gateway = await gatewayOf(place, 6);
      const [, , answer] = await ask("::1", at, { bytes: 30000 });
      expect(answer).toEqual([30000, gateway, expect.any(Number), ""]);
    });

    test.skipIf(ownAddress === undefined)("the server sees its client's own address and port", async () => {
      const [own, ownPort, answer] = await ask(ownAddress ?? "", at);
      expect(answer).toEqual([5, own, ownPort, ""]);
      expect(own).toBe(ownAddress ?? "");
    });

    test("the answer comes from the address that the client wrote to", async () => {
      const [, , answer] = await ask("127.0.0.9", at); // connected: another source would not be heard
      expect(answer).toEqual([5, "10.88.0.1", expect.any(Number), ""]);
    });

    test("clients are told apart, a hundred at once", async () => {
      const program = `${UDP}
all = [udp() for i in range(100)]
for i, s in enumerate(all): s.sendto(b"x" * i, ("127.0.0.1", int(sys.argv[1])))
answers = [json.loads(s.recv(100)) for s in all]
say([[a[0] for a in answers] == list(range(100)), len(set(a[2] for a in answers))])`;
      const child = Bun.spawn(["python3", "-c", program, `${at}`], { stderr: "inherit" });
      expect(JSON.parse(await child.stdout.text())).toEqual([true, 100]);
    });

    test("on one address only where it was asked for", async () => {
      await serving("bound", ["-p", "127.0.0.1::5300/udp"], "5300");
      const bound = await hostPort(place, "bound", "5300/udp");
      expect((await ask("127.0.0.1", bound))[2]).toEqual([5, "10.88.0.1", expect.any(Number), ""]);
      expect((await ask("127.0.0.2", bound))[2]).toBe(111);
      expect((await ask("::1", bound))[2]).toBe(111);
    });

    test("a port that is taken is told, and TCP's port of the same number is another", async () => {
      const port = await freePorts();
      await sleeping("holder", "-p", `${port}:1/udp`);
      const taken = await engine.proa(["run", "--rm", "-p", `${port}:1/udp`, place.net, "true"]);
      expect(taken.stderr).toContain(`${port}/udp`);
      expect(taken.exitCode).toBe(125);
      await engine.ok(["run", "--rm", "-p", `${port}:1/tcp`, place.net, "true"]);
    });

    test("what the server begins by itself leaves by its published port", async () => {
      const seen: number[] = [];
      const listener = await Bun.udpSocket({
        hostname: LOOPBACK[4],
        socket: { data: (_s, _d, from) => void seen.push(from) },
      });
      peers.push(listener);
      await sleeping("speaker", "-p", "5301/udp", "--network", "proa:host-loopback");
      const program = `${UDP}
s = udp(); s.bind(("0.0.0.0", 5301)); s.sendto(b"x", ("${HOST[4]}", ${listener.port}))`;
      await python(engine, "speaker", program);
      await waitUntil(() => seen.length > 0, { what: "a datagram" });
      expect(seen).toEqual([await hostPort(place, "speaker", "5301/udp")]);
    });

    test("a client that goes on is heard by the container's next run", async () => {
      const at = await freePorts();
      await serving("again", ["-p", `${at}:5302/udp`], "5302", "same");
      const client = Bun.spawn(
        [
          "python3",
          "-c",
          `${UDP}
s = udp(); s.connect(("127.0.0.1", ${at})); s.send(b"1"); say(json.loads(s.recv(100))[3]); sys.stdin.readline(); s.settimeout(0.2)
for i in range(50):
    attempt(s.send, b"2"); d = attempt(s.recv, 100)
    if isinstance(d, bytes): say(json.loads(d)[3]); break
    time.sleep(0.05)`,
        ],
        { stdin: "pipe", stdout: "pipe", stderr: "inherit" },
      );
      const reader = client.stdout.getReader();
      expect(new TextDecoder().decode((await reader.read()).value)).toBe('"same"\n');
      await engine.ok(["stop", "-t", "0", "again"]);
      await engine.ok(["start", "again"]);
      client.stdin.write("\n");
      client.stdin.end();
      expect(new TextDecoder().decode((await reader.read()).value)).toBe('"same"\n');
      expect(await client.exited).toBe(0);
    });
  });

  // A receiver's buffer holds 92 of these packets (net.core.rmem_max): at 4 Mbit/s a busy machine may let any of them wait for a quarter of a
  // second, at 20 Mbit/s the host's own iperf3 loses some. How much goes through is for the benchmarks.
  test("iperf3 loses nothing at 4 Mbit/s, out and in", async () => {
    const at = `${await freePorts()}`;
    const { child } = await startHere(["iperf3", "-s", "--forceflush", "-B", "127.0.0.1", "-p", at]);
    try {
      for (const direction of [[], ["-R"]]) {
        const client = ["iperf3", "-u", "-b", "4M", "-l", "1400", "-t", "2", "-J", "-c", HOST[4], "-p", at];
        type Result = { end: { sum: { lost_packets: number; packets: number } } };
        const { end } = JSON.parse(await engine.ok(["exec", "client", ...client, ...direction])) as Result;
        expect(end.sum.packets).toBeGreaterThan(600);
        expect(end.sum.lost_packets).toBeLessThan(end.sum.packets / 100); // a busy machine may be late for a few
      }
    } finally {
      child.kill();
    }
  });

  test("a container that writes to everywhere costs netd a bounded number of descriptors, and the others nothing", async () => {
    const flood = `${UDP}
import random
s = udp(); s.setblocking(False); end = time.monotonic() + 30
print("begun", flush=True)
while time.monotonic() < end:
    for i in range(100): attempt(s.sendto, b"flood", ("${HOST[4]}", random.randrange(20000, 30000)))`;
    await start(place, "flood", ["python3", "-c", flood], "--network", "proa:host-loopback");
    await printed(place, "flood", "begun");
    const program = `${UDP}
ok = 0
for i in range(60):
    s = udp(); s.sendto(b"q" * 40, ("${HOST[4]}", ${port[4]})); ok += attempt(s.recv, 100) == b"q" * 40; time.sleep(0.02)
say(ok)`;
    const [ok] = await python<number>(engine, "client", program);
    const netd = processesOf(engine.sandbox).filter(({ command }) => command.includes("netd"));
    expect(netd.length).toBeGreaterThan(0);
    for (const { pid } of netd) expect(readdirSync(`/proc/${pid}/fd`).length).toBeLessThan(6000);
    expect(ok).toBeGreaterThanOrEqual(59); // a busy machine may be late for one
    expect(await inspect(place, "flood", "{{.State.Running}}")).toBe("true"); // all the while
    await engine.ok(["rm", "-f", "flood"]);
  });

  test.each([4, 6] as Family[])(
    "what a container sends over IPv%d while netd stands still takes no other's place in the queue",
    async (family) => {
      const netd = processesOf(engine.sandbox).find(({ command }) => command.startsWith("proa-netd"));
      if (netd === undefined) throw new Error("no netd");
      const begin = (sockets: number) => `${UDP}
to = ("${HOST[family]}", ${port[family]}); all = [udp(to[0]) for i in range(${sockets})]
for s in all: s.setblocking(False)`;
      const end = async (name: string) => Number((await addressOf(place, name)).split(".").at(-1)) & 7;
      const others: string[] = [];
      do {
        others.push(`many-${others.length}`);
        await sleeping(others.at(-1) ?? "", "--network", "proa:host-loopback");
      } while ((await end(others.at(-1) ?? "")) === (await end("client"))); // eight queues: not that of the other
      process.kill(netd.pid, "SIGSTOP");
      try {
        const flood = `${begin(1)}
end = time.monotonic() + 0.5
while time.monotonic() < end:
    for i in range(100): attempt(s.sendto, b"flood" * 1800, (to[0], 20000 + i))
say(True)`;
        expect(await python<boolean>(engine, others.at(-1) ?? "", flood)).toEqual([true]);
        const asking = engine.start([
          "exec",
          "client",
          "python3",
          "-c",
          `${begin(20)}
for s in all: s.sendto(b"q", to)
print("sent", flush=True)
end = time.monotonic() + 10
def heard(s):
    s.settimeout(max(0.01, end - time.monotonic())); return attempt(s.recv, 100) == b"q"
say([heard(s) for s in all].count(True))`,
        ]);
        const reader = asking.stdout.getReader();
        expect(new TextDecoder().decode((await reader.read()).value)).toBe("sent\n");
        process.kill(netd.pid, "SIGCONT");
        expect(new TextDecoder().decode((await reader.read()).value)).toBe("20\n");
      } finally {
        process.kill(netd.pid, "SIGCONT");
        await engine.ok(["rm", "-f", ...others]);
      }
    },
  );

  test("a peer at a port that the relay itself listens at is reached", async () => {
    const netd = processesOf(engine.sandbox).find(({ command }) => command.startsWith("proa-netd"));
    const inside = Bun.spawnSync(["pgrep", "-P", `${netd?.pid}`])
      .stdout.toString()
      .trim();
    const sockets = readFileSync(`/proc/${inside}/net/udp`, "utf8");
    const own = [...sockets.matchAll(/ 00000000:([0-9A-F]{4}) 00000000:0000 /g)]
      .map(([, port = ""]) => Number.parseInt(port, 16))
      .sort((a, b) => a - b);
    expect(own.length).toBe(8);
    expect(own[0]).toBe((own[7] ?? 0) - 7);
    const socket = await Bun.udpSocket({
      hostname: LOOPBACK[4],
      port: own[3] ?? 0,
      socket: { data: (from, data, port, address) => void from.send(data, port, address) },
    });
    peers.push(socket);
    const program = `${UDP}
s = udp(); s.sendto(b"here", ("${HOST[4]}", ${socket.port})); say(attempt(s.recv, 100) == b"here")`;
    expect(await python<boolean>(engine, "client", program)).toEqual([true]);
  });

  test("containers of one network exchange datagrams without netd", async () => {
    await serving("near", [], "5303");
    const to = await addressOf(place, "near");
    const program = `${UDP}
s = udp(); s.sendto(b"x" * 3000, ("${to}", 5303)); say(json.loads(s.recv(100))[:2])`;
    expect(await python<unknown>(engine, "client", program)).toEqual([
      [3000, await addressOf(place, "client")],
    ]);
  });
});
