/** Ports as docker writes them: `-p [ip:][host][:container][/protocol]`, `80/tcp`, and the Engine API's PortBindings. */
import { EngineError } from "../error";

export type PortProtocol = "tcp" | "udp";

/** `HostIp` "": every address. `HostPort` "": any free port; `8000-8010`: the first free one of these. */
export type PortBinding = { HostIp: string; HostPort: string };

/** By container port, `80/tcp`. */
export type PortMap = Record<string, PortBinding[]>;

export type PortRange = { first: number; last: number };

const PORT_LIMIT = 65535;

/**
 * Read `--publish`. Brackets are for IPv6: `[::1]:8080:80`.
 *
 * @returns the bindings by container port: `8000-8001:80-81` is two, `8000-8010:80` one that takes the first free port
 * @throws `invalid`; `unsupported` for sctp
 */
export function parsePublish(text: string): PortMap {
  const fail = (why: string): EngineError =>
    new EngineError("invalid", "publish port", JSON.stringify(text), why, {
      hint: "expected [IP:][HOST_PORT:]CONTAINER_PORT[/tcp|/udp], as in 8080:80 or 127.0.0.1:8080:80",
    });
  const { rest, protocol } = splitProtocol(text, fail);
  const { ip, host, container } = splitPlaces(rest, fail);
  if (container === "") throw fail("it has no container port");
  const inside = rangeOf(container, 1, fail);
  const outside = host === "" ? null : rangeOf(host, 0, fail);
  const count = inside.last - inside.first + 1;
  const bindings: PortMap = {};
  for (let at = 0; at < count; at++) {
    bindings[`${inside.first + at}/${protocol}`] = [
      { HostIp: ip, HostPort: hostPort(outside, count, at, fail) },
    ];
  }
  return bindings;
}

function hostPort(
  range: PortRange | null,
  count: number,
  at: number,
  fail: (why: string) => EngineError,
): string {
  if (range === null) return "";
  const { first, last } = range;
  if (first === 0) {
    if (last !== 0) throw fail("port 0 is no port");
    return "";
  }
  if (count === 1) return first === last ? String(first) : `${first}-${last}`;
  if (last - first + 1 === count) return String(first + at);
  throw fail(`${last - first + 1} host ports for ${count} container ports`);
}

/** Several `--publish` together; a binding that is written twice counts once. @throws as parsePublish() */
export function parsePublished(texts: readonly string[]): PortMap {
  const all: PortMap = {};
  for (const text of texts) {
    for (const [port, bindings] of Object.entries(parsePublish(text))) {
      all[port] ??= [];
      const known = all[port];
      for (const binding of bindings) {
        const isKnown = known.some(
          ({ HostIp, HostPort }) =>
            HostPort !== "" && HostIp === binding.HostIp && HostPort === binding.HostPort,
        );
        if (!isKnown) known.push(binding);
      }
    }
  }
  return all;
}

/** Read `--expose`: `80`, `80/udp`, `7000-7010`. @returns `80/tcp` each. @throws `invalid`, `unsupported` */
export function parseExposed(text: string): string[] {
  const fail = (why: string): EngineError =>
    new EngineError("invalid", "expose port", JSON.stringify(text), why, {
      hint: "expected PORT[-PORT][/tcp|/udp]",
    });
  const { rest, protocol } = splitProtocol(text, fail);
  const { first, last } = rangeOf(rest, 1, fail);
  return Array.from({ length: last - first + 1 }, (_, at) => `${first + at}/${protocol}`);
}

/** Read `80/tcp`, or `80`, as `proa port` and the API take it. @throws `invalid`, `unsupported` */
export function parsePort(text: string): { port: number; protocol: PortProtocol } {
  const fail = (why: string): EngineError =>
    new EngineError("invalid", "port", JSON.stringify(text), why, { hint: "expected PORT[/tcp|/udp]" });
  const { rest, protocol } = splitProtocol(text, fail);
  const { first, last } = rangeOf(rest, 1, fail);
  if (first !== last) throw fail("it is a range");
  return { port: first, protocol };
}

/** Read a `HostPort` of the API: "" and "0" are {0, 0}, any free one. @throws `invalid` */
export function parseHostPort(text: string): PortRange {
  if (text === "" || text === "0") return { first: 0, last: 0 };
  return rangeOf(text, 1, (why) => new EngineError("invalid", "host port", JSON.stringify(text), why));
}

/** `0.0.0.0:8080`, `[::]:8080`. */
export function formatPlace(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

type Fail = (why: string) => EngineError;

function splitProtocol(text: string, fail: Fail): { rest: string; protocol: PortProtocol } {
  const cut = text.lastIndexOf("/");
  const rest = cut < 0 ? text : text.slice(0, cut);
  const protocol = cut < 0 ? "tcp" : text.slice(cut + 1).toLowerCase();
  if (protocol === "sctp") {
    throw new EngineError(
      "unsupported",
      "publish port",
      text,
      "connections of SCTP cannot be passed on: TCP and UDP can",
    );
  }
  if (protocol !== "tcp" && protocol !== "udp") throw fail(`unknown protocol "${protocol}"`);
  return { rest, protocol };
}

/** From behind: the container's port, the host's, and what is left is an address. */
function splitPlaces(text: string, fail: Fail): { ip: string; host: string; container: string } {
  const bracketed = /^\[([^\]]*)\]:(.*)$/.exec(text);
  const parts = (bracketed ? (bracketed[2] ?? "") : text).split(":");
  if (bracketed) {
    if (parts.length > 2) throw fail("too many colons");
    const [first = "", second] = parts;
    const ip = addressOf(bracketed[1] ?? "", fail);
    return second === undefined ? { ip, host: "", container: first } : { ip, host: first, container: second };
  }
  if (/[[\]]/.test(text)) throw fail("brackets are for an IPv6 address in front of ports: [::1]:8080:80");
  if (parts.length > 3) throw fail("an IPv6 address needs brackets: [::1]:8080:80");
  const [container = "", host = "", ip] = parts.toReversed();
  return { ip: ip === undefined || ip === "" ? "" : addressOf(ip, fail), host, container };
}

function addressOf(text: string, fail: Fail): string {
  if (!isAddress(text)) throw fail(`"${text}" is not an IP address`);
  return text;
}

/** Whether it is an IPv4 or IPv6 address, without a zone. */
export function isAddress(text: string): boolean {
  if (!text.includes(":")) return /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/.test(text);
  return /^[0-9a-fA-F:.]+$/.test(text) && URL.canParse(`http://[${text}]/`);
}

function rangeOf(text: string, least: number, fail: Fail): PortRange {
  const match = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(text);
  if (!match) throw fail(`"${text}" is not a port`);
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  if (first < least || last > PORT_LIMIT || first > PORT_LIMIT)
    throw fail(`ports are ${least || 1} to ${PORT_LIMIT}`);
  if (last < first) throw fail(`the range "${text}" ends before it begins`);
  return { first, last };
}
