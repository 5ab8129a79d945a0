/** What is left to the user where a program does not look into its directory by itself. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Places } from "./_installation";

type Env = Readonly<Record<string, string | undefined>>;

export function adviceFor(places: Places, env: Env): string[] {
  const lines: string[] = [];
  if (!findsManual(places.manual, env)) {
    lines.push(`man does not look into ${places.manual}`);
    lines.push(`hint: in your shell's start-up file: export MANPATH="${places.manual}:"`);
  }
  const usual = ["/usr/local/share/zsh/site-functions", "/usr/share/zsh/site-functions"];
  if (Bun.which("zsh") !== null && !usual.includes(places.zsh) && !isInFpath(places.zsh, env)) {
    lines.push(`zsh does not look into ${places.zsh}`);
    lines.push(`hint: in ~/.zshrc, before compinit: fpath=(${places.zsh} $fpath)`);
  }
  if (Bun.which("bash") !== null && !existsSync("/usr/share/bash-completion/bash_completion")) {
    lines.push("bash loads completions by itself only with the package bash-completion");
    lines.push("hint: in ~/.bashrc: source <(proa completion bash)");
  }
  return lines;
}

/** man-db looks beside every directory of PATH: for X/bin into X/share/man and X/man (manpath(1)). */
function findsManual(manual: string, env: Env): boolean {
  const listed = (env.MANPATH ?? "").split(":");
  if (listed.includes(manual)) return true;
  if (manual === "/usr/local/share/man" || manual === "/usr/share/man") return true;
  return (env.PATH ?? "").split(":").some((each) => join(dirname(each), "share/man") === manual);
}

/** zsh keeps its list to itself, unless the user exports it. */
function isInFpath(directory: string, env: Env): boolean {
  return (env.FPATH ?? "").split(":").includes(directory);
}
