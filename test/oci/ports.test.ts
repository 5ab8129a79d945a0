import { describe, expect, test } from "bun:test";
import { EngineError } from "../../src/error";
import {
  formatPlace,
  isAddress,
  parseExposed,
  parseHostPort,
  parsePort,
  parsePublish,
  parsePublished,
} from "../../src/oci";

const refusal = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof EngineError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "not refused";
};

describe("parsePublish() refuses", () => {
  const cases: [string, string][] = [
    ["", "it has no container port"],
    ["8080:", "it has no container port"],
    [":", "it has no container port"],
    ["/tcp", "it has no container port"],
    ["80/", 'unknown protocol ""'],
    ["80/icmp", 'unknown protocol "icmp"'],
    ["80/tcp/udp", '"80/tcp" is not a port'],
    ["http", '"http" is not a port'],
    ["0", "ports are 1 to 65535"],
    ["8080:0", "ports are 1 to 65535"],
    ["65536", "ports are 1 to 65535"],
    ["65536:80", "ports are 1 to 65535"],
    ["-1:80", '"-1" is not a port'],
    ["80-", '"80-" is not a port'],
    ["8080:90-80", 'the range "90-80" ends before it begins'],
    ["8000-8002:80-81", "3 host ports for 2 container ports"],
    ["8000:80-81", "1 host ports for 2 container ports"],
    ["0-5:80", "port 0 is no port"],
    ["::1:8080:80", "an IPv6 address needs brackets: [::1]:8080:80"],
    ["1.2.3.4:5:8080:80", "an IPv6 address needs brackets: [::1]:8080:80"],
    ["[::1]:1:2:3", "too many colons"],
    ["[::1]", "brackets are for an IPv6 address in front of ports"],
    ["[::1", "brackets are for an IPv6 address in front of ports"],
    ["80:[::1]", "brackets are for an IPv6 address in front of ports"],
    ["[zz]:8080:80", '"zz" is not an IP address'],
    ["[]:8080:80", '"" is not an IP address'],
    ["localhost:8080:80", '"localhost" is not an IP address'],
    ["1.2.3:8080:80", '"1.2.3" is not an IP address'],
    ["1.2.3.256:8080:80", '"1.2.3.256" is not an IP address'],
    ["80 ", '"80 " is not a port'],
    ["+80", '"+80" is not a port'],
    ["0x50", '"0x50" is not a port'],
    ["1e3", '"1e3" is not a port'],
    ["８０", '"８０" is not a port'],
    ["80\n", '"80\n" is not a port'],
  ];
  for (const [text, why] of cases) {
    test(JSON.stringify(text), () => {
      const words = refusal(() => parsePublish(text));
      expect(words).toStartWith(`invalid: publish port: ${JSON.stringify(text)}: `);
      expect(words).toContain(why);
    });
  }

  test("sctp, with the reason", () => {
    expect(refusal(() => parsePublish("80/sctp"))).toBe(
      "unsupported: publish port: 80/sctp: connections of SCTP cannot be passed on: TCP and UDP can",
    );
  });
});

describe("parsePublish() reads", () => {
  const at = (HostIp: string, HostPort: string) => [{ HostIp, HostPort }];
  const cases: [string, Record<string, { HostIp: string; HostPort: string }[]>][] = [
    ["80", { "80/tcp": at("", "") }],
    ["8080:80", { "80/tcp": at("", "8080") }],
    ["8080:80/udp", { "80/udp": at("", "8080") }],
    ["8080:80/TCP", { "80/tcp": at("", "8080") }],
    ["0:80", { "80/tcp": at("", "") }],
    [":80", { "80/tcp": at("", "") }],
    ["127.0.0.1:8080:80", { "80/tcp": at("127.0.0.1", "8080") }],
    ["127.0.0.1::80", { "80/tcp": at("127.0.0.1", "") }],
    ["0.0.0.0:8080:80", { "80/tcp": at("0.0.0.0", "8080") }],
    ["[::1]:8080:80", { "80/tcp": at("::1", "8080") }],
    ["[::]::80", { "80/tcp": at("::", "") }],
    ["[::1]:80", { "80/tcp": at("::1", "") }],
    ["[::ffff:1.2.3.4]:8080:80", { "80/tcp": at("::ffff:1.2.3.4", "8080") }],
    ["80-81", { "80/tcp": at("", ""), "81/tcp": at("", "") }],
    ["8000-8001:80-81", { "80/tcp": at("", "8000"), "81/tcp": at("", "8001") }],
    ["8000-8010:80", { "80/tcp": at("", "8000-8010") }],
    ["1.1.1.1:1-65535:65535", { "65535/tcp": at("1.1.1.1", "1-65535") }],
  ];
  for (const [text, expected] of cases) test(text, () => expect(parsePublish(text)).toEqual(expected));
});

test("parsePublished() joins the places of one port, and counts what is written twice once", () => {
  expect(parsePublished(["8080:80", "127.0.0.1:8081:80", "8080:80", "80", "80", "53/udp"])).toEqual({
    "80/tcp": [
      { HostIp: "", HostPort: "8080" },
      { HostIp: "127.0.0.1", HostPort: "8081" },
      { HostIp: "", HostPort: "" },
      { HostIp: "", HostPort: "" }, // each is another free port
    ],
    "53/udp": [{ HostIp: "", HostPort: "" }],
  });
});

test("parseExposed() reads ports and ranges, tcp where nothing is said", () => {
  expect(parseExposed("80")).toEqual(["80/tcp"]);
  expect(parseExposed("7000-7002/udp")).toEqual(["7000/udp", "7001/udp", "7002/udp"]);
  for (const text of ["", "0", "a", "1-", "8080:80", "80/x"]) {
    expect(refusal(() => parseExposed(text))).toStartWith("invalid: expose port: ");
  }
});

test("parsePort() reads one port", () => {
  expect(parsePort("80")).toEqual({ port: 80, protocol: "tcp" });
  expect(parsePort("53/udp")).toEqual({ port: 53, protocol: "udp" });
  for (const text of ["", "0", "80-81", "65536/tcp", "80/", "x"])
    expect(refusal(() => parsePort(text))).toStartWith("invalid: port: ");
});

test("parseHostPort() reads what the API has: nothing, a port, a range", () => {
  expect(parseHostPort("")).toEqual({ first: 0, last: 0 });
  expect(parseHostPort("0")).toEqual({ first: 0, last: 0 });
  expect(parseHostPort("8000-8010")).toEqual({ first: 8000, last: 8010 });
  for (const text of ["x", "0-5", "9-8", "65536", " 80"])
    expect(refusal(() => parseHostPort(text))).toStartWith("invalid: host port: ");
});

test("isAddress() takes the addresses of both families and nothing else", () => {
  for (const text of [
    "0.0.0.0",
    "255.255.255.255",
    "1.2.3.4",
    "::",
    "::1",
    "fd00:1::2",
    "FE80::1",
    "::ffff:1.2.3.4",
  ])
    expect([text, isAddress(text)]).toEqual([text, true]);
  for (const text of [
    "",
    "1",
    "1.2.3",
    "1.2.3.4.",
    "01.2.3.4",
    "1.2.3.4.5",
    "1..3.4",
    ":",
    ":::",
    "1::2::3",
    "fe80::1%eth0",
    "12345::",
    "a.b.c.d",
    "::1]",
  ])
    expect([text, isAddress(text)]).toEqual([text, false]);
});

test("formatPlace() puts IPv6 into brackets", () => {
  expect(formatPlace("127.0.0.1", 80)).toBe("127.0.0.1:80");
  expect(formatPlace("::1", 80)).toBe("[::1]:80");
});
