/**
 * TCP between a container and another machine. Root makes two network namespaces: a "host", in which the unprivileged user runs the engine, and a machine that it reaches
 * by a cable (veth).
 */
import { beforeAll, describe, expect, test } from "bun:test";
import { netMissing } from "../../harness";
import { useMachines } from "./_machines";
import type { Family } from "./_net";
import { CASES, peer } from "./_tcp";

const why = netMissing === null ? "" : ` (${netMissing})`;
const HERE = { 4: "198.18.0.1", 6: "fd01:1::1" } as const;
const THERE = { 4: "198.18.0.2", 6: "fd01:1::2" } as const;
const EACCES = 13;
const ENETUNREACH = 101;
const ECONNREFUSED = 111;
const EHOSTUNREACH = 113;

describe.skipIf(netMissing !== null)(`tcp with another machine${why}`, () => {
  const machines = useMachines();
  const { ok, proa, start, environment } = machines;
  let host: string[] = [];
  let machine: string[] = [];

  const fromContainer = async (to: string, at: number, what: string): Promise<unknown> =>
    JSON.parse(await ok(proa("exec", "web", ...peer("client", to, at, what))));
  const fromMachine = async (to: string, at: number, what: string): Promise<unknown> =>
    JSON.parse(await ok([...machine, ...peer("client", to, at, what)]));

  beforeAll(async () => {
    if (netMissing !== null) return;
    const [a, b] = await Promise.all([machines.machine(), machines.machine()]);
    host = a.enter;
    machine = b.enter;
    const cable = ["link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", b.pid];
    await ok([...host, "ip", ...cable]);
    for (const [enter, side] of [
      [host, HERE],
      [machine, THERE],
    ] as const) {
      await ok([...enter, "ip", "address", "add", `${side[4]}/30`, "dev", "cable"]);
      await ok([...enter, "ip", "address", "add", `${side[6]}/64`, "dev", "cable", "nodad"]);
      await ok([...enter, "ip", "link", "set", "cable", "up"]);
    }
    for (const kind of ["unreachable 203.0.113.0/24", "prohibit 198.51.100.0/24"])
      await ok([...host, "ip", "route", "add", ...kind.split(" ")]);
    await ok([...host, "ip", "-6", "route", "add", "unreachable", "2001:db8:1::/48"]);
    await ok([
      ...machine,
      "nft",
      "add table inet t; add chain inet t c { type filter hook input priority 0; };" +
        " add rule inet t c tcp dport 7009 drop",
    ]);
    const reference = await machines.settle(a);
    await ok(
      proa(
        ...["run", "-d", "--name", "web", "--stop-signal", "KILL", "-p", "7000:7000", reference],
        ...peer("server", "::", 7000),
      ),
    );
    for (const family of [4, 6] as Family[])
      await start([...machine, ...peer("server", THERE[family], 7000)]);
    await machines.logged("web", "7000");
  }, 120_000);

  describe.each([4, 6] as Family[])("by IPv%d", (family) => {
    test("a server in a container sees the other machine's address and port", async () => {
      const [address, seen, mine, own] = (await fromMachine(HERE[family], 7000, "who")) as unknown[];
      expect([address, seen]).toEqual([mine, own]);
      expect(address).toBe(THERE[family]);
    });

    test("the other machine sees the host", async () => {
      const [address] = (await fromContainer(THERE[family], 7000, "who")) as unknown[];
      expect(address).toBe(HERE[family]);
    });

    test.each(CASES.filter(([what]) => what !== "urgent" && what !== "slow"))(
      "%s, in both directions",
      async (what, expected) => {
        expect(await fromMachine(HERE[family], 7000, what)).toEqual(expected);
        expect(await fromContainer(THERE[family], 7000, what)).toEqual(expected);
      },
    );

    test("its refusal arrives", async () => {
      expect(await fromContainer(THERE[family], 7008, "connect")).toEqual([ECONNREFUSED, expect.any(Number)]);
    });

    test("its silence stays silence", async () => {
      expect(await fromContainer(THERE[family], 7009, "connect")).toEqual(["no answer", expect.any(Number)]);
    });
  });

  test("what the host has no way to, the container has none to", async () => {
    const error = async (to: string) => ((await fromContainer(to, 80, "connect")) as unknown[])[0];
    expect(await error("192.0.2.1")).toBe(ENETUNREACH);
    expect(await error("2001:db8:2::1")).toBe(ENETUNREACH);
    expect(await error("203.0.113.5")).toBe(EHOSTUNREACH);
    expect(await error("2001:db8:1::1")).toBe(EHOSTUNREACH);
    expect(await error("198.51.100.5")).toBeOneOf([EACCES, EHOSTUNREACH]); // ICMP for "prohibited" is EHOSTUNREACH
  });

  test("without a free port on the host a connection waits, and one to elsewhere does not", async () => {
    // ten that no connection above can have had: one that has just ended keeps its port
    await ok([...host, "sysctl", "-q", "-w", "net.ipv4.ip_local_port_range=61000 61009"]);
    try {
      const many = Bun.spawn(proa("exec", "-i", "web", ...peer("hold", THERE[4], 7000, 10)), {
        env: environment,
        stdio: ["pipe", "pipe", "inherit"],
      });
      const { value } = await many.stdout.getReader().read();
      expect(new TextDecoder().decode(value)).toBe("10\n");
      expect(await fromContainer(THERE[4], 7000, "connect")).toEqual(["no answer", expect.any(Number)]);
      expect(await fromContainer(THERE[4], 7008, "connect")).toEqual([ECONNREFUSED, expect.any(Number)]);
      many.stdin.write("\n");
      many.stdin.end();
      await many.exited;
    } finally {
      await ok([...host, "sysctl", "-q", "-w", "net.ipv4.ip_local_port_range=32768 60999"]);
    }
    expect(await fromContainer(THERE[4], 7000, "many 10")).toBe(10);
  });
});
