/** What `ps` and the start make of published ports. */
import { describe, expect, test } from "bun:test";
import { parseHeldPort, socketsOn } from "../../src/container/port-holder";
import { describePorts, type OpenPort, portPlans } from "../../src/container/ports";
import type { ContainerSpec } from "../../src/oci";

const open = (
  hostAddress: string,
  hostPort: number,
  containerPort: number,
  protocol: "tcp" | "udp" = "tcp",
): OpenPort => ({
  hostAddress,
  hostPort,
  containerPort,
  protocol,
});

describe("describePorts()", () => {
  const cases: [string, OpenPort[], string[], string][] = [
    ["nothing", [], [], ""],
    ["a port that is only exposed", [], ["80/tcp"], "80/tcp"],
    [
      "both families",
      [open("::", 8080, 80), open("0.0.0.0", 8080, 80)],
      [],
      "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp",
    ],
    [
      "an open port once, though it is exposed",
      [open("127.0.0.1", 8080, 80)],
      ["80/tcp"],
      "127.0.0.1:8080->80/tcp",
    ],
    [
      "neighbours with the same number outside as a range",
      [open("0.0.0.0", 80, 80), open("0.0.0.0", 81, 81), open("0.0.0.0", 82, 82)],
      [],
      "0.0.0.0:80-82->80-82/tcp",
    ],
    [
      "a gap as two ranges",
      [open("0.0.0.0", 80, 80), open("0.0.0.0", 82, 82), open("0.0.0.0", 83, 83)],
      [],
      "0.0.0.0:80->80/tcp, 0.0.0.0:82-83->82-83/tcp",
    ],
    [
      "those with another number outside last",
      [open("0.0.0.0", 9000, 80), open("0.0.0.0", 81, 81)],
      [],
      "0.0.0.0:81->81/tcp, 0.0.0.0:9000->80/tcp",
    ],
    [
      "protocols apart",
      [open("0.0.0.0", 53, 53, "udp"), open("0.0.0.0", 53, 53)],
      [],
      "0.0.0.0:53->53/tcp, 0.0.0.0:53->53/udp",
    ],
    ["exposed neighbours as a range", [], ["7002/tcp", "7000/tcp", "7001/tcp"], "7000-7002/tcp"],
  ];
  for (const [name, ports, exposed, expected] of cases) {
    test(`shows ${name}`, () => expect(describePorts(ports, exposed)).toBe(expected));
  }
});

describe("portPlans()", () => {
  const specWith = (
    PortBindings: ContainerSpec["HostConfig"]["PortBindings"],
    PublishAllPorts: boolean,
    exposed: string[],
  ) =>
    ({
      ExposedPorts: Object.fromEntries(exposed.map((port) => [port, {}])),
      HostConfig: { PortBindings, PublishAllPorts },
    }) as unknown as ContainerSpec;
  const plan = (
    hostAddress: string,
    hostFirst: number,
    hostLast: number,
    containerPort: number,
    protocol: "tcp" | "udp" = "tcp",
  ) => ({
    hostAddress,
    hostFirst,
    hostLast,
    containerPort,
    protocol,
  });

  test("leaves what is only exposed closed", () => {
    expect(portPlans(specWith({}, false, ["80/tcp"]))).toEqual([]);
  });

  test("opens what is only exposed anywhere with --publish-all, and the rest where it was asked for", () => {
    const bindings = {
      "80/tcp": [
        { HostIp: "127.0.0.1", HostPort: "8080" },
        { HostIp: "", HostPort: "9000-9005" },
      ],
    };
    expect(portPlans(specWith(bindings, true, ["80/tcp", "53/udp"]))).toEqual([
      plan("127.0.0.1", 8080, 8080, 80),
      plan("", 9000, 9005, 80),
      plan("", 0, 0, 53, "udp"),
    ]);
  });

  test("refuses more ports than netd can be told of", () => {
    const exposed = (count: number) => Array.from({ length: count }, (_, at) => `${at + 1}/tcp`);
    expect(portPlans(specWith({}, true, exposed(1000))).length).toBe(1000);
    expect(() => portPlans(specWith({}, true, exposed(1001)))).toThrow(
      "publish port: 1001 ports: 1000 at most",
    );
    expect(portPlans(specWith({}, false, exposed(1001)))).toEqual([]);
  });

  test("refuses what the API should not have sent", () => {
    expect(() => portPlans(specWith({ "80/x": [] }, false, []))).toThrow('unknown protocol "x"');
    expect(() => portPlans(specWith({ "80/tcp": [{ HostIp: "", HostPort: "x" }] }, false, []))).toThrow(
      '"x" is not a port',
    );
  });
});

test("parseHeldPort() reads how the helper names a port, and nothing else", () => {
  const held = (address: string, port: number, protocol: "tcp" | "udp") => ({ address, port, protocol });
  expect(parseHeldPort("0.0.0.0:8080/tcp")).toEqual(held("0.0.0.0", 8080, "tcp"));
  expect(parseHeldPort("[::1]:53/udp")).toEqual(held("::1", 53, "udp"));
  expect(parseHeldPort("*:80/tcp")).toEqual(held("", 80, "tcp"));
  for (const text of ["", "80/tcp", "a:b/tcp", "1.2.3.4:80", "1.2.3.4:80/sctp"])
    expect(parseHeldPort(text)).toBeNull();
});

test("socketsOn() finds who has a port, also another user's", () => {
  const line = (port: string, state: string, uid: number, inode: number) =>
    `   0: 00000000:${port} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000  ${uid}        0 ${inode} 1 0 100 0`;
  const table = [
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
    line("1388", "0A", 0, 7),
    line("1388", "01", 5, 8), // a connection
    line("1389", "0A", 6, 9),
  ].join("\n");
  expect(socketsOn(table, 5000)).toEqual([{ uid: 0, inode: "7" }]);
  expect(socketsOn(table, 80)).toEqual([]);
});
