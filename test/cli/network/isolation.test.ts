/** What containers reach of each other, of other networks and of the host, and what they do not, whatever they send. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { netMissing, useNet, waitUntil } from "../../harness";
import { removeAll, SLEEP } from "../_network";
import { printed } from "../container/_shell";
import { hostPort, ownAddress, start } from "./_net";

const why = netMissing === null ? "" : ` (${netMissing})`;
const PACKETS = readFileSync(join(import.meta.dir, "packets.py"), "utf8");

/** A server for TCP and UDP on port 80 of both families, which says who came. */
const SERVER = `
import select, socket
watched = []
for family in (socket.AF_INET, socket.AF_INET6):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        s = socket.socket(family, kind)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.bind(("", 80))
        if kind == socket.SOCK_STREAM: s.listen()
        watched.append(s)
print("ready", flush=True)
while True:
    for s in select.select(watched, [], [])[0]:
        if s.type == socket.SOCK_STREAM:
            c, who = s.accept(); c.close(); print("tcp", who[0], flush=True)
        else:
            text, who = s.recvfrom(2000); print("udp", who[0], text.decode(), flush=True)
`;

type Step =
  | ["tcp", string, number, string | null]
  | ["udp", string, number, string]
  | ["take", string, string]
  | ["frame", Frame];
type Frame = {
  to_mac: string;
  from_mac: string;
  source: string;
  target: string;
  protocol?: "udp" | "tcp" | "icmp";
  port?: number;
  text?: string;
};

describe.skipIf(netMissing !== null)(`isolation${why}`, () => {
  const place = useNet();
  const { engine } = place;
  const heard: string[] = []; // what came to the host
  const closers: (() => void)[] = [];
  const ports = { loopback: 0, all: 0, udp: 0 };

  const server = (name: string, ...options: string[]) =>
    start(place, name, ["python3", "-c", SERVER], ...options);
  const field = (name: string, network: string, what: string) =>
    engine.ok(["inspect", "--format", `{{(index .NetworkSettings.Networks "${network}").${what}}}`, name]);
  const log = async (name: string) => (await engine.ok(["logs", name])).split("\n");
  /** Outcomes of steps in a container. */
  const attempt = async (name: string, steps: Step[]): Promise<string[]> => {
    const result = await engine.proa(["exec", "-i", name, "python3", "-c", PACKETS], {
      stdin: JSON.stringify(steps),
      timeoutMs: 25_000,
    });
    expect(result.stderr).toBe("");
    return result.stdout
      .split("\n")
      .filter(Boolean)
      .map((line) => (JSON.parse(line) as [string, number])[0]);
  };
  /** Something that surely arrives after all that was sent before, so that its arrival says that nothing else will. */
  let marks = 0;
  const heardOf = async (name: string): Promise<string[]> => {
    const mark = `mark ${++marks}`;
    const from = heard.length;
    await waitUntil(
      async () => {
        await attempt(name, [["udp", ownAddress ?? "", ports.udp, mark]]);
        return heard.includes(`udp ${mark}`);
      },
      { what: mark },
    );
    return heard.slice(0, from).filter((line) => !line.startsWith("udp mark"));
  };

  beforeAll(async () => {
    if (netMissing !== null) return;
    const listen = (hostname: string, what: string, port = 0) => {
      const listener = Bun.listen({
        hostname,
        port,
        socket: {
          open(socket) {
            heard.push(what);
            socket.end();
          },
          data() {},
        },
      });
      closers.push(() => listener.stop(true));
      return listener.port;
    };
    ports.loopback = listen("127.0.0.1", "tcp loopback");
    listen("::1", "tcp loopback", ports.loopback);
    ports.all = listen("0.0.0.0", "tcp all");
    const datagrams = await Bun.udpSocket({
      hostname: "0.0.0.0",
      socket: { data: (_socket, data) => void heard.push(`udp ${data.toString()}`) },
    });
    closers.push(() => datagrams.close());
    ports.udp = datagrams.port;

    mkdirSync(join(engine.sandbox.configHome, "proa"), { recursive: true });
    writeFileSync(
      join(engine.sandbox.configHome, "proa/config.toml"),
      '[network]\ndeny = ["169.254.169.254/32", "198.51.100.0/24", "2001:db8:dead::/48"]\n',
    );
    const create = (name: string, number: number, ...options: string[]) =>
      engine.ok([
        ...["network", "create", "--subnet", `10.214.${number}.0/24`, "--subnet", `fd14:${number}::/64`],
        ...options,
        name,
      ]);
    await create("red", 1);
    await create("blue", 2);
    await create("shut", 3, "--internal");
    await create("apart", 4, "--opt", "com.docker.network.bridge.enable_icc=false");
    const at = (network: string, number: number, last: number, more = "") =>
      `--network=${network}:ip=10.214.${number}.${last},ip6=fd14:${number}::${last}${more}`;
    await server("red1", at("red", 1, 11), "--cap-add", "NET_RAW", "--cap-add", "NET_ADMIN");
    await server("red2", at("red", 1, 12));
    await server("allowed", at("red", 1, 13, ",host-loopback"));
    await server("blue1", at("blue", 2, 11));
    await server("shut1", at("shut", 3, 11));
    await server("shut2", at("shut", 3, 12));
    await server("apart1", at("apart", 4, 11));
    await server("apart2", at("apart", 4, 12));
    for (const name of ["red1", "red2", "allowed", "blue1", "shut1", "shut2", "apart1", "apart2"])
      await printed(place, name, "ready");
  }, 90_000);
  afterAll(() => {
    for (const close of closers) close();
  });

  describe("containers of one network", () => {
    test("reach each other by address and by name, over IPv4 and IPv6", async () => {
      expect(
        await attempt("red1", [
          ["tcp", "10.214.1.12", 80, null],
          ["tcp", "fd14:1::12", 80, null],
          ["udp", "10.214.1.12", 80, "four"],
          ["udp", "fd14:1::12", 80, "six"],
        ]),
      ).toEqual(["connected", "connected", "sent", "sent"]);
      const wanted = ["tcp 10.214.1.11", "tcp fd14:1::11", "udp 10.214.1.11 four", "udp fd14:1::11 six"];
      for (const line of wanted) await printed(place, "red2", `${line}\n`);
      for (const option of ["-4", "-6"])
        expect(await engine.ok(["exec", "red1", "ping", option, "-c1", "-W5", "red2"])).toContain(
          "1 received",
        );
    });

    test("take no routes from each other", async () => {
      const settings = [
        "ipv6/conf/eth0/accept_ra",
        "ipv6/conf/eth0/accept_redirects",
        "ipv4/conf/eth0/accept_redirects",
      ];
      const paths = settings.map((name) => `/proc/sys/net/${name}`);
      expect(await engine.ok(["exec", "red2", "cat", ...paths])).toBe("0\n0\n0");
    });

    test("see each other's own addresses, not a gateway's", async () => {
      expect(await log("red2")).not.toContain("tcp 10.214.1.1");
    });

    test("with enable_icc=false they do not, but names and the outside stay", async () => {
      expect(
        await attempt("apart1", [
          ["tcp", "10.214.4.12", 80, null],
          ["tcp", "fd14:4::12", 80, null],
        ]),
      ).toEqual([
        expect.stringMatching(/timeout|EHOSTUNREACH/),
        expect.stringMatching(/timeout|EHOSTUNREACH/),
      ]);
      expect(await log("apart2")).toEqual(["ready"]);
      expect(await engine.ok(["exec", "apart1", "dig", "+short", "apart1"])).toBe("10.214.4.11");
      if (ownAddress !== undefined)
        expect(await attempt("apart1", [["tcp", ownAddress, ports.all, null]])).toEqual(["connected"]);
    });
  });

  describe("containers of different networks", () => {
    test("do not reach each other by TCP, and are told at once", async () => {
      const started = Date.now();
      expect(await attempt("red1", [["tcp", "10.214.2.11", 80, null]])).toEqual(["ECONNREFUSED"]);
      expect(await attempt("red1", [["tcp", "fd14:2::11", 80, null]])).toEqual(["ECONNREFUSED"]);
      expect(Date.now() - started).toBeLessThan(2_500);
    });

    test("do not reach each other by UDP or ICMP, also by frames made for it", async () => {
      const to_mac = await gatewayMac("red1", "10.214.1.1");
      const from_mac = await field("red1", "red", "MacAddress");
      const frames = (["udp", "icmp", "tcp"] as const).flatMap((protocol): Step[] => [
        ["frame", { to_mac, from_mac, source: "10.214.1.11", target: "10.214.2.11", protocol, text: "made" }],
        ["frame", { to_mac, from_mac, source: "fd14:1::11", target: "fd14:2::11", protocol, text: "made" }],
      ]);
      const steps: Step[] = [["udp", "10.214.2.11", 80, "no"], ["udp", "fd14:2::11", 80, "no"], ...frames];
      expect(await attempt("red1", steps)).toEqual(Array(8).fill("sent"));
      const ping = await engine.proa(["exec", "red1", "ping", "-c1", "-W2", "10.214.2.11"]);
      expect(ping.stdout).toContain("100% packet loss");
      expect(await log("blue1")).toEqual(["ready"]);
    });

    test("do not reach each other's gateways, nor their names", async () => {
      expect(
        await attempt("red1", [
          ["tcp", "10.214.2.1", 53, null],
          ["tcp", "fd14:2::1", 53, null],
        ]),
      ).toEqual(["ECONNREFUSED", "ECONNREFUSED"]);
      const dig = await engine.proa(["exec", "red1", "dig", "+tries=1", "+time=2", "@10.214.2.1", "blue1"]);
      expect(dig.stdout).not.toContain("10.214.2.11");
    });
  });

  /** The MAC address that a container has for a gateway. */
  const gatewayMac = async (name: string, gateway: string): Promise<string> => {
    const line = await engine.ok(["exec", name, "ip", "neigh", "show", gateway]);
    const mac = /lladdr (\S+)/.exec(line)?.[1] ?? "";
    expect(mac).toMatch(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
    return mac;
  };

  describe("an internal network", () => {
    test("reaches its own containers and their names", async () => {
      expect(await attempt("shut1", [["tcp", "10.214.3.12", 80, null]])).toEqual(["connected"]);
      expect(await engine.ok(["exec", "shut1", "dig", "+short", "shut2"])).toBe("10.214.3.12");
    });

    test("reaches nothing else: no host, no other network, no host's loopback", async () => {
      const places = [
        "203.0.113.1",
        "2001:db8::1",
        "10.214.1.12",
        "fd14:1::12",
        "169.254.1.2",
        ownAddress ?? "203.0.113.2",
      ];
      const outcomes = await attempt(
        "shut1",
        places.map((address): Step => ["tcp", address, ports.all, null]),
      );
      for (const outcome of outcomes) expect(outcome).toMatch(/^(ENETUNREACH|EHOSTUNREACH|EACCES)$/);
    });
  });

  describe.skipIf(ownAddress === undefined)("the host", () => {
    const outside = ownAddress ?? "";

    test("is reached by its own addresses", async () => {
      expect(await attempt("red1", [["tcp", outside, ports.all, null]])).toEqual(["connected"]);
      expect(heard).toContain("tcp all");
    });

    test("is not reached on its loopback: 127.0.0.1 is the container's own, host.containers.internal leads nowhere", async () => {
      const before = heard.filter((line) => line === "tcp loopback").length;
      const outcomes = await attempt(
        "red1",
        ["127.0.0.1", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1", "169.254.1.2", "fd00:70:726f:61::2"].map(
          (address): Step => ["tcp", address, ports.loopback, null],
        ),
      );
      expect(outcomes).toEqual(Array(7).fill("ECONNREFUSED"));
      expect(
        await heardOf("red1").then((lines) => lines.filter((line) => line === "tcp loopback").length),
      ).toBe(before);
    });

    test("is reached on its loopback by a container that may, by that name", async () => {
      const { stdout } = await engine.proa(["exec", "allowed", "cat", "/etc/hosts"]);
      expect(stdout).toMatch(/169\.254\.1\.2\s.*host\.containers\.internal/);
      const before = heard.filter((line) => line === "tcp loopback").length;
      expect(
        await attempt("allowed", [
          ["tcp", "169.254.1.2", ports.loopback, null],
          ["tcp", "fd00:70:726f:61::2", ports.loopback, null],
        ]),
      ).toEqual(["connected", "connected"]);
      await waitUntil(() => heard.filter((line) => line === "tcp loopback").length === before + 2);
    });

    test("hears nothing of packets made for its loopback", async () => {
      const [to_mac, from_mac] = [
        await gatewayMac("red1", "10.214.1.1"),
        await field("red1", "red", "MacAddress"),
      ];
      const made = (target: string, port: number): Step[] =>
        (["tcp", "udp", "icmp"] as const).map((protocol) => [
          "frame",
          {
            to_mac,
            from_mac,
            source: target.includes(":") ? "fd14:1::11" : "10.214.1.11",
            target,
            protocol,
            port,
            text: "made",
          },
        ]);
      const before = heard.filter((line) => line === "tcp loopback").length;
      await attempt(
        "red1",
        [
          ...[
            "127.0.0.1",
            "127.1.2.3",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "10.214.1.255",
            "169.254.1.2",
          ],
          ...["::1", "::", "::ffff:127.0.0.1", "::127.0.0.1", "ff02::1", "fe80::1", "fd00:70:726f:61::2"],
        ].flatMap((target) => [...made(target, ports.loopback), ...made(target, ports.udp)]),
      );
      const lines = await heardOf("red1");
      expect(lines.filter((line) => line === "tcp loopback").length).toBe(before);
      expect(lines).not.toContain("udp made");
    });

    test("hears nothing that claims to be another container's, or nobody's", async () => {
      const [to_mac, own, other] = [
        await gatewayMac("red1", "10.214.1.1"),
        await field("red1", "red", "MacAddress"),
        await field("red2", "red", "MacAddress"),
      ];
      const claims: [string, string][] = [
        ["10.214.1.12", own], // the other's address
        ["10.214.1.12", other], // and its MAC address
        ["10.214.1.11", other],
        ["10.214.1.99", own], // nobody's
        ["10.214.1.1", own], // the gateway's
        ["10.214.2.11", own], // of another network
        ["127.0.0.1", own],
        [outside, own],
      ];
      await attempt("red1", [
        ["take", "10.214.1.12", own],
        ["take", "10.214.1.1", own],
        ...claims.map(
          ([source, from_mac]): Step => [
            "frame",
            {
              to_mac,
              from_mac,
              source,
              target: outside,
              port: ports.udp,
              text: `as ${source} of ${from_mac}`,
            },
          ],
        ),
        [
          "frame",
          {
            to_mac,
            from_mac: own,
            source: "10.214.1.11",
            target: outside,
            port: ports.udp,
            text: "as itself",
          },
        ],
      ]);
      const lines = await heardOf("red1");
      expect(lines.filter((line) => line.startsWith("udp as "))).toEqual(["udp as itself"]);
    });

    test("does not take one for the other who may reach its loopback", async () => {
      const own = await field("red1", "red", "MacAddress");
      await engine.ok(["exec", "red1", "ip", "addr", "add", "10.214.1.13/24", "dev", "eth0"]);
      try {
        expect(
          await attempt("red1", [
            ["take", "10.214.1.13", own],
            ["tcp", "169.254.1.2", ports.loopback, "10.214.1.13"],
          ]),
        ).toEqual(["sent", "timeout"]);
      } finally {
        await engine.ok(["exec", "red1", "ip", "addr", "del", "10.214.1.13/24", "dev", "eth0"]);
      }
    });
  });

  test("addresses that the configuration denies are refused at once, in every form that reaches them", async () => {
    const outcomes = await attempt("red1", [
      ["tcp", "169.254.169.254", 80, null],
      ["tcp", "198.51.100.7", 80, null],
      ["tcp", "2001:db8:dead::1", 80, null],
      ["tcp", "64:ff9b::169.254.169.254", 80, null],
    ]);
    expect(outcomes).toEqual(Array(4).fill("ECONNREFUSED"));
  });

  test.skipIf(ownAddress === undefined)(
    "a published port leads to the network that answers leave by",
    async () => {
      await server(
        "both",
        ...["--network=blue:ip=10.214.2.60", "--network=red:ip=10.214.1.60,gw-priority=1", "--publish=80"],
      );
      await printed(place, "both", "ready");
      const port = await hostPort(place, "both", "80/tcp");
      const socket = await Bun.connect({ hostname: ownAddress ?? "", port, socket: { data() {} } });
      socket.end();
      await printed(place, "both", `tcp ${ownAddress}\n`);
      await engine.ok(["rm", "-f", "both"]);
    },
  );

  test("a container that has gone leaves its name and address to the next, at once", async () => {
    for (let round = 0; round < 3; round++) {
      await start(place, "next", SLEEP, "--network=red:ip=10.214.1.50");
      expect(await engine.ok(["exec", "red2", "ping", "-c1", "-W5", "next"])).toContain("1 received");
      await engine.ok(["rm", "-f", "next"]);
    }
  });

  test("with the last container everything is gone", () => removeAll(place));
});
