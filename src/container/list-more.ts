/** Fields of a listed container that are seldom asked for. */
import { readlinkSync } from "node:fs";
import { type ContainerRow, type Context, imageById } from "../state";

/** `linux/amd64`; "" for one without an image. */
export function platformOf(context: Context, { image_id }: ContainerRow): string {
  const image = image_id === null ? null : imageById(context.db(), image_id);
  return image ? [image.os, image.architecture, image.variant].filter(Boolean).join("/") : "";
}

/** Numbers of a process's namespaces, by their names in /proc; none for the pid 0. */
export function namespacesOf(pid: number): Record<string, string> {
  if (pid === 0) return {};
  return Object.fromEntries(
    ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"].map((name) => {
      try {
        return [name, /\[(\d+)\]/.exec(readlinkSync(`/proc/${pid}/ns/${name}`))?.[1] ?? ""];
      } catch {
        return [name, ""]; // it has just ended
      }
    }),
  );
}
