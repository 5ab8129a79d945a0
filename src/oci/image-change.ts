/** Instructions of a Dockerfile that change an image's config alone: what `commit --change` takes. */
import { EngineError } from "../error";
import { parseExposed } from "./ports";

/** `config` of an image's config document (OCI image spec, config.md; Docker's names). */
export type ConfigDocument = {
  User?: string;
  ExposedPorts?: Record<string, Record<string, never>>;
  Env?: string[];
  Entrypoint?: string[] | null;
  Cmd?: string[] | null;
  Volumes?: Record<string, Record<string, never>>;
  WorkingDir?: string;
  Labels?: Record<string, string>;
  StopSignal?: string;
  Healthcheck?: Record<string, unknown>;
  Shell?: string[];
  OnBuild?: string[];
};

type Change = (config: ConfigDocument, text: string, state: { isCmdSet: boolean }) => void;

const fail = (instruction: string, why: string): EngineError =>
  new EngineError("invalid", "change", instruction, why, { exitCode: 1 });

const changes: Record<string, Change> = {
  CMD(config, text, state) {
    config.Cmd = programOf(config, text);
    state.isCmdSet = true;
  },
  ENTRYPOINT(config, text, state) {
    config.Entrypoint = programOf(config, text);
    if (!state.isCmdSet) config.Cmd = null; // the old command was meant for the old entrypoint
  },
  ENV(config, text) {
    for (const [name, value] of pairsOf("ENV", text, expander(config))) {
      const others = (config.Env ?? []).filter((line) => !line.startsWith(`${name}=`));
      config.Env = [...others, `${name}=${value}`];
    }
  },
  EXPOSE(config, text) {
    const ports = wordsOf(text, expander(config)).flatMap((port) => parseExposed(port));
    config.ExposedPorts = { ...config.ExposedPorts, ...Object.fromEntries(ports.map((port) => [port, {}])) };
  },
  LABEL(config, text) {
    config.Labels = { ...config.Labels, ...Object.fromEntries(pairsOf("LABEL", text, expander(config))) };
  },
  ONBUILD(config, text) {
    const [first = ""] = text.split(/\s/, 1);
    if (/^(ONBUILD|FROM|MAINTAINER)$/i.test(first))
      throw fail("ONBUILD", `${first.toUpperCase()} is not allowed in it`);
    config.OnBuild = [...(config.OnBuild ?? []), text];
  },
  USER(config, text) {
    config.User = onlyWord("USER", text, expander(config));
  },
  VOLUME(config, text) {
    const paths = listOf(text) ?? wordsOf(text, expander(config));
    config.Volumes = { ...config.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}])) };
  },
  WORKDIR(config, text) {
    const path = unquoted(text, expander(config));
    config.WorkingDir = joinPath(config.WorkingDir ?? "/", path);
  },
  STOPSIGNAL(config, text) {
    config.StopSignal = onlyWord("STOPSIGNAL", text, expander(config));
  },
  HEALTHCHECK(config, text) {
    config.Healthcheck = healthcheckOf(text);
  },
};

/** The config with the instructions applied in their order. Throws `invalid`. */
export function changedConfig(config: ConfigDocument, instructions: readonly string[]): ConfigDocument {
  const changed = { ...config };
  const state = { isCmdSet: false };
  for (const instruction of instructions) {
    const [, word = "", text = ""] = /^\s*([A-Za-z]+)(?:\s*=\s*|\s+)([\s\S]*?)\s*$/.exec(instruction) ?? [];
    const name = word.toUpperCase();
    const change = Object.hasOwn(changes, name) ? changes[name] : undefined;
    if (change === undefined) throw fail(instruction, `${name || "this"} is not a valid change command`);
    if (text === "" && !/^(CMD|ENTRYPOINT)$/.test(name))
      throw fail(instruction, `${name} requires at least one argument`);
    change(changed, text, state);
  }
  return changed;
}

/** A JSON list of strings, or null where it is something else: then it is words, or for a shell. */
function listOf(text: string): string[] | null {
  if (!text.startsWith("[")) return null;
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) && list.every((each) => typeof each === "string") ? list : null;
  } catch {
    return null;
  }
}

function programOf(config: ConfigDocument, text: string): string[] | null {
  const list = listOf(text);
  if (list !== null) return list.length > 0 ? list : null;
  return text === "" ? null : [...(config.Shell ?? ["/bin/sh", "-c"]), text];
}

type Expand = (name: string) => string;

function expander(config: ConfigDocument): Expand {
  return (name) => {
    const line = config.Env?.findLast((each) => each.startsWith(`${name}=`));
    return line === undefined ? "" : line.slice(name.length + 1);
  };
}

/** Words as a shell parts them: quotes, backslashes, and variables of the image outside of single quotes. */
function wordsOf(text: string, expand: Expand): string[] {
  return rawWords(text).map((word) => unquoted(word, expand));
}

function rawWords(text: string): string[] {
  const words: string[] = [];
  let word = "";
  let quote = "";
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (quote === "" && /\s/.test(char)) {
      if (word !== "") words.push(word);
      word = "";
      continue;
    }
    if (char === "\\" && quote !== "'") {
      word += char + text.charAt(++at);
      continue;
    }
    if (char === quote) quote = "";
    else if (quote === "" && (char === "'" || char === '"')) quote = char;
    word += char;
  }
  if (word !== "") words.push(word);
  return words;
}

function unquoted(word: string, expand: Expand): string {
  let out = "";
  let quote = "";
  for (let at = 0; at < word.length; at++) {
    const char = word.charAt(at);
    if (char === quote) quote = "";
    else if (quote === "" && (char === "'" || char === '"')) quote = char;
    else if (char === "\\" && quote !== "'") out += word.charAt(++at);
    else if (char === "$" && quote !== "'") {
      const [whole = "", braced, plain] =
        /^\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))/.exec(word.slice(at)) ?? [];
      if (whole === "") out += char;
      else {
        out += expand(braced ?? plain ?? "");
        at += whole.length - 1;
      }
    } else out += char;
  }
  return out;
}

/** `a=1 b="2 3"`, or the old form `a 1 and all the rest`. */
function pairsOf(instruction: string, text: string, expand: Expand): [string, string][] {
  const words = rawWords(text);
  const [first = ""] = words;
  if (!/^[^'"\\=]*=|^["'][^=]*["']=/.test(first)) {
    const [, name = "", value = ""] = /^(\S+)\s+([\s\S]+)$/.exec(text) ?? [];
    if (name === "") throw fail(`${instruction} ${text}`, "expected KEY=VALUE");
    return [[unquoted(name, expand), unquoted(value, expand)]];
  }
  return words.map((word) => {
    const plain = unquoted(word, expand);
    const cut = plain.indexOf("=");
    if (cut <= 0) throw fail(`${instruction} ${text}`, `"${plain}" is not KEY=VALUE`);
    return [plain.slice(0, cut), plain.slice(cut + 1)];
  });
}

function onlyWord(instruction: string, text: string, expand: Expand): string {
  const words = wordsOf(text, expand);
  if (words.length !== 1) throw fail(`${instruction} ${text}`, "requires exactly one argument");
  return words[0] ?? "";
}

function joinPath(base: string, path: string): string {
  const parts: string[] = [];
  for (const part of `${path.startsWith("/") ? "" : base}/${path}`.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

const UNITS: Record<string, number> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

/** Go's durations ("1m30s") in nanoseconds. */
function nanoseconds(option: string, text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)];
  if (parts.length === 0 || parts.map(([whole]) => whole).join("") !== text) {
    throw fail(`HEALTHCHECK ${option}=${text}`, "not a duration, as 30s or 1m30s");
  }
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * (UNITS[unit ?? ""] ?? 0), 0);
}

const TIMES: Record<string, string> = {
  "--interval": "Interval",
  "--timeout": "Timeout",
  "--start-period": "StartPeriod",
  "--start-interval": "StartInterval",
};

function healthcheckOf(text: string): Record<string, unknown> {
  const check: Record<string, unknown> = {};
  let rest = text;
  for (
    let option = /^(--[a-z-]+)=(\S+)\s+/.exec(rest);
    option !== null;
    option = /^(--[a-z-]+)=(\S+)\s+/.exec(rest)
  ) {
    const [whole, name = "", value = ""] = option;
    const field = TIMES[name];
    if (field !== undefined) check[field] = nanoseconds(name, value);
    else if (name === "--retries" && /^\d+$/.test(value)) check["Retries"] = Number(value);
    else throw fail(`HEALTHCHECK ${name}=${value}`, "unknown, or not a number");
    rest = rest.slice(whole.length);
  }
  if (/^NONE$/i.test(rest)) return { Test: ["NONE"] };
  const [, command = ""] = /^CMD\s+([\s\S]+)$/i.exec(rest) ?? [];
  if (command === "") throw fail(`HEALTHCHECK ${text}`, "expected NONE, or CMD and a command");
  const list = listOf(command);
  check["Test"] = list === null ? ["CMD-SHELL", command] : ["CMD", ...list];
  return check;
}
