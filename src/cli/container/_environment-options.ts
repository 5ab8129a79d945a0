/** The environment of a new container: what is given, what is taken from here, and what is taken away. */
import { existsSync, readFileSync } from "node:fs";
import type { EnvironmentRules } from "../../container";
import { EngineError } from "../../error";
import type { Args, Values } from "../tree";
import { environmentFrom } from "./_process-options";

export const environmentArgs = {
  env: {
    type: "string",
    alias: "e",
    multiple: true,
    valueHint: "NAME[=VALUE]",
    value: "environment",
    description: "Set an environment variable",
    details: "Without a value it is taken from proa's own environment; NAME* takes all that begin so.",
  },
  "env-file": {
    type: "string",
    multiple: true,
    valueHint: "FILE",
    value: "file",
    description: "Read environment variables from a file",
    details: "A line each, NAME=VALUE or NAME; the value is taken as it stands, with quotes and blanks.",
  },
  "env-host": {
    type: "boolean",
    description: "Take over proa's own environment, below what the image says",
  },
  "env-merge": {
    type: "string",
    multiple: true,
    valueHint: "NAME=VALUE",
    value: "none",
    description: "Set a variable from the image's own: $NAME in the value is what the image has",
  },
  unsetenv: {
    type: "string",
    multiple: true,
    valueHint: "NAME",
    value: "environment",
    description: "Take away a variable that the image, or proa, would set",
  },
  "unsetenv-all": {
    type: "boolean",
    description: "Take away all variables that the image, or proa, would set",
  },
  "http-proxy": {
    type: "boolean",
    default: true,
    description:
      "Pass the proxies of proa's own environment, and of docker's config.json, on to the container",
  },
} as const satisfies Args;

type EnvironmentValues = Values<typeof environmentArgs>;
type HostEnvironment = Readonly<Record<string, string | undefined>>;

/** The user's own variables: those of the files, then the single ones. Throws `invalid`. */
export function ownEnvironmentFrom(args: EnvironmentValues, env: HostEnvironment): string[] {
  return environmentFrom(args["env-file"], args.env, env);
}

/** What else happens to the image's variables; null where nothing does. Throws `invalid`. */
export function environmentRulesFrom(args: EnvironmentValues, env: HostEnvironment): EnvironmentRules | null {
  const rules: EnvironmentRules = {
    below: [...(args["env-host"] ? hostLines(env) : []), ...(args["http-proxy"] ? proxiesFrom(env) : [])],
    merge: args["env-merge"].map(mergeOf),
    unset: args.unsetenv,
    unsetAll: args["unsetenv-all"],
  };
  const isPlain = rules.below.length + rules.merge.length + rules.unset.length === 0 && !rules.unsetAll;
  return isPlain ? null : rules;
}

function hostLines(env: HostEnvironment): string[] {
  return Object.entries(env).flatMap(([name, value]) =>
    value === undefined || value.includes("\uFFFD") ? [] : [`${name}=${value}`],
  );
}

function mergeOf(line: string): [string, string] {
  const cut = line.indexOf("=");
  if (cut > 0) return [line.slice(0, cut), line.slice(cut + 1)];
  throw new EngineError("invalid", "env-merge", JSON.stringify(line), "expected NAME=VALUE");
}

const PROXIES = ["http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"];

/** What docker's config.json calls them. */
const DOCKER_PROXIES = {
  http: "httpProxy",
  https: "httpsProxy",
  ftp: "ftpProxy",
  no: "noProxy",
  all: "allProxy",
};

/** docker's file first: the environment of the moment wins. */
function proxiesFrom(env: HostEnvironment): string[] {
  const lines = dockerProxies(env);
  for (const lower of PROXIES) {
    for (const name of [lower, lower.toUpperCase()]) {
      const value = env[name];
      if (value) lines.push(`${name}=${value}`);
    }
  }
  return lines;
}

/** `proxies.default` of docker's config.json, under both spellings of each name. A file that cannot be read says nothing. */
function dockerProxies(env: HostEnvironment): string[] {
  const directory = env.DOCKER_CONFIG || (env.HOME ? `${env.HOME}/.docker` : "");
  if (directory === "") return [];
  if (!existsSync(`${directory}/config.json`)) return []; // as nearly always
  let proxies: Record<string, unknown>;
  try {
    const text = readFileSync(`${directory}/config.json`, "utf8");
    if (!text.includes('"proxies"')) return [];
    proxies =
      (JSON.parse(text) as { proxies?: { default?: Record<string, unknown> } }).proxies?.default ?? {};
  } catch {
    return [];
  }
  return Object.entries(DOCKER_PROXIES).flatMap(([scheme, key]) => {
    const value = proxies[key];
    if (typeof value !== "string" || value === "") return [];
    return [`${scheme.toUpperCase()}_PROXY=${value}`, `${scheme}_proxy=${value}`];
  });
}
