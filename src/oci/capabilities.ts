/** Linux capabilities as Docker grants them. */
import { EngineError } from "../error";

/** capabilities(7), in the kernel's order. */
export const ALL_CAPABILITIES = [
  "CHOWN",
  "DAC_OVERRIDE",
  "DAC_READ_SEARCH",
  "FOWNER",
  "FSETID",
  "KILL",
  "SETGID",
  "SETUID",
  "SETPCAP",
  "LINUX_IMMUTABLE",
  "NET_BIND_SERVICE",
  "NET_BROADCAST",
  "NET_ADMIN",
  "NET_RAW",
  "IPC_LOCK",
  "IPC_OWNER",
  "SYS_MODULE",
  "SYS_RAWIO",
  "SYS_CHROOT",
  "SYS_PTRACE",
  "SYS_PACCT",
  "SYS_ADMIN",
  "SYS_BOOT",
  "SYS_NICE",
  "SYS_RESOURCE",
  "SYS_TIME",
  "SYS_TTY_CONFIG",
  "MKNOD",
  "LEASE",
  "AUDIT_WRITE",
  "AUDIT_CONTROL",
  "SETFCAP",
  "MAC_OVERRIDE",
  "MAC_ADMIN",
  "SYSLOG",
  "WAKE_ALARM",
  "BLOCK_SUSPEND",
  "AUDIT_READ",
  "PERFMON",
  "BPF",
  "CHECKPOINT_RESTORE",
] as const;

/** What a container gets without being asked, as Docker's default. */
const DEFAULT = [
  "CHOWN",
  "DAC_OVERRIDE",
  "FSETID",
  "FOWNER",
  "MKNOD",
  "NET_RAW",
  "SETGID",
  "SETUID",
  "SETFCAP",
  "SETPCAP",
  "NET_BIND_SERVICE",
  "SYS_CHROOT",
  "KILL",
  "AUDIT_WRITE",
];

/** `NET_ADMIN`, `net_admin` and `CAP_NET_ADMIN` are one name. Throws `invalid` for a name that no kernel has. */
export function capabilityName(text: string): string {
  const name = text.toUpperCase().replace(/^CAP_/, "");
  if (name !== "ALL" && !(ALL_CAPABILITIES as readonly string[]).includes(name)) {
    throw new EngineError("invalid", "capability", text, "no such capability");
  }
  return name;
}

/**
 * The capabilities of a container, as `CAP_…`, in the kernel's order. `ALL` in drop starts from nothing, `ALL` in add from everything;
 * then the named ones are added and dropped.
 */
export function grantedCapabilities(add: string[], drop: string[], privileged: boolean): string[] {
  const added = add.map(capabilityName);
  const dropped = drop.map(capabilityName);
  const everything = privileged || added.includes("ALL");
  const start: readonly string[] = everything ? ALL_CAPABILITIES : dropped.includes("ALL") ? [] : DEFAULT;
  const granted = new Set<string>(start);
  for (const name of added) granted.add(name);
  for (const name of dropped) granted.delete(name);
  return ALL_CAPABILITIES.filter((name) => granted.has(name)).map((name) => `CAP_${name}`);
}
