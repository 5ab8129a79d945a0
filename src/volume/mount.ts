/** Volumes for who works in `proa unshare`, the user namespace that owns their files. */
import { readFileSync } from "node:fs";
import { EngineError } from "../error";
import { callHelper, isUnshared, mountTmpfs, umount } from "../helper";
import type { Context, Volume } from "../state";
import { kindOf } from "./options";
import { mountpointOf } from "./places";

function checkUnshared(what: string, name: string): void {
  if (isUnshared()) return;
  throw new EngineError(
    "unsupported",
    `${what} volume`,
    name,
    "it is mounted in the user namespace that owns its files",
    {
      exitCode: 1,
      hint: `proa unshare proa volume ${what} ${name}`,
    },
  );
}

/** See to it that the files of the volume are at its mountpoint, and return that. A directory of its own is there in any case. */
export async function mountVolume(context: Context, volume: Volume): Promise<string> {
  checkUnshared("mount", volume.name);
  const target = mountpointOf(context, volume.name);
  const kind = kindOf(volume.options);
  if (kind.kind === "directory" || isMounted(target)) return target;
  if (kind.kind === "tmpfs") {
    mountTmpfs(target, kind.options.filter((option) => option.includes("=")).join(","));
  } else {
    const rootfs = { driver: "plain" as const, path: kind.source };
    await callHelper(context.paths.cache, "mount-root", {
      rootfs,
      target,
      readonly: kind.options.includes("ro"),
    });
  }
  return target;
}

export function unmountVolume(context: Context, volume: Volume): void {
  checkUnshared("unmount", volume.name);
  const target = mountpointOf(context, volume.name);
  if (!isMounted(target)) return;
  try {
    umount(target, false);
  } catch (error) {
    throw new EngineError("in-use", "unmount volume", volume.name, error, { exitCode: 1 });
  }
}

/** Names of volumes need no quoting in mountinfo, but the way to them may: proc_pid_mountinfo(5). */
function isMounted(target: string): boolean {
  const plain = (field: string) =>
    field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .some((line) => plain(line.split(" ")[4] ?? "") === target);
}
