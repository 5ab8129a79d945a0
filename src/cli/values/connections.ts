/** Values about networks, namespaces and secrets. */
import {
  ask,
  behind,
  type Candidate,
  type CompletionRequest,
  cutFirst,
  offer,
  openWith,
  type Provider,
} from "./candidates";
import { containersOf } from "./containers";
import { hostPaths } from "./host";
import { networks, secrets } from "./names";

/** `container:NAME` and, where it is a namespace that a path can name, `ns:PATH`. */
async function shared(request: CompletionRequest, hasPath: boolean): Promise<Candidate[]> {
  const { prefix, app } = request;
  if (prefix.startsWith("container:")) return ask(containersOf("running"), request, "container:");
  if (hasPath && prefix.startsWith("ns:"))
    return hostPaths(app.env, prefix.slice("ns:".length), "all", "ns:");
  return offer(hasPath ? ["container:", "ns:"] : ["container:"]);
}

/** Words, or the namespace of another container. */
export function mode(words: readonly string[], hasPath = true): Provider {
  return async (request) => [...offer(words), ...(await shared(request, hasPath))];
}

const USERNS_OPTIONS: Readonly<Record<string, readonly string[]>> = {
  "keep-id:": ["uid=", "gid=", "size="],
  "auto:": ["size=", "uidmapping=", "gidmapping="],
};

/** docker's host, podman's modes with their options. */
export const usernsMode: Provider = async (request) => {
  const cut = cutFirst(request.prefix, ":");
  const known = cut === undefined ? undefined : USERNS_OPTIONS[cut[0]];
  if (cut === undefined || known === undefined) {
    const words = ["host", "keep-id", "auto", "nomap", "private"];
    return [
      ...offer([...words, ...(request.prefix === "" ? [] : ["keep-id:", "auto:"])]),
      ...(await shared(request, true)),
    ];
  }
  return keys(cut[0], cut[1], known);
};

/** Keys of a list with commas, each once. */
function keys(head: string, text: string, words: readonly string[]): Candidate[] {
  const front = text.slice(0, text.lastIndexOf(",") + 1);
  const named = new Set(front.split(",").map((each) => each.replace(/=.*/, "=")));
  if (text.slice(front.length).includes("=")) return [];
  return behind(head + front, offer(words.filter((word) => !named.has(word))));
}

const CONNECTION = [
  "ip=",
  "ip6=",
  "mac=",
  "alias=",
  "interface_name=",
  "gw-priority=",
  "driver-opt=",
  "host-loopback",
];

/** NETWORK[:OPTIONS], docker's name=NETWORK,KEY=VALUE, and what is none of proa's networks. */
export const networkUse: Provider = async (request) => {
  const { prefix } = request;
  if (prefix.startsWith("container:") || prefix.startsWith("ns:")) return shared(request, true);
  const long = /^name=([^,]*)(,?)/.exec(prefix);
  if (long !== null) {
    if (long[2] === "") return ask(networks, request, "name=");
    return keys(
      long[0],
      prefix.slice(long[0].length),
      CONNECTION.map((key) => (key === "mac=" ? "mac-address=" : key)),
    );
  }
  const cut = cutFirst(prefix, ":");
  if (cut !== undefined) return keys(cut[0], cut[1], CONNECTION);
  const others = ["slirp4netns", "pasta", "name="].filter((word) => prefix !== "" || word !== "name=");
  return [...(await networks(request)), ...(await shared(request, true)), ...offer(others)];
};

/** NAME[,OPTION...]. */
export const secretUse: Provider = (request) => {
  const { prefix } = request;
  const head = prefix.slice(0, prefix.indexOf(",") + 1);
  if (head === "") return prefix.startsWith("source=") ? ask(secrets, request, "source=") : secrets(request);
  if (/,type=[^,]*$/.test(prefix)) return behind(prefix.replace(/[^=]*$/, ""), offer(["mount", "env"]));
  return keys(head, prefix.slice(head.length), ["type=", "target=", "uid=", "gid=", "mode="]);
};

/** NAME:ADDRESS. */
export const hostName: Provider = ({ prefix }) => {
  const cut = /^[^:=]+[:=]/.exec(prefix)?.[0];
  return cut === undefined ? [] : offer([`${cut}host-gateway`]);
};

/** Containers, with commas between them. */
export const containerLink: Provider = async (request) =>
  request.prefix.includes(":") ? [] : openWith(":", await containersOf("running")(request));
