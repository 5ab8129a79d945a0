/** `HostConfig.NetworkMode`: docker's words, podman's `ns:`, `slirp4netns` and `pasta`, or the name of a network. */
import { EngineError } from "../error";

export type NetworkMode =
  /** Not asked for: the default network, or what takes its place where that cannot work. */
  | { kind: "default" }
  /** On networks of proa's own; NETWORK is the first one's name or id. */
  | { kind: "bridge"; network: string }
  | { kind: "none" | "host" }
  /** That of another container, by name or id. */
  | { kind: "container"; reference: string }
  /** A network namespace that is there, by its path. */
  | { kind: "ns"; path: string }
  | { kind: "slirp4netns" | "pasta"; options: string[] };

/** Is it on networks of proa's own, or would be where that can work? */
export function isBridged(mode: NetworkMode): mode is Extract<NetworkMode, { kind: "default" | "bridge" }> {
  return mode.kind === "default" || mode.kind === "bridge";
}

/** @throws `invalid` */
export function parseNetworkMode(text: string): NetworkMode {
  const cut = text.indexOf(":");
  const word = cut < 0 ? text : text.slice(0, cut);
  const rest = cut < 0 ? "" : text.slice(cut + 1);
  const fail = (why: string): EngineError => new EngineError("invalid", "network", text, why);
  switch (word) {
    case "":
    case "default":
      return { kind: "default" };
    case "none":
    case "host":
      if (cut >= 0) throw fail(`"${word}" takes no options`);
      return { kind: word };
    case "container":
      if (rest === "") throw fail("expected container:NAME");
      return { kind: "container", reference: rest };
    case "ns":
      if (!rest.startsWith("/")) throw fail("expected ns:/PATH of a network namespace");
      return { kind: "ns", path: rest };
    case "slirp4netns":
    case "pasta":
      return { kind: word, options: rest === "" ? [] : rest.split(",") };
    case "private": // podman's word
      if (cut >= 0) throw fail(`"${word}" takes no options`);
      return { kind: "bridge", network: "bridge" };
    default:
      return { kind: "bridge", network: text };
  }
}
