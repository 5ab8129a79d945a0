/** What is mounted where, from the text of /proc/self/mountinfo (proc_pid_mountinfo(5)). */

export type Mount = { point: string; fileSystem: string; options: readonly string[] };

export function parseMounts(text: string): Mount[] {
  return text.split("\n").flatMap((line) => {
    const [left = "", right = ""] = line.split(" - ");
    const [, , , , point = "", own = ""] = left.split(" ");
    const [fileSystem = "", , whole = ""] = right.split(" ");
    if (point === "" || fileSystem === "") return [];
    return [{ point: unescaped(point), fileSystem, options: [...own.split(","), ...whole.split(",")] }];
  });
}

/** Blanks and backslashes are written in octal. */
function unescaped(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** The mount that holds `path`, an absolute path without links: the one with the longest path, of several in one place the last. */
export function mountOf(mounts: readonly Mount[], path: string): Mount | undefined {
  let best: Mount | undefined;
  for (const mount of mounts) {
    const holds = mount.point === "/" || path === mount.point || path.startsWith(`${mount.point}/`);
    if (holds && mount.point.length >= (best?.point.length ?? 0)) best = mount;
  }
  return best;
}
