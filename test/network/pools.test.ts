import { describe, expect, test } from "bun:test";
import { EngineError } from "../../src/error";
import { formatSubnet, overlaps, parseSubnet, type Subnet } from "../../src/network/address";
import {
  chooseSubnet,
  defaultPools,
  hostRoutes,
  parseRoutes4,
  parseRoutes6,
  randomUlaPrefix,
  ulaPool,
  userPools,
} from "../../src/network/pools";

const subnets = (...texts: string[]): Subnet[] => texts.map((text) => parseSubnet(text) as Subnet);
const pool = (base: string, size: number) => ({ base: parseSubnet(base) as Subnet, size });

describe("chooseSubnet()", () => {
  const chosen = (pools: Parameters<typeof chooseSubnet>[0], used: string[], routes: string[] = []): string =>
    formatSubnet(chooseSubnet(pools, subnets(...used), subnets(...routes)));

  test("takes 10.88.0.0/16 for the default network and /24s from 10.89.0.0 for others", () => {
    expect(chosen(defaultPools, [])).toBe("10.88.0.0/16");
    expect(chosen(userPools, ["10.88.0.0/16"])).toBe("10.89.0.0/24");
    expect(chosen(userPools, ["10.89.0.0/24", "10.89.1.0/24"])).toBe("10.89.2.0/24");
  });

  test("fills gaps", () => {
    expect(chosen(userPools, ["10.89.0.0/24", "10.89.2.0/24"])).toBe("10.89.1.0/24");
  });

  test("steps over a wide route at once, and past narrow ones one by one", () => {
    expect(chosen(userPools, [], ["10.0.0.0/8"])).toBe("172.16.0.0/24");
    expect(chosen(userPools, [], ["10.0.0.0/8", "172.16.0.0/12"])).toBe("192.168.0.0/24");
    expect(chosen(userPools, [], ["10.89.0.128/25", "10.89.1.7/32"])).toBe("10.89.2.0/24");
    expect(chosen(userPools, [], ["10.88.0.0/14"])).toBe("10.92.0.0/24");
  });

  test("overlooks wide routes where they leave nothing, but not narrow ones", () => {
    const all = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];
    expect(chosen(defaultPools, [], all)).toBe("10.88.0.0/16");
    expect(chosen(defaultPools, [], [...all, "10.88.7.0/24"])).toBe("10.89.0.0/16");
  });

  test("says so where every part is in use", () => {
    expect(() => chosen([pool("10.1.0.0/30", 31)], ["10.1.0.0/31", "10.1.0.2/31"])).toThrow(EngineError);
    expect(() => chosen([pool("10.1.0.0/30", 31)], ["10.0.0.0/8"])).toThrow(/is in use/);
    expect(() => chosen([], [])).toThrow(EngineError);
  });

  test("never overlaps with what is used, whatever that is", () => {
    const pools = [pool("10.0.0.0/20", 24), pool("10.1.0.0/22", 26)];
    for (let round = 0; round < 100; round++) {
      const used: Subnet[] = [];
      const routes = subnets(
        ...Array.from(
          { length: 5 },
          () =>
            `10.${Math.floor(Math.random() * 2)}.${Math.floor(Math.random() * 16)}.${Math.floor(Math.random() * 256)}/${18 + Math.floor(Math.random() * 15)}`,
        ),
      );
      for (;;) {
        let next: Subnet;
        try {
          next = chooseSubnet(pools, used, routes);
        } catch {
          break;
        }
        expect([...used, ...routes].some((each) => overlaps(each, next))).toBe(false);
        expect(pools.some(({ base, size }) => overlaps(base, next) && next.prefix === size)).toBe(true);
        used.push(next);
      }
    }
  });
});

describe("routes of the host", () => {
  test("parseRoutes4() reads the kernel's table and leaves the default route out", () => {
    const table = [
      "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT",
      "eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0",
      "eth0\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0",
      "tun0\t0000580A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0",
      "",
    ].join("\n");
    expect(parseRoutes4(table).map(formatSubnet)).toEqual(["192.168.2.0/24", "10.88.0.0/16"]);
    expect(parseRoutes4("")).toEqual([]);
    expect(parseRoutes4("x\ny\tz\n\t\t\t\t\t\t\t\t")).toEqual([]);
  });

  test("parseRoutes6() leaves link-local, multicast and default routes out", () => {
    const line = (hex: string, length: string): string =>
      `${hex} ${length} ${"0".repeat(32)} 00 ${"0".repeat(32)} 00000100 00000001 00000000 00000001 eth0`;
    const table = [
      line(`fd00${"0".repeat(28)}`, "40"),
      line(`fe80${"0".repeat(28)}`, "40"),
      line(`ff00${"0".repeat(28)}`, "08"),
      line("0".repeat(32), "00"),
    ].join("\n");
    expect(parseRoutes6(table).map(formatSubnet)).toEqual(["fd00::/64"]);
  });

  test("hostRoutes() counts the host's resolvers as reached", () => {
    const files: Record<string, string> = {
      "/etc/resolv.conf":
        "# a comment\nnameserver 10.88.0.53\nnameserver fd00::53\nnameserver fe80::1%eth0\nsearch x\n",
    };
    expect(hostRoutes((path) => files[path] ?? "").map(formatSubnet)).toEqual([
      "10.88.0.53/32",
      "fd00::53/128",
    ]);
  });
});

test("a user's IPv6 prefix is unique local and random", () => {
  const prefixes = new Set(Array.from({ length: 50 }, randomUlaPrefix));
  expect(prefixes.size).toBe(50);
  for (const prefix of prefixes) expect(prefix).toMatch(/^fd[0-9a-f]{10}$/);
  const { base, size } = ulaPool("fd0123456789");
  expect([formatSubnet(base), size]).toEqual(["fd01:2345:6789::/48", 64]);
});
