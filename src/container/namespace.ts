/** `--network ns:PATH`: a network namespace that somebody has made. */
import { statSync } from "node:fs";
import { EngineError } from "../error";
import type { NetworkNamespace } from "../oci";

/** @throws `not-found`, `invalid` */
export function namespaceAt(path: string, uid: number): NetworkNamespace {
  const own = statSync("/proc/self/ns/net");
  const at = statOf(path);
  if (at.dev !== own.dev)
    throw new EngineError("invalid", "join network namespace", path, "it is no namespace");
  if (at.ino === own.ino) return { kind: "host" };
  // Who is root out here has the rights already. Others have them in the user namespace that owns it, if it is theirs: the helper finds that out.
  return { kind: "joined", path, user: uid === 0 ? null : path };
}

function statOf(path: string) {
  try {
    return statSync(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new EngineError(code === "ENOENT" ? "not-found" : "io", "join network namespace", path, error);
  }
}
