/** What of /proc and /sys is hidden from a container, or cannot be written to. */
import { EngineError } from "../error";

/** Runtime spec, "Default Filesystems", and what Docker masks. */
const MASKED_PATHS = [
  "/proc/asound",
  "/proc/acpi",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
];
const READONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/** `HostConfig`'s lists; null in them means this. */
export type ProtectedPaths = { MaskedPaths: string[] | null; ReadonlyPaths: string[] | null };

/** The lists as they are applied. */
export function appliedPaths(
  { MaskedPaths, ReadonlyPaths }: ProtectedPaths,
  privileged: boolean,
): { masked: string[]; readonly: string[] } {
  return {
    masked: MaskedPaths ?? (privileged ? [] : MASKED_PATHS),
    readonly: ReadonlyPaths ?? (privileged ? [] : READONLY_PATHS),
  };
}

/**
 * What `--security-opt systempaths=unconfined`, `mask=` and `unmask=` make of them; both null where none is given. Throws `invalid` for a path that is
 * relative.
 */
export function protectedPaths(options: readonly string[], privileged: boolean): ProtectedPaths {
  const asked = options.flatMap((option) => {
    const match = /^(mask|unmask|systempaths)[=:](.*)$/s.exec(option);
    return match ? [{ name: match[1], paths: (match[2] ?? "").split(":").filter(Boolean), option }] : [];
  });
  if (asked.length === 0) return { MaskedPaths: null, ReadonlyPaths: null };
  let { masked, readonly } = appliedPaths({ MaskedPaths: null, ReadonlyPaths: null }, privileged);
  for (const { name, paths } of asked) {
    const isAll = name === "systempaths" || paths.some((path) => path.toUpperCase() === "ALL");
    if (name === "mask") continue;
    const globs = paths.map((path) => new Bun.Glob(path));
    const stays = (path: string): boolean => !isAll && !globs.some((glob) => glob.match(path));
    masked = masked.filter(stays);
    readonly = readonly.filter(stays);
  }
  for (const { name, paths, option } of asked) {
    if (name !== "mask") continue;
    const relative = paths.find((path) => !path.startsWith("/"));
    if (relative !== undefined || paths.length === 0)
      throw new EngineError("invalid", "security option", option, "expected mask=/PATH[:/PATH…]");
    masked = [...masked, ...paths.filter((path) => !masked.includes(path))];
  }
  return { MaskedPaths: masked, ReadonlyPaths: readonly };
}

/** Whether cgroups are to be writable: `writable-cgroups`, podman's `unmask=/sys/fs/cgroup` and `unmask=ALL`. */
export function hasWritableCgroups(options: readonly string[]): boolean {
  const said = options.findLast((option) => /^writable-cgroups([=:]|$)/.test(option));
  if (said !== undefined) return !/[=:]false$/.test(said);
  return options.some((option) => {
    const paths = /^unmask[=:](.*)$/s.exec(option)?.[1]?.split(":") ?? [];
    return paths.some(
      (path) => path.toUpperCase() === "ALL" || path === "/sys/fs/cgroup" || path === "/sys/fs/*",
    );
  });
}
