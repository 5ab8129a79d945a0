import { expect, test } from "bun:test";
import { parseNetworkMode } from "../../src/oci";

test("parseNetworkMode() refuses modes that lack what they need, or have what they cannot", () => {
  const cases: [string, string][] = [
    ["container", "network: container: expected container:NAME"],
    ["container:", "network: container:: expected container:NAME"],
    ["ns", "network: ns: expected ns:/PATH of a network namespace"],
    ["ns:relative", "network: ns:relative: expected ns:/PATH of a network namespace"],
    ["none:x", 'network: none:x: "none" takes no options'],
    ["host:", 'network: host:: "host" takes no options'],
    ["private:x", 'network: private:x: "private" takes no options'],
  ];
  for (const [text, message] of cases) expect(() => parseNetworkMode(text)).toThrow(message);
});

test("parseNetworkMode() knows the modes, and takes other words for networks", () => {
  expect(parseNetworkMode("")).toEqual({ kind: "default" });
  expect(parseNetworkMode("default")).toEqual({ kind: "default" });
  expect(parseNetworkMode("bridge")).toEqual({ kind: "bridge", network: "bridge" });
  expect(parseNetworkMode("private")).toEqual({ kind: "bridge", network: "bridge" });
  expect(parseNetworkMode("back")).toEqual({ kind: "bridge", network: "back" });
  expect(parseNetworkMode("none")).toEqual({ kind: "none" });
  expect(parseNetworkMode("host")).toEqual({ kind: "host" });
  expect(parseNetworkMode("container:web")).toEqual({ kind: "container", reference: "web" });
  expect(parseNetworkMode("ns:/run/netns/a:b")).toEqual({ kind: "ns", path: "/run/netns/a:b" });
  expect(parseNetworkMode("pasta")).toEqual({ kind: "pasta", options: [] });
  expect(parseNetworkMode("pasta:-T,auto")).toEqual({ kind: "pasta", options: ["-T", "auto"] });
  expect(parseNetworkMode("slirp4netns:mtu=1500")).toEqual({ kind: "slirp4netns", options: ["mtu=1500"] });
});
