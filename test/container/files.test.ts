/** What a container's /etc/hosts and /etc/resolv.conf say. */
import { describe, expect, test } from "bun:test";
import {
  ALONE,
  hostsText,
  nameServersOf,
  parseExtraHost,
  resolvText,
  type Surroundings,
} from "../../src/container/files";
import type { ContainerSpec } from "../../src/oci";

const specWith = (
  host: Partial<ContainerSpec["HostConfig"]>,
  Hostname = "box",
  Domainname = "",
): ContainerSpec =>
  ({
    Hostname,
    Domainname,
    HostConfig: { ExtraHosts: [], Dns: [], DnsSearch: [], DnsOptions: [], ...host },
  }) as unknown as ContainerSpec;

const around: Surroundings = {
  own: [
    { address: "10.88.0.2", names: ["web", "db", "box"] },
    { address: "fd00::2", names: ["web"] },
  ],
  host: ["169.254.1.2", "fd00:70:726f:61::2"],
  nameServers: ["10.88.0.1"],
  isNameService: true,
};

describe("parseExtraHost()", () => {
  for (const line of [
    "",
    ":",
    "a",
    "a:",
    ":1.2.3.4",
    "a:b",
    "a:1.2.3",
    "a:1.2.3.4.5",
    "a b:1.2.3.4",
    "a:1.2.3.4 b",
    "a:[::1",
    "a:gateway",
  ]) {
    test(`refuses ${JSON.stringify(line)}`, () => {
      expect(() => parseExtraHost(line)).toThrow(`extra host: ${line || '""'}: expected NAME:ADDRESS`);
    });
  }

  test("reads both marks, brackets, and host-gateway", () => {
    expect(parseExtraHost("a:1.2.3.4")).toEqual(["a", "1.2.3.4"]);
    expect(parseExtraHost("a=1.2.3.4")).toEqual(["a", "1.2.3.4"]);
    expect(parseExtraHost("a:::1")).toEqual(["a", "::1"]);
    expect(parseExtraHost("a=[::1]")).toEqual(["a", "::1"]);
    expect(parseExtraHost("a.example:host-gateway")).toEqual(["a.example", "host-gateway"]);
  });
});

describe("hostsText()", () => {
  const behindLocal = (text: string) => text.split("\n").slice(6, -1); // six lines are the same everywhere

  test("has the container under its host name first, then under its other names, each once", () => {
    expect(behindLocal(hostsText(specWith({}), around))).toEqual([
      "10.88.0.2\tbox web db",
      "fd00::2\tbox web",
      "169.254.1.2\thost.containers.internal host.docker.internal",
      "fd00:70:726f:61::2\thost.containers.internal host.docker.internal",
    ]);
  });

  test("has the full name first where there is a domain", () => {
    expect(hostsText(specWith({}, "box", "example.org"), around)).toContain(
      "10.88.0.2\tbox.example.org box web db\n",
    );
  });

  test("gives --add-host its lines, host-gateway in all that the host has", () => {
    const lines = behindLocal(hostsText(specWith({ ExtraHosts: ["a:host-gateway", "b=1.2.3.4"] }), around));
    expect(lines.slice(0, 3)).toEqual(["169.254.1.2\ta", "fd00:70:726f:61::2\ta", "1.2.3.4\tb"]);
  });

  test("refuses host-gateway where the host is out of reach", () => {
    expect(() => hostsText(specWith({ ExtraHosts: ["a:host-gateway"] }), ALONE)).toThrow(
      "extra host: a:host-gateway: the container's network has no way to the host",
    );
  });

  test("has a loopback address for a container that has no other", () => {
    expect(behindLocal(hostsText(specWith({}), ALONE))).toEqual(["127.0.1.1\tbox"]);
  });
});

describe("resolvText()", () => {
  const host =
    "# made by a program\nnameserver 127.0.0.53\nsearch corp.example lan\noptions edns0 ndots:2 timeout:1 trust-ad rotate\n";

  test("asks netd, keeps the host's domains and those of its options that are for the asker, and ndots:0", () => {
    expect(resolvText(specWith({}), around, host)).toBe(
      "nameserver 10.88.0.1\nsearch corp.example lan\noptions edns0 trust-ad ndots:0\n",
    );
    expect(resolvText(specWith({}), around, "")).toBe("nameserver 10.88.0.1\noptions ndots:0\n");
  });

  test("takes what the user says in place of the host's; a single dot is no domain", () => {
    const own = { DnsSearch: ["a.example"], DnsOptions: ["ndots:3", "use-vc"] };
    expect(resolvText(specWith(own), around, host)).toBe(
      "nameserver 10.88.0.1\nsearch a.example\noptions ndots:3 use-vc\n",
    );
    expect(resolvText(specWith({ DnsSearch: ["."] }), around, host)).toBe(
      "nameserver 10.88.0.1\noptions edns0 trust-ad ndots:0\n",
    );
  });

  test("hands the host's options on where the container asks for itself", () => {
    const itself = { ...around, nameServers: ["9.9.9.9"], isNameService: false };
    expect(resolvText(specWith({}), itself, host)).toBe(
      "nameserver 9.9.9.9\nsearch corp.example lan\noptions edns0 ndots:2 timeout:1 trust-ad rotate\n",
    );
  });

  test("names three servers: libc reads no more", () => {
    const four = { ...around, nameServers: ["1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4"] };
    expect(nameServersOf(resolvText(specWith({}), four, ""))).toEqual(["1.1.1.1", "2.2.2.2", "3.3.3.3"]);
  });

  test("is empty where there is nobody to ask and nothing was said", () => {
    expect(resolvText(specWith({}), ALONE, host)).toBe("");
  });

  test("takes the last of the host's search and domain lines", () => {
    expect(resolvText(specWith({}), around, "domain a.example\nsearch b.example\n")).toContain(
      "search b.example\n",
    );
    expect(resolvText(specWith({}), around, "search b.example\ndomain a.example\n")).toContain(
      "search a.example\n",
    );
  });
});

test("nameServersOf() passes over comments and what is no address", () => {
  const text =
    "nameserver 1.1.1.1\n#nameserver 2.2.2.2\n nameserver 3.3.3.3\nnameserver\nnameserver x\nnameserver\t::1\n";
  expect(nameServersOf(text)).toEqual(["1.1.1.1", "::1"]);
});
