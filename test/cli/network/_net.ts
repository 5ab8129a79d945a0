/** What the tests with the image of network programs share: addresses, containers that stay, and where they are reached. */
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import type { Engine } from "../../harness";
import { SLEEP } from "../_network";

export type NetPlace = { readonly engine: Engine; readonly net: string };

export type Family = 4 | 6;
export const LOOPBACK = { 4: "127.0.0.1", 6: "::1" } as const;
/** The host's loopback as containers with host-loopback see it. */
export const HOST = { 4: "169.254.1.2", 6: "fd00:70:726f:61::2" } as const;

/** An address of this machine that is not loopback: a client that uses it is seen with it. */
export const ownAddress = Object.values(networkInterfaces())
  .flat()
  .find((a) => a && !a.internal && a.family === "IPv4")?.address;

/** Start a container that is killed when it is to stop; returns its id. */
export function start(
  { engine, net }: NetPlace,
  name: string,
  command: string[] = SLEEP,
  ...options: string[]
): Promise<string> {
  return engine.ok(["run", "-d", "--name", name, "--stop-signal", "KILL", ...options, net, ...command]);
}

/** The gateway of the network `proa`. */
export function gatewayOf({ engine }: NetPlace, family: Family): Promise<string> {
  const format = `{{(index .IPAM.Config ${family === 4 ? 0 : 1}).Gateway}}`;
  return engine.ok(["network", "inspect", "proa", "--format", format]);
}

/** A container's first address. */
export async function addressOf({ engine }: NetPlace, name: string): Promise<string> {
  return (await engine.ok(["exec", name, "hostname", "-i"])).split(" ")[0] ?? "";
}

/** The port of the host that leads to one of the container's: "80" or "80/udp". */
export async function hostPort({ engine }: NetPlace, name: string, inside: string | number): Promise<number> {
  return Number((await engine.ok(["port", name, `${inside}`])).split("\n")[0]?.split(":").at(-1));
}

/** Whether nobody has this TCP port of the host. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer().once("error", () => done(false));
    server.listen(port, "::", () => server.close(() => done(true)));
  });
}

/** The first of `count` ports in a row that nobody has, below those that the kernel gives to clients. */
export async function freePorts(count = 1): Promise<number> {
  for (;;) {
    const first = 10_000 + Math.floor(Math.random() * 20_000);
    const free = await Promise.all(Array.from({ length: count }, (_, at) => isFree(first + at)));
    if (free.every(Boolean)) return first;
  }
}

type Child = Bun.Subprocess<"pipe", "pipe", "inherit">;

/** Start a program on the host and wait for its first line. */
export async function startHere(command: string[]): Promise<{ child: Child; first: string }> {
  const child = Bun.spawn(command, { stdio: ["pipe", "pipe", "inherit"] });
  const reader = child.stdout.getReader();
  let first = "";
  while (!first.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`${command.join(" ").slice(0, 200)}: ended without a line`);
    first += new TextDecoder().decode(value);
  }
  reader.releaseLock();
  return { child, first: first.split("\n")[0] ?? "" };
}
