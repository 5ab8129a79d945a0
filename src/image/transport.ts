import { EngineError } from "../error";

/**
 * `[transport:]name`, the form in which podman and skopeo name images (containers-transports(5)). Without a transport a name means a
 * registry's image; so does `docker://`.
 */

export type LocalKind = "docker-archive" | "oci-archive" | "oci" | "dir";

export type LocalTransport = {
  kind: LocalKind;
  /** File or directory, as it was typed. */
  path: string;
  /** Behind the path: the name of one image among several, or `@N`, its place in the archive; undefined: not said. */
  reference: string | undefined;
};

export type Transport = { kind: "docker"; name: string } | LocalTransport;

const refused: Readonly<Record<string, string>> = {
  "docker-daemon":
    "proa does not talk to a Docker daemon: use `docker save NAME | proa load`, or `proa save NAME | docker load`",
  "containers-storage":
    "podman's own store has another form: use `podman save NAME | proa load`, or `proa save NAME | podman load`",
  ostree: "OSTree repositories are not supported",
  sif: "SIF images are not supported",
  tarball: "use `proa import FILE`",
};

const form = /^(docker-archive|oci-archive|oci|dir|docker-daemon|containers-storage|ostree|sif|tarball):/;

/** Whether TEXT begins with the name of a transport. No registry's image has such a name. */
export function hasTransport(text: string): boolean {
  return text.startsWith("docker://") || form.test(text);
}

/**
 * TEXT taken apart. What has no transport comes back as `docker`, its name unread.
 *
 * @throws EngineError `unsupported` for transports that lead to other engines, `invalid` where the path is missing
 */
export function parseTransport(text: string): Transport {
  if (text.startsWith("docker://")) return { kind: "docker", name: text.slice("docker://".length) };
  const kind = form.exec(text)?.[1];
  if (kind === undefined) return { kind: "docker", name: text };
  const why = Object.hasOwn(refused, kind) ? refused[kind] : undefined;
  if (why !== undefined) throw new EngineError("unsupported", "transport", kind, why);
  const rest = text.slice(kind.length + 1);
  const [path, reference] = kind === "dir" ? [rest, undefined] : cutPath(rest);
  if (path === "") throw new EngineError("invalid", "transport", text, `write ${kind}:PATH`);
  return { kind: kind as LocalKind, path, reference };
}

/** A path ends at its first colon, as in podman: what follows names an image. */
function cutPath(text: string): [string, string | undefined] {
  const colon = text.indexOf(":");
  if (colon < 0) return [text, undefined];
  const reference = text.slice(colon + 1);
  return [text.slice(0, colon), reference === "" ? undefined : reference];
}
