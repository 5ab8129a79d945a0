/** What the default network is made by, and what it lacks. */
import type { HostFacts } from "./facts";
import { fail, ok, type Verdict, warn } from "./finding";

const MODULES = "sudo modprobe -a nf_tables nft_tproxy nft_socket nfnetlink_queue bridge veth";
const INSTALL = "sudo apt-get install passt";

export function checkNetwork({ network, networkPrograms }: HostFacts): Verdict {
  // who may ping is a check of its own
  const lines = "failed" in network ? [network.failed] : network.ok.why;
  const why = lines.filter((line) => line !== "" && !line.includes("ping_group_range")).join("; ");
  if ("ok" in network && network.ok.tproxy) {
    if (why === "") return ok("the kernel's own: a bridge, and connections that are spliced to the host");
    return warn(`the kernel's own, without a part of it: ${why}`, costOf(network.ok), MODULES);
  }
  const [program] = networkPrograms;
  if (program === undefined)
    return fail(
      `${why}; and neither pasta nor slirp4netns is installed`,
      "containers start with --network none or host only",
      "ok" in network ? MODULES : INSTALL,
    );
  return warn(
    `${program} makes it: ${why}`,
    "it is slower, and containers are alone: no network of several, no names",
    "ok" in network ? MODULES : "see the failures above",
  );
}

function costOf({
  hold,
  ipv6,
  echo4,
  echo6,
}: {
  hold: boolean;
  ipv6: boolean;
  echo4: boolean;
  echo6: boolean;
}) {
  const costs = [
    ...(hold ? [] : ["a connection seems to succeed before its peer has answered"]),
    ...(ipv6 ? [] : ["there is no IPv6"]),
    ...(echo4 && echo6 ? [] : ["ping out of containers gets no answer"]),
  ];
  return costs.length > 0 ? costs.join("; ") : "a part of the network does not work";
}

export function checkTun(facts: HostFacts): Verdict {
  const isNeeded = !("ok" in facts.network && facts.network.ok.tproxy);
  if (facts.tun === "usable") return ok("/dev/net/tun is open");
  const found = `/dev/net/tun is ${facts.tun === "missing" ? "not there" : "closed to you"}`;
  if (!isNeeded) return ok(`${found}; only pasta and slirp4netns need it`);
  return warn(
    found,
    "pasta and slirp4netns do not work",
    facts.tun === "missing" ? "sudo modprobe tun" : "sudo chmod 0666 /dev/net/tun",
  );
}

/** Whether sockets of ICMP echo may be made, icmp(7). */
export function checkPing({ sysctl, groups }: HostFacts): Verdict {
  const range = sysctl("net/ipv4/ping_group_range");
  if (range === null) return ok("not restricted");
  const [first = 1, last = 0] = range.split(/\s+/).map(Number);
  if (groups.some((gid) => gid >= first && gid <= last)) return ok("containers can ping what is outside");
  return warn(
    first > last
      ? "nobody may ping"
      : `the groups that may ping are ${first} to ${last}, and you are in none of them`,
    "ping out of containers gets no answer",
    'sudo sysctl -w net.ipv4.ping_group_range="0 2147483647"',
  );
}

export function checkLowPorts({ sysctl, uid }: HostFacts): Verdict {
  const first = Number(sysctl("net/ipv4/ip_unprivileged_port_start") ?? 1024);
  if (uid === 0 || first <= 1) return ok("every port can be published");
  return ok(
    `ports from ${first} on can be published (lower ones: sudo sysctl -w net.ipv4.ip_unprivileged_port_start=80)`,
  );
}
