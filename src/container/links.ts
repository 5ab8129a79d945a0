/**
 * docker's links: a container knows another that runs by an alias, which is a line of its /etc/hosts; where both are on the default network it
 * also has variables that say where the other's ports are, and what the other's own variables are.
 */
import { closeSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";
import { DEFAULT_NETWORK, endpointsOf } from "../network";
import { type ContainerSpec, isBridged, parseNetworkMode, parsePort } from "../oci";
import { type ContainerRow, type Context, containersByIdPrefix, setContainerSpec } from "../state";
import { openAlive } from "./alive";
import { findContainer } from "./find";
import { containerDirectory } from "./places";
import { specOf } from "./spec";

const ALIAS = /^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,62})$/;

/** `NAME[:ALIAS]` becomes `ID:ALIAS`: the other may be renamed. Throws `not-found`, `invalid`. */
export async function withLinkedIds(context: Context, spec: ContainerSpec): Promise<ContainerSpec> {
  const mode = parseNetworkMode(spec.HostConfig.NetworkMode);
  const links: string[] = [];
  for (const link of spec.HostConfig.Links ?? []) {
    const [reference = "", alias, ...rest] = link.split(":");
    if (reference === "" || rest.length > 0 || alias === "")
      throw new EngineError("invalid", "link", JSON.stringify(link), "expected CONTAINER[:ALIAS]");
    if (!isBridged(mode))
      throw new EngineError(
        "invalid",
        "link",
        link,
        `with network ${spec.HostConfig.NetworkMode} nothing is linked`,
      );
    const row = await findContainer(context, "link", reference);
    const name = alias ?? reference.replace(/^\//, "");
    if (!ALIAS.test(name)) throw new EngineError("invalid", "link", link, "the alias is no name of a host");
    links.push(`${row.id}:${name}`);
  }
  return { ...spec, HostConfig: { ...spec.HostConfig, Links: links } };
}

/** As `inspect` shows them: `/other/:/container/alias`. */
export function shownLinks(context: Context, name: string, links: readonly string[]): string[] {
  return links.map((link) => {
    const [id = "", alias = ""] = link.split(":");
    const [row] = containersByIdPrefix(context.db(), id);
    return `/${row?.name ?? id}:/${name}/${alias}`;
  });
}

/** With the variables that the links give at a start. Throws `not-found` for one that was removed, `not-running`. */
export async function withLinks(context: Context, spec: ContainerSpec): Promise<ContainerSpec> {
  const variables: string[] = [];
  for (const link of spec.HostConfig.Links ?? []) {
    const [id = "", alias = ""] = link.split(":");
    const row = await findContainer(context, "link", id);
    const { address, isDefault } = addressOf(context, row, networksOf(spec), alias);
    if (isDefault) variables.push(...variablesOf(row, specOf(context, row), alias, address));
  }
  return { ...spec, Env: [...variables, ...spec.Env] };
}

/**
 * With a line of /etc/hosts for each name of those that are linked and run now. What it is linked to is noted with them, so that the lines follow when
 * they get other addresses.
 *
 * @param id of the container that has the links
 */
export function withLinkedHosts(context: Context, id: string, spec: ContainerSpec): ContainerSpec {
  const networks = networksOf(spec);
  const lines = (spec.HostConfig.Links ?? []).flatMap((link) => {
    const [other = "", alias = ""] = link.split(":");
    const [row] = containersByIdPrefix(context.db(), other);
    const address = row && sharedAddress(context, row.id, networks)?.address;
    if (!row || !address) return [];
    const notes = linkersOf(context, other);
    mkdirSync(notes, { recursive: true, mode: 0o700 });
    writeFileSync(join(notes, id), "");
    const names = new Set([alias, row.name, specOf(context, row).Hostname || row.id.slice(0, 12)]);
    return [...names].map((name) => `${name}:${address}`);
  });
  const ExtraHosts = [...spec.HostConfig.ExtraHosts, ...lines];
  return { ...spec, HostConfig: { ...spec.HostConfig, ExtraHosts } };
}

/** A directory of empty files, each named by the id of a container that is linked to this one. */
export function linkersOf(context: Context, id: string): string {
  return join(containerDirectory(context, id), "linkers");
}

/** The containers that run and are linked to this one, whose address is another now. */
export function linkers(context: Context, id: string): ContainerRow[] {
  return readdirSync(linkersOf(context, id)).flatMap((linker) => {
    const [row] = /^[0-9a-f]{64}$/.test(linker) ? containersByIdPrefix(context.db(), linker) : [];
    if (!row) rmSync(join(linkersOf(context, id), linker), { force: true }); // it was removed
    return row?.status === "running" ? [row] : [];
  });
}

/** Names of the networks it was asked to be in; docker's word for the default one is ours. */
function networksOf(spec: ContainerSpec): Set<string> {
  const names = Object.keys(spec.NetworkingConfig.EndpointsConfig);
  const ours = (name: string): string => (name === "bridge" ? DEFAULT_NETWORK : name);
  return new Set(names.length > 0 ? names.map(ours) : [ours(modeName(spec))]);
}

function modeName(spec: ContainerSpec): string {
  const mode = parseNetworkMode(spec.HostConfig.NetworkMode);
  return mode.kind === "bridge" ? mode.network : "bridge";
}

/** Where the other is reached, in a network that both have. */
function addressOf(
  context: Context,
  row: ContainerRow,
  networks: ReadonlySet<string>,
  alias: string,
): { address: string; isDefault: boolean } {
  const alive = openAlive(context, row);
  if (!alive) {
    throw new EngineError(
      "not-running",
      "link",
      row.name,
      `cannot link to a container that is not running, as ${alias}`,
      {
        hint: `start it first: proa start ${row.name}`,
      },
    );
  }
  closeSync(alive.pidfd);
  const shared = sharedAddress(context, row.id, networks);
  if (shared) return shared;
  throw new EngineError("invalid", "link", row.name, "the two containers are in no common network");
}

/** Null where it has no address in one of these networks. */
function sharedAddress(
  context: Context,
  id: string,
  networks: ReadonlySet<string>,
): { address: string; isDefault: boolean } | null {
  const shared = endpointsOf(context, id).find(({ network }) => networks.has(network.name));
  const address = shared?.ipv4 ?? shared?.ipv6;
  return address ? { address, isDefault: shared?.network.name === DEFAULT_NETWORK } : null;
}

/** ALIAS_NAME, ALIAS_PORT…, and ALIAS_ENV_… of what the other sets itself. */
function variablesOf(row: ContainerRow, other: ContainerSpec, alias: string, address: string): string[] {
  const prefix = alias.replaceAll("-", "_").toUpperCase();
  const lines = [`${prefix}_NAME=/${row.name}/${alias}`];
  const ports = Object.keys(other.ExposedPorts)
    .map(parsePort)
    .sort((a, b) => a.port - b.port || (a.protocol < b.protocol ? -1 : 1));
  const host = address.includes(":") ? `[${address}]` : address;
  for (const [index, { port, protocol }] of ports.entries()) {
    const place = `${protocol}://${host}:${port}`;
    const name = `${prefix}_PORT_${port}_${protocol.toUpperCase()}`;
    if (index === 0) lines.push(`${prefix}_PORT=${place}`);
    lines.push(
      `${name}=${place}`,
      `${name}_ADDR=${address}`,
      `${name}_PORT=${port}`,
      `${name}_PROTO=${protocol}`,
    );
  }
  for (const line of other.Env) {
    const cut = line.indexOf("=");
    const name = line.slice(0, cut);
    if (cut > 0 && name !== "HOME" && name !== "PATH") lines.push(`${prefix}_ENV_${line}`);
  }
  return lines;
}

/** Forget a link, named as docker has it: `/container/alias`. The alias is gone with the next start. Throws `not-found`, `invalid`. */
export async function removeLink(context: Context, name: string): Promise<void> {
  const [, reference, alias] = /^\/?([^/]+)\/([^/]+)$/.exec(name) ?? [];
  if (reference === undefined)
    throw new EngineError("invalid", "remove link", name, "expected /CONTAINER/ALIAS", { exitCode: 1 });
  const row = await findContainer(context, "remove link", reference);
  const spec = specOf(context, row);
  const links = spec.HostConfig.Links ?? [];
  const Links = links.filter((link) => link.split(":")[1] !== alias);
  if (Links.length === links.length)
    throw new EngineError("not-found", "remove link", name, "no such link", { exitCode: 1 });
  setContainerSpec(
    context.db(),
    row.id,
    JSON.stringify({ ...spec, HostConfig: { ...spec.HostConfig, Links } }),
  );
}
