/** /etc/hosts, /etc/hostname and /etc/resolv.conf of a container, made beside its bundle and bound over the image's. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";
import type { ContainerSpec } from "../oci";

const LOCAL_HOSTS = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`;

/** Write the three files into `directory`. Returns target to source. */
export function hostFiles(directory: string, spec: ContainerSpec): Record<string, string> {
  const contents: Record<string, string> = {
    hosts: hostsOf(spec),
    hostname: `${spec.Hostname}\n`,
    "resolv.conf": resolvConf(spec),
  };
  return Object.fromEntries(
    Object.entries(contents).map(([name, text]) => {
      const path = join(directory, name);
      writeFileSync(path, text, { mode: 0o644 });
      return [`/etc/${name}`, path];
    }),
  );
}

function hostsOf(spec: ContainerSpec): string {
  const name = spec.Domainname ? `${spec.Hostname}.${spec.Domainname} ${spec.Hostname}` : spec.Hostname;
  const extra = spec.HostConfig.ExtraHosts.map((line) => {
    const [host, address] = parseExtraHost(line);
    return `${address}\t${host}\n`;
  });
  return `${LOCAL_HOSTS}127.0.1.1\t${name}\n${extra.join("")}`;
}

/** `name:address` or `name=address`; the address may be an IPv6 one. Throws `invalid`. */
export function parseExtraHost(line: string): [host: string, address: string] {
  const match = /^([^:=\s]+)[:=](\S+)$/.exec(line);
  const address = match?.[2]?.replace(/^\[(.*)\]$/, "$1");
  if (!match?.[1] || !address || !/^[0-9a-fA-F.:]+$/.test(address)) {
    throw new EngineError("invalid", "extra host", line, "expected NAME:ADDRESS");
  }
  return [match[1], address];
}

/** With the host's network its resolvers are the container's; without a network there is nobody to ask. */
function resolvConf(spec: ContainerSpec): string {
  if (spec.HostConfig.NetworkMode !== "host") return "";
  try {
    return readFileSync("/etc/resolv.conf", "utf8");
  } catch {
    return "";
  }
}
