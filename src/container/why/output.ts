/** What the last lines of a log say of a program that could not be found or loaded. */

/** Files that an interpreter could not open: its script. */
export function filesInOutput(lines: readonly string[]): string[] {
  // with the reason behind it: a loader "cannot open shared object file: …", a program its display
  const pattern =
    /can(?:'|no)t open (?:file |perl script )?[‘'"]?([^\s'’":]+)['’"]?: .*(?:no such file|not found|permission denied|is a directory)/i;
  return [...new Set(lines.flatMap((line) => pattern.exec(line.trim())?.[1] ?? []))];
}

/** Names of programs that a shell, `env` or a loader has complained of. */
export function namesInOutput(lines: readonly string[]): string[] {
  const patterns = [
    /(?:^|: )([^\s:'"]+): (?:command )?not found$/, // shells
    /can't execute '([^']+)'/, // busybox env
    /env: [‘'"]?([^'’":]+?)[’'"]?: (?:No such file|Permission denied)/, // coreutils
    /exec:? "?([^"\s:]+)"?: (?:not found|cannot execute|no such file)/i,
    /(?:^|: )(?:line \d+: )?(\/[^\s:]+): (?:Permission denied|No such file or directory|cannot execute|Exec format error|bad interpreter|required file not found)/i,
    /^(\S+): error while loading shared libraries: /, // glibc
    /^Error (?:loading shared library|relocating) .*\(?needed by (\S+?)\)?:?$/, // musl
  ];
  const found = lines.flatMap((line) => patterns.flatMap((pattern) => pattern.exec(line.trim())?.[1] ?? []));
  return [...new Set(found)];
}
