/** A text that is longer than the terminal is high, through the user's pager. */
import type { Io } from "./io";

/** Print a text: through $PAGER (less where it is not set) on a terminal that it does not fit on, else as it is. */
export async function printPaged(io: Io, text: string): Promise<void> {
  const { stdin, stdout, env } = io;
  const isLong = stdout.isTTY && stdin.isTTY && text.split("\n").length > (stdout.rows ?? 24);
  const program = env.PAGER ?? (isLong ? usualPager(env) : "");
  if (!isLong || program === "" || program === "cat" || env.TERM === "dumb") {
    stdout.write(text);
    return;
  }
  // less: leave colours as they are, end at once where all fits, and leave the text on the screen
  const child = Bun.spawn(["/bin/sh", "-c", `exec ${program}`], {
    stdin: "pipe",
    stdout: "inherit",
    stderr: "inherit",
    env: { ...env, LESS: env.LESS ?? "FRX" },
  });
  try {
    child.stdin.write(text);
    await child.stdin.end();
  } catch {
    // it was left before its end
  }
  const isMissing = (await child.exited) === 127; // of the shell: no such program
  if (isMissing) stdout.write(text);
}

/** less, or where there is none more, or none. */
function usualPager({ PATH }: Io["env"]): string {
  return ["less", "more"].find((name) => Bun.which(name, PATH === undefined ? {} : { PATH }) !== null) ?? "";
}
