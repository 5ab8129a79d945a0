/** ICMP echo of containers: ping to gateways, to the host and to what may not be reached. */
import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { netMissing, useNet } from "../../harness";
import { SLEEP } from "../_network";
import { inspect, printed } from "../container/_shell";
import { python } from "./_names";
import { addressOf, type Family, gatewayOf, HOST, start } from "./_net";

/** Null where this user may use ping sockets. */
function pingMissing(): string | null {
  const [first = 1, last = 0] = readFileSync("/proc/sys/net/ipv4/ping_group_range", "utf8")
    .split(/\s+/)
    .map(Number);
  const gid = process.getgid?.() ?? 0;
  return gid >= first && gid <= last ? null : "net.ipv4.ping_group_range forbids ping sockets";
}
const missing = netMissing ?? pingMissing();
const why = missing === null ? "" : ` (${missing})`;

describe.skipIf(missing !== null)(`ping${why}`, () => {
  const place = useNet();
  const { engine } = place;
  const gateway = { 4: "", 6: "" };

  /** `ping ARGS` in a container: its text and exit status. */
  const ping = (container: string, ...args: string[]) =>
    engine.proa(["exec", container, "ping", "-n", "-W", "3", ...args]);
  const received = (text: string) => Number(/(\d+) received/.exec(text)?.[1] ?? -1);

  beforeAll(async () => {
    if (missing !== null) return;
    await start(place, "near", SLEEP, "--network", "proa:host-loopback");
    await start(place, "far");
    for (const family of [4, 6] as const) gateway[family] = await gatewayOf(place, family);
  }, 120_000);

  describe.each([4, 6] as Family[])("by IPv%d", (family) => {
    test("the host answers, each request once", async () => {
      const { stdout, exitCode } = await ping("near", "-c", "5", "-i", "0.05", HOST[family]);
      expect(stdout).toContain("5 packets transmitted, 5 received, 0% packet loss");
      expect(stdout).not.toContain("DUP");
      expect(
        [...stdout.matchAll(/from (\S+): icmp_seq=(\d)/g)].map(([, from, seq]) => `${from} ${seq}`),
      ).toEqual([1, 2, 3, 4, 5].map((seq) => `${HOST[family]} ${seq}`));
      expect(exitCode).toBe(0);
    });

    test.each([0, 8, 1000, 1452, 1472, 1473, 9000, 60000])(
      "%d bytes come back as they were",
      async (bytes) => {
        const { stdout } = await ping(
          "near",
          "-c",
          "2",
          "-i",
          "0.05",
          "-p",
          "c0ffee",
          "-s",
          `${bytes}`,
          HOST[family],
        );
        expect(received(stdout)).toBe(2);
        expect(stdout).not.toContain("wrong data"); // ping compares
      },
    );

    test("the gateway answers itself", async () => {
      const { stdout } = await ping("far", "-c", "2", "-i", "0.05", gateway[family]);
      expect(received(stdout)).toBe(2);
      expect(stdout).toContain("ttl=64");
    });

    test("the gateway is the first hop", async () => {
      const { stdout } = await ping("near", "-c", "1", "-t", "1", HOST[family]);
      expect(stdout).toMatch(family === 4 ? "Time to live exceeded" : "Time exceeded: Hop limit");
      expect(stdout).toContain(`From ${gateway[family]} icmp_seq=1`);
    });

    test("the host's loopback is prohibited unless it was asked for, and ping is told", async () => {
      const { stdout, exitCode } = await ping("far", "-c", "1", HOST[family]);
      expect(stdout).toContain(family === 4 ? "Packet filtered" : "Administratively prohibited");
      expect(stdout).toContain(`From ${gateway[family]} icmp_seq=1`);
      expect(exitCode).toBe(1);
    });

    test("twenty pings of one container are told apart", async () => {
      const script = `for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do ping -n -q -c 2 -i 0.05 -W 3 ${HOST[family]} & done; wait`;
      const text = await engine.ok(["exec", "near", "sh", "-c", script]);
      expect([...text.matchAll(/2 received/g)].length).toBe(20);
      expect(text).not.toContain("duplicates");
    });
  });

  test("what is not whole is not answered, nor what is for many", async () => {
    const program = `
import json, socket, struct, sys
def sum16(d):
    s = sum(struct.unpack("!%dH" % (len(d) // 2), d)); s = (s >> 16) + (s & 0xffff); return ~(s + (s >> 16)) & 0xffff
def echo(id, right=True):
    h = struct.pack("!BBHHH", 8, 0, 0, id, 1) + b"abcdefgh"
    return h[:2] + struct.pack("!H", sum16(h) ^ (0 if right else 1)) + h[4:]
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP); s.settimeout(1)
for to, message in (("${HOST[4]}", echo(1, False)), ("${HOST[4]}", b"\\x08\\x00"), ("224.0.0.1", echo(2)), ("${HOST[4]}", echo(3))):
    s.sendto(message, (to, 0))
got = []
try:
    while True:
        d, a = s.recvfrom(2000)
        if d[20] == 0: got.append([a[0], struct.unpack("!H", d[24:26])[0], d[28:].decode()])
except OSError: pass
print(json.dumps(got))`;
    expect(await python<unknown>(engine, "near", program)).toEqual([[[HOST[4], 3, "abcdefgh"]]]);
  });

  test("a container that floods leaves the others their answers", async () => {
    const flood = `
import os, socket, struct, time
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP); end = time.monotonic() + 30; n = 0
print("begun", flush=True)
def sum16(d):
    s = sum(struct.unpack("!%dH" % (len(d) // 2), d)); s = (s >> 16) + (s & 0xffff); return ~(s + (s >> 16)) & 0xffff
while time.monotonic() < end:
    n += 1; h = struct.pack("!BBHHH", 8, 0, 0, n & 0xffff, 1); h = h[:2] + struct.pack("!H", sum16(h)) + h[4:]
    try: s.sendto(h, ("${HOST[4]}", 0))
    except OSError: pass`;
    await start(place, "flood", ["python3", "-c", flood], "--network", "proa:host-loopback");
    await printed(place, "flood", "begun");
    const { stdout } = await ping("near", "-c", "40", "-i", "0.05", HOST[4]);
    expect(received(stdout)).toBeGreaterThanOrEqual(39); // a busy machine may be late for one
    expect(await inspect(place, "flood", "{{.State.Running}}")).toBe("true"); // all the while
    await engine.ok(["rm", "-f", "flood"]);
  });

  test("containers of one network answer each other", async () => {
    const address = await addressOf(place, "far");
    const { stdout } = await ping("near", "-c", "2", "-i", "0.05", address);
    expect(received(stdout)).toBe(2);
  });
});
