/** Published ports: what is asked for, what is taken, and how it is shown. */
import { readFileSync } from "node:fs";
import { EngineError } from "../error";
import type { LivePort, PortPlan } from "../helper";
import { type ContainerSpec, formatPlace, parseHostPort, parsePort } from "../oci";
import type { Context } from "../state";
import { portsFile } from "./places";

const PORTS_LIMIT = 1000; // more would not fit into what netd is told of a container

/**
 * What netd is told. A port that is only exposed takes any free one, where all are to be published.
 *
 * @throws `invalid`; `unsupported` where they are too many
 */
export function portPlans(spec: ContainerSpec): PortPlan[] {
  const plans = allPlans(spec);
  if (plans.length <= PORTS_LIMIT) return plans;
  throw new EngineError("unsupported", "publish port", `${plans.length} ports`, `${PORTS_LIMIT} at most`, {
    hint: "publish those that are needed, or use --network host",
  });
}

function allPlans(spec: ContainerSpec): PortPlan[] {
  const { PortBindings, PublishAllPorts } = spec.HostConfig;
  const plans = Object.entries(PortBindings).flatMap(([key, bindings]) => {
    const { port, protocol } = parsePort(key);
    return bindings.map(({ HostIp, HostPort }) => {
      const { first, last } = parseHostPort(HostPort);
      return { protocol, hostAddress: HostIp, hostFirst: first, hostLast: last, containerPort: port };
    });
  });
  if (!PublishAllPorts) return plans;
  const others = Object.keys(spec.ExposedPorts).filter((key) => !Object.hasOwn(PortBindings, key));
  return [
    ...plans,
    ...others.map((key) => {
      const { port, protocol } = parsePort(key);
      return { protocol, hostAddress: "", hostFirst: 0, hostLast: 0, containerPort: port };
    }),
  ];
}

/** Whether anything is to be published. */
export function publishes(spec: ContainerSpec): boolean {
  const { PortBindings, PublishAllPorts } = spec.HostConfig;
  return PublishAllPorts || Object.keys(PortBindings).length > 0;
}

/**
 * Refuse ports that an ordinary user cannot take, before anything is made.
 *
 * @throws `invalid` for what cannot be read, `unsupported` with the setting that would allow it
 */
export function checkPorts(context: Context, spec: ContainerSpec): void {
  const plans = portPlans(spec);
  refuseTwice(plans);
  const lowest = Math.min(...plans.map(({ hostLast }) => hostLast || Number.POSITIVE_INFINITY));
  if (context.uid === 0 || lowest > 1023) return;
  const start = firstOpenPort();
  if (lowest >= start) return;
  throw new EngineError(
    "unsupported",
    "publish port",
    String(lowest),
    `ports below ${start} are for root only`,
    {
      hint: lowPortHint(lowest),
    },
  );
}

/** One port of the host cannot lead to two of the container. */
function refuseTwice(plans: readonly PortPlan[]): void {
  const seen = new Map<string, PortPlan[]>();
  for (const plan of plans) {
    if (plan.hostFirst === 0 || plan.hostFirst !== plan.hostLast) continue; // the first free one is taken
    const key = `${plan.hostFirst}/${plan.protocol}`;
    const same = seen.get(key) ?? [];
    const other = same.find(
      ({ hostAddress }) => hostAddress === "" || plan.hostAddress === "" || hostAddress === plan.hostAddress,
    );
    if (other) {
      const why = `it is asked for twice, for the container's ports ${other.containerPort} and ${plan.containerPort}`;
      throw new EngineError("invalid", "publish port", key, why);
    }
    seen.set(key, [...same, plan]);
  }
}

export function lowPortHint(port: number): string {
  return `publish a higher one (${port + 8000}:${port}), or let an administrator allow it: sysctl -w net.ipv4.ip_unprivileged_port_start=${port}`;
}

function firstOpenPort(): number {
  try {
    return Number(readFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8"));
  } catch {
    return 1024; // a kernel without the setting
  }
}

/** A port that is open on the host. The address is never "". */
export type OpenPort = LivePort & { hostAddress: string };

/** What a container that runs has published: by container port, then in the order of publishing. */
export function openPorts(context: Context, id: string): OpenPort[] {
  let live: LivePort[];
  try {
    live = JSON.parse(readFileSync(portsFile(context, id), "utf8"));
  } catch {
    return []; // nothing is published, or it has just ended
  }
  return live
    .flatMap((port) => everyAddress(port.hostAddress).map((hostAddress) => ({ ...port, hostAddress })))
    .sort((a, b) => a.containerPort - b.containerPort || byText(a.protocol, b.protocol));
}

function everyAddress(address: string): string[] {
  return address === "" ? ["0.0.0.0", "::"] : [address];
}

/** `proa port`: one line each, `80/tcp -> 0.0.0.0:8080`. */
export function portLine({ protocol, containerPort, hostAddress, hostPort }: OpenPort): string {
  return `${containerPort}/${protocol} -> ${formatPlace(hostAddress, hostPort)}`;
}

type Shown = { port: number; protocol: string; open: OpenPort | null };

/**
 * The column of `ps`: docker joins neighbours that have the same number inside and outside, and puts what has another number last.
 *
 * @param exposed `80/tcp`: those that are not open are shown by themselves
 */
export function describePorts(open: readonly OpenPort[], exposed: readonly string[]): string {
  const isOpen = new Set(open.map(({ containerPort, protocol }) => `${containerPort}/${protocol}`));
  const closed = exposed
    .filter((key) => !isOpen.has(key))
    .map((key): Shown => ({ ...parsePort(key), open: null }));
  const all = [
    ...open.map((each): Shown => ({ port: each.containerPort, protocol: each.protocol, open: each })),
    ...closed,
  ];
  all.sort((a, b) => a.port - b.port || byText(a.protocol, b.protocol) || byPlace(a.open, b.open));
  const groups = new Map<string, { first: number; last: number }>();
  const done: string[] = [];
  const others: string[] = [];
  for (const { port, protocol, open: at } of all) {
    if (at && at.hostPort !== port) {
      others.push(`${formatPlace(at.hostAddress, at.hostPort)}->${port}/${protocol}`);
      continue;
    }
    const key = `${at?.hostAddress ?? ""}/${protocol}`;
    const group = groups.get(key);
    if (group && group.last + 1 === port) {
      group.last = port;
      continue;
    }
    if (group) done.push(describeGroup(key, group));
    groups.set(key, { first: port, last: port });
  }
  return [...done, ...[...groups].map(([key, group]) => describeGroup(key, group)), ...others].join(", ");
}

function byPlace(a: OpenPort | null, b: OpenPort | null): number {
  return byText(a?.hostAddress ?? "", b?.hostAddress ?? "") || (a?.hostPort ?? 0) - (b?.hostPort ?? 0);
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function describeGroup(key: string, { first, last }: { first: number; last: number }): string {
  const [address = "", protocol = ""] = key.split("/");
  const range = first === last ? String(first) : `${first}-${last}`;
  if (address === "") return `${range}/${protocol}`;
  return `${address.includes(":") ? `[${address}]` : address}:${range}->${range}/${protocol}`;
}
