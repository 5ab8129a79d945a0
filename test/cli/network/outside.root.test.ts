/**
 * Datagrams and echo across real links. Root makes a network namespace as "host", in which the unprivileged user runs the engine, a router behind it
 * and a far machine behind that, on a link with a smaller MTU.
 *
 *     container - host 198.51.100.1 - 198.51.100.7 router 203.0.113.1 -(mtu 1300)- 203.0.113.9 far
 */
import { beforeAll, describe, expect, test } from "bun:test";
import { netMissing } from "../../harness";
import { useMachines } from "./_machines";

const why = netMissing === null ? "" : ` (${netMissing})`;

/** Answers each datagram with the address and port that it came from. */
const SERVER = `
import json, socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.setsockopt(41, 26, 0); s.bind(("::", int(sys.argv[1])))
print("ready", flush=True)
while True:
    d, a = s.recvfrom(70000); s.sendto(json.dumps([len(d), a[0].removeprefix("::ffff:"), a[1]]).encode(), a)
`;

/** Sends a datagram and says what comes: the answer, or errno with the ICMP error's type, code, info and sender. */
const SEND = `
import json, socket, struct, sys
to, port, size, own = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else ""
v6 = ":" in to; s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(6)
level, option = (41, 25) if v6 else (0, 11); s.setsockopt(level, option, 1)
if own: s.bind((own, 0))
s.connect((to, port))
try:
    s.send(b"x" * size); print(json.dumps([s.getsockname()[1], json.loads(s.recv(70000))]))
except OSError as e:
    said = [e.errno]
    try:
        d, control, f, a = s.recvmsg(2000, 512, socket.MSG_ERRQUEUE)
        for l, kind, data in control:
            if l == level and kind == option: said += [data[5], data[6], struct.unpack("=I", data[8:12])[0], socket.inet_ntop(s.family, data[24:40] if v6 else data[20:24])]
    except OSError: pass
    print(json.dumps(said))
`;

describe.skipIf(netMissing !== null)(`beyond the host${why}`, () => {
  const machines = useMachines();
  const { call, ok, proa } = machines;
  const inside: Record<"host" | "router" | "far", string[]> = { host: [], router: [], far: [] };

  const ping = async (...args: string[]) =>
    (await call(proa("exec", "client", "ping", "-n", "-W", "5", ...args))).stdout;
  const send = async (from: string[], to: string, port: number, bytes: number, own = "") =>
    JSON.parse(await ok([...from, "python3", "-c", SEND, to, `${port}`, `${bytes}`, own])) as unknown;
  const fromContainer = () => proa("exec", "client");

  beforeAll(async () => {
    if (netMissing !== null) return;
    const [a, b, c] = await Promise.all([machines.machine(), machines.machine(), machines.machine()]);
    const [host, router, far] = [a.enter, b.enter, c.enter];
    Object.assign(inside, { host, router, far });
    const ip = (where: string[], ...args: string[]) => ok([...where, "ip", ...args]);
    await ip(host, "link", "add", "ahead", "type", "veth", "peer", "name", "behind", "netns", b.pid);
    await ip(router, "link", "add", "ahead", "type", "veth", "peer", "name", "behind", "netns", c.pid);
    for (const [where, device, ...addresses] of [
      [host, "ahead", "198.51.100.1/24", "198.51.100.2/24", "2001:db8:1::1/64"],
      [router, "behind", "198.51.100.7/24", "2001:db8:1::7/64"],
      [router, "ahead", "203.0.113.1/24", "2001:db8:2::1/64"],
      [far, "behind", "203.0.113.9/24", "203.0.113.10/24", "2001:db8:2::9/64"],
    ] as [string[], string, ...string[]][]) {
      for (const address of addresses)
        await ip(where, "addr", "add", address, "dev", device, ...(address.includes(":") ? ["nodad"] : []));
      await ip(where, "link", "set", device, "up");
    }
    // never chosen as a source by itself
    await ip(far, "addr", "add", "2001:db8:2::a/64", "dev", "behind", "nodad", "preferred_lft", "0");
    await ip(router, "link", "set", "ahead", "mtu", "1300");
    await ip(far, "link", "set", "behind", "mtu", "1300");
    await ip(host, "route", "add", "default", "via", "198.51.100.7");
    await ip(host, "-6", "route", "add", "default", "via", "2001:db8:1::7");
    await ip(far, "route", "add", "default", "via", "203.0.113.1");
    await ip(far, "-6", "route", "add", "default", "via", "2001:db8:2::1");
    await ip(router, "route", "add", "prohibit", "192.0.2.0/24");
    const set = (where: string[], ...settings: string[]) => ok([...where, "sysctl", "-q", "-w", ...settings]);
    await set(
      router,
      "net.ipv4.ip_forward=1",
      "net.ipv6.conf.all.forwarding=1",
      "net.ipv4.icmp_ratelimit=0",
      "net.ipv6.icmp.ratelimit=0",
    );
    await set(host, "net.ipv4.ping_group_range=0 2147483647");

    const reference = await machines.settle(a);
    const run = (name: string, ...rest: string[]) =>
      ok(proa("run", "-d", "--name", name, "--stop-signal", "KILL", ...rest));
    await run("client", reference, "sleep", "1000");
    await run("server", "-p", "5300:5300/udp", reference, "python3", "-c", SERVER, "5300");
    await machines.logged("server", "ready");
    await machines.start([...far, "python3", "-c", SERVER, "7000"]);
  }, 120_000);

  test.each([
    ["203.0.113.9", "198.51.100.1"],
    ["2001:db8:2::9", "2001:db8:1::1"],
  ])("%s is answered, and knows the host", async (far, host) => {
    const [, answer] = (await send(fromContainer(), far, 7000, 9)) as [number, unknown];
    expect(answer).toEqual([9, host, expect.any(Number)]);
    expect(await ping("-c", "2", "-i", "0.05", far)).toContain("2 received");
  });

  test.each([
    ["203.0.113.9", "198.51.100.1"],
    ["203.0.113.9", "198.51.100.2"],
    ["2001:db8:2::9", "2001:db8:1::1"],
  ])("a server sees its client %s, and answers from the address it wrote to, %s", async (client, host) => {
    for (const bytes of [3, 20000]) {
      const [port, answer] = (await send(inside.far, host, 5300, bytes)) as [number, unknown];
      expect(answer).toEqual([bytes, client, port]);
    }
  });

  test("a port that is closed far away is refused by who closed it", async () => {
    expect(await send(fromContainer(), "203.0.113.9", 7001, 1)).toEqual([111, 3, 3, 0, "203.0.113.9"]);
    expect(await send(fromContainer(), "2001:db8:2::9", 7001, 1)).toEqual([111, 1, 4, 0, "2001:db8:2::9"]);
  });

  test("what a router says arrives as it said it", async () => {
    expect(await send(fromContainer(), "100.64.0.1", 7000, 1)).toEqual([101, 3, 0, 0, "198.51.100.7"]); // no route
    expect(await send(fromContainer(), "192.0.2.1", 7000, 1)).toEqual([113, 3, 13, 0, "198.51.100.7"]); // prohibited
    expect(await ping("-c", "1", "100.64.0.1")).toContain(
      "From 198.51.100.7 icmp_seq=1 Destination Net Unreachable",
    );
    expect(await ping("-c", "1", "192.0.2.1")).toContain("From 198.51.100.7 icmp_seq=1 Packet filtered");
    expect(await ping("-c", "1", "2001:db8:9::1")).toContain(
      "From 2001:db8:1::7 icmp_seq=1 Destination unreachable: No route",
    );
  });

  test("a host that is not there is told by whoever looked for it", async () => {
    expect(await ping("-c", "1", "203.0.113.77")).toContain(
      "From 198.51.100.7 icmp_seq=1 Destination Host Unreachable",
    );
    expect(await send(fromContainer(), "198.51.100.77", 7000, 1)).toEqual([113, 3, 1, 0, "198.51.100.1"]);
  });

  test.each([
    ["203.0.113.9", "198.51.100.7", "Time to live exceeded"],
    ["2001:db8:2::9", "2001:db8:1::7", "Time exceeded: Hop limit"],
  ])("the hops to %s are seen one by one", async (far, router, text) => {
    expect(await ping("-c", "1", "-t", "2", far)).toContain(`From ${router} icmp_seq=1 ${text}`);
    expect(await ping("-c", "1", "-t", "3", far)).toContain("1 received");
  });

  test.each([
    ["203.0.113.9", "198.51.100.1", [90, 3, 4, 1300, "198.51.100.7"]],
    ["2001:db8:2::9", "2001:db8:1::1", [90, 2, 0, 1300, "2001:db8:1::7"]],
  ])(
    "what is too large for a link before %s is told with the size that fits, and then divided",
    async (far, host, news) => {
      const big = (bytes: number) => send(fromContainer(), far, 7000, bytes);
      expect(await big(1410)).toEqual(news); // lost, as on any such path
      for (const bytes of [1410, 9000, 1200])
        expect(await big(bytes)).toEqual([expect.any(Number), [bytes, host, expect.any(Number)]]);
      expect(await ping("-c", "1", "-s", "1400", far)).toContain("1 received");
    },
  );

  test.each([
    ["203.0.113.10", "From 198.51.100.7 icmp_seq=1 Frag needed and DF set (mtu = 1300)"],
    ["2001:db8:2::a", "From 2001:db8:1::7 icmp_seq=1 Packet too big: mtu=1300"],
  ])("a ping to %s that must not be divided is told the size that fits", async (far, text) => {
    expect(await ping("-c", "1", "-M", "do", "-s", "1400", far)).toContain(text);
    expect(await ping("-c", "1", "-M", "do", "-s", "1200", far)).toContain("1 received");
  });

  test("where ping sockets are forbidden ping is told so, and is answered again when they are not", async () => {
    await ok([...inside.host, "sysctl", "-q", "-w", "net.ipv4.ping_group_range=1 0"]);
    expect(await ping("-c", "1", "203.0.113.9")).toContain("Packet filtered");
    expect(await ping("-c", "1", "10.88.0.1")).toContain("1 received"); // the gateway needs none
    await ok([...inside.host, "sysctl", "-q", "-w", "net.ipv4.ping_group_range=0 2147483647"]);
    expect(await ping("-c", "1", "203.0.113.9")).toContain("1 received");
  });
});
