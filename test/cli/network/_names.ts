/** What the tests of the name service share: dig's answers taken apart, and a name server to forward to. */
import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "../../harness";

export type Answer = {
  /** NOERROR, NXDOMAIN, …; "" where none came. */
  status: string;
  /** "qr aa rd ra" */
  flags: string[];
  /** The records of the answer section, each as "NAME TYPE DATA" without its TTL. */
  records: string[];
  /** The data of these records. */
  data: string[];
  ttls: number[];
  /** Bytes. */
  size: number;
  edns: boolean;
  text: string;
};

export function readDig(text: string): Answer {
  const section = /;; ANSWER SECTION:\n((?:[^;\n].*\n)+)/.exec(text)?.[1] ?? "";
  const rows = section
    .trim()
    .split("\n")
    .filter(Boolean)
    .map((row) => row.split(/\s+/));
  return {
    status: /status: (\w+)/.exec(text)?.[1] ?? "",
    flags: /;; flags: ([^;]*);/.exec(text)?.[1]?.split(" ") ?? [],
    records: rows.map(([name, , , type, ...data]) => `${name} ${type} ${data.join(" ")}`),
    data: rows.map((row) => row.slice(4).join(" ")),
    ttls: rows.map((row) => Number(row[1])),
    size: Number(/;; MSG SIZE {2}rcvd: (\d+)/.exec(text)?.[1] ?? 0),
    edns: text.includes("; EDNS: version: 0"),
    text,
  };
}

/** `dig` in a running container, told not to ask twice. */
export async function dig(engine: Engine, container: string, ...args: string[]): Promise<Answer> {
  const result = await engine.proa(["exec", container, "dig", "+tries=1", "+time=8", ...args]);
  return readDig(result.stdout);
}

/** What `dig +short` prints, line by line. */
export async function short(engine: Engine, container: string, ...args: string[]): Promise<string[]> {
  return (await engine.ok(["exec", container, "dig", "+short", "+tries=1", "+time=8", ...args]))
    .split("\n")
    .filter(Boolean);
}

/** The text of a program in Python that is a name server, and says "ready". */
export const nameServer: string = readFileSync(join(import.meta.dir, "../../harness/dns_server.py"), "utf8");

/** What a program in Python prints in a container, each line a JSON value. */
export async function python<T>(
  engine: Engine,
  container: string,
  program: string,
  ...args: string[]
): Promise<T[]> {
  const result = await engine.proa(["exec", "-i", container, "python3", "-", ...args], {
    stdin: program,
    timeoutMs: 50_000,
  });
  expect(result.stderr).toBe("");
  return result.stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T);
}

/** Functions for programs in Python that ask by hand. `gateway` is sys.argv[1]. */
export const ASK = `
import json, socket, struct, sys, time
gateway = sys.argv[1]
def name(text): return b"".join(bytes([len(l)]) + l.encode() for l in text.split(".") if l) + b"\\0"
def head(flags=0x0100, qd=1, an=0, ns=0, ar=0, id=7): return struct.pack("!HHHHHH", id, flags, qd, an, ns, ar)
def question(text, type=1): return name(text) + struct.pack("!HH", type, 1)
def opt(size=1232, version=0): return b"\\0" + struct.pack("!HHBBHH", 41, size, 0, version, 0, 0)
def udp(timeout=8):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect((gateway, 53)); s.settimeout(timeout); return s
def tcp(timeout=20): return socket.create_connection((gateway, 53), timeout)
def framed(message): return struct.pack("!H", len(message)) + message
def say(value): print(json.dumps(value), flush=True)
def receive(stream):
    h = stream.read(2)
    return stream.read(struct.unpack("!H", h)[0]) if len(h) == 2 else None
`;
