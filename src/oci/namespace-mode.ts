/** `PidMode`, `IpcMode`, `UTSMode` and `CgroupnsMode`: docker's words, and podman's `ns:` and `private`. */
import { EngineError } from "../error";

export type NamespaceKind = "pid" | "ipc" | "uts" | "cgroup";

export type NamespaceMode =
  | { kind: "own" }
  | { kind: "host" }
  /** That of another container, by name or id. */
  | { kind: "container"; reference: string }
  /** One that is there, by its path. */
  | { kind: "ns"; path: string }
  /** ipc only: of its own, and without /dev/shm. */
  | { kind: "none" };

/** As docker names them in its errors. */
const shown: Record<NamespaceKind, string> = { pid: "PID", ipc: "IPC", uts: "UTS", cgroup: "CGROUP" };
const flags: Record<NamespaceKind, string> = {
  pid: "--pid",
  ipc: "--ipc",
  uts: "--uts",
  cgroup: "--cgroupns",
};

/** @throws `invalid` */
export function parseNamespace(kind: NamespaceKind, text: string): NamespaceMode {
  const cut = text.indexOf(":");
  const word = cut < 0 ? text : text.slice(0, cut);
  const rest = cut < 0 ? null : text.slice(cut + 1);
  const fail = (): EngineError =>
    new EngineError("invalid", flags[kind], "", `invalid ${shown[kind]} mode`, {
      hint: "known: host, private, container:NAME, ns:/PATH",
    });
  if (rest === null) {
    if (word === "" || word === "private" || (kind === "ipc" && word === "shareable")) return { kind: "own" };
    if (word === "host") return { kind: "host" };
    if (kind === "ipc" && word === "none") return { kind: "none" };
    throw fail();
  }
  if (word === "container" && rest !== "") return { kind: "container", reference: rest };
  if (word === "ns" && rest.startsWith("/")) return { kind: "ns", path: rest };
  throw fail();
}
