/** Real shells on a terminal of their own, at whose prompt Tab is pressed. */
import { chmodSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Engine, type Pty, proaPath, startPty } from "../../harness";

export type Shell = "bash" | "zsh" | "fish";

/** How a shell is set up: `bash+` is bash with Debian's bash-completion. */
export type Setup = Shell | "bash+";

const BASH_COMPLETION = "/usr/share/bash-completion/bash_completion";

const folder = resolve(import.meta.dir, "../../../completions");
export const scripts: Record<Shell, string> = {
  bash: join(folder, "proa.bash"),
  zsh: join(folder, "_proa"),
  fish: join(folder, "proa.fish"),
};

const commands: Record<Shell, string[]> = {
  bash: ["bash", "--norc", "--noprofile", "-i"],
  zsh: ["zsh", "-f", "-i"],
  fish: ["fish", "--no-config", "-i"],
};

/** Null where the shell is here, otherwise what is missing. */
export function shellMissing(setup: Setup): string | null {
  const shell = shellOf(setup);
  if (Bun.which(shell) === null) return `needs ${shell}`;
  return setup === "bash+" && !existsSync(BASH_COMPLETION) ? "needs bash-completion" : null;
}

export const shellOf = (setup: Setup): Shell => (setup === "bash+" ? "bash" : setup);

/** Completion as it is in a session that has loaded the script. */
const prepare: Record<Setup, string> = {
  bash: `source ${scripts.bash}`,
  "bash+": `source ${BASH_COMPLETION}; source ${scripts.bash}`,
  zsh: `autoload -U compinit; compinit -u -D; source ${scripts.zsh}`,
  fish: `source ${scripts.fish}`,
};

export type Session = {
  readonly terminal: Pty;
  readonly home: string;
  /** Run a line, and wait for its end. */
  run(line: string): Promise<void>;
  /**
   * Type, press Tab, and let the shell say what words the line has then: a list ended by "@", which is glued to the last word where
   * no blank was put behind it. `keys` are pressed between the typing and the Tab, `behind` after it and in place of the "@".
   */
  words(typed: string, options?: { keys?: string; behind?: string }): Promise<string[]>;
  /** Type and press Tab until the shell lists what there is; the screen from there until all of `shown` are on it. */
  list(typed: string, shown: readonly string[]): Promise<string>;
};

const TO_START = "\x01";
const TO_END = "\x05";
const CLEAR = "\x05\x15"; // to the end of the line, and away with all in front

/** @param script what is run first; completion of proa without one */
export async function startShell(engine: Engine, setup: Setup, script = prepare[setup]): Promise<Session> {
  const shell = shellOf(setup);
  const home = join(engine.sandbox.directory, `${setup}-${Bun.nanoseconds()}`);
  mkdirSync(join(home, "bin"), { recursive: true });
  symlinkSync(proaPath, join(home, "bin/proa"));
  writeFileSync(join(home, "environment-file"), "");
  mkdirSync(join(home, "my dir"));
  writeFileSync(join(home, "my dir/a file"), "");
  writeFileSync(join(home, "größe"), "");
  writeFileSync(join(home, "my dir/program"), "#!/bin/sh\n");
  chmodSync(join(home, "my dir/program"), 0o755);
  const terminal = startPty(commands[shell], {
    env: {
      ...engine.sandbox.env,
      HOME: home,
      PATH: `${join(home, "bin")}:${process.env["PATH"] ?? "/usr/bin:/bin"}`,
      TERM: "xterm",
      PS1: "$ ",
      fish_greeting: "",
    },
    cwd: home,
    cols: 200,
    rows: 50,
  });
  const session: Session = {
    terminal,
    home,
    async run(line) {
      terminal.write(`${line}; echo rea''dy\r`);
      await terminal.waitFor("ready\r\n");
    },
    async words(typed, { keys = "", behind = "@" } = {}) {
      // Each line is completed, then printed by printf, so that how the screen is redrawn does not matter. Shells take their
      // keys one after the other: what is typed behind the Tab waits until it has done its work.
      terminal.write(`${typed}${keys}\t`);
      terminal.write(`${behind}${TO_START}printf '<%s>' ${TO_END}; echo\r`);
      const shown = await terminal.waitFor(/<(proa|docker|\.\/bin\/proa)>(<[^>\r\n]*>)*\r\n/);
      return [...shown.matchAll(/<([^>]*)>/g)].map(([, word = ""]) => word);
    },
    async list(typed, shown) {
      terminal.write(shell === "bash" ? `${typed}\t\t` : `${typed}\t`);
      let screen = "";
      for (let left = [...shown]; left.length > 0; left = left.filter((each) => !screen.includes(each)))
        screen += await terminal.waitFor(new RegExp(`[^]*?(?:${left.map(escaped).join("|")})`));
      terminal.write(shell === "fish" ? `\x1b${CLEAR}` : CLEAR);
      await session.run("true");
      return screen;
    },
  };
  await session.run(script);
  return session;
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
