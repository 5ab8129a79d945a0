/** Log drivers: which there are, the options of each, and what they say. No I/O. */
import { EngineError } from "../error";
import { parseBytes } from "./bytes";

export type LogConfig = { Type: string; Config: Record<string, string> };

const sizes = ["max-size", "max-file", "compress"];
const tags = ["tag", "labels", "labels-regex", "env", "env-regex"];
const delivery = ["mode", "max-buffer-size"];

/** The options that each driver knows. `path` is podman's. */
const optionsOf: Record<string, readonly string[]> = {
  "json-file": [...sizes, ...tags, ...delivery, "path"],
  local: [...sizes, ...delivery],
  "k8s-file": ["max-size", "max-file", ...delivery, "path"],
  journald: [...tags, ...delivery],
  none: [],
  passthrough: [],
  "passthrough-tty": [],
};

export const logDrivers: readonly string[] = Object.keys(optionsOf);

/** The options of a driver; without one, all there are. */
export function logOptionNames(driver?: string): readonly string[] {
  if (driver !== undefined) return Object.hasOwn(optionsOf, driver) ? (optionsOf[driver] ?? []) : [];
  return [...new Set(Object.values(optionsOf).flat())];
}

/** What docker and podman know beside those. */
const elsewhere: Record<string, string> = {
  syslog: "proa sends no logs over the network: journald hands on to a syslog where there is one",
  fluentd: "proa sends no logs over the network",
  gelf: "proa sends no logs over the network",
  awslogs: "proa sends no logs over the network",
  splunk: "proa sends no logs over the network",
  gcplogs: "proa sends no logs over the network",
  logentries: "proa sends no logs over the network",
  etwlogs: "it is Windows' event log",
};

export const MAX_FILES = 1000;

/** What a store of files is limited to. `maxBytes` 0: no limit. */
export type LogLimits = { maxBytes: number; maxFiles: number; compress: boolean };

const LOCAL_LIMITS: LogLimits = { maxBytes: 20 << 20, maxFiles: 5, compress: true }; // docker's

/** Check driver and options. Throws `invalid`, `unsupported`. */
export function checkLogConfig({ Type, Config }: LogConfig): void {
  const known = optionsOf[Type];
  if (known === undefined) {
    const why = elsewhere[Type];
    if (why !== undefined)
      throw new EngineError("unsupported", "log driver", Type, why, { hint: hintOfDrivers });
    throw new EngineError("invalid", "log driver", JSON.stringify(Type), "no such driver", {
      hint: hintOfDrivers,
    });
  }
  const names = Object.keys(Config);
  if (known.length === 0 && names.length > 0)
    throw new EngineError(
      "invalid",
      "log option",
      names.join(", "),
      `invalid logging opts for driver ${Type}`,
    );
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new EngineError(
      "invalid",
      "log option",
      unknown,
      `unknown log opt '${unknown}' for ${Type} log driver`,
      {
        hint: `known: ${known.join(", ")}`,
      },
    );
  }
  logLimits({ Type, Config });
  checkDelivery(Config);
  for (const name of ["labels-regex", "env-regex"]) patternOf(name, Config[name]);
  if (Config.path !== undefined && !Config.path.startsWith("/"))
    throw new EngineError("invalid", "log option path", Config.path, "expected an absolute path");
  if (Config.tag !== undefined) renderTag(Config.tag, (name) => name);
}

const hintOfDrivers = `drivers: ${Object.keys(optionsOf).join(", ")}`;

function checkDelivery(config: Record<string, string>): void {
  const { mode, "max-buffer-size": size } = config;
  if (mode !== undefined && !["", "blocking", "non-blocking"].includes(mode))
    throw new EngineError("invalid", "log option mode", mode, `logging mode not supported: ${mode}`);
  if (size === undefined) return;
  if (mode !== "non-blocking")
    throw new EngineError(
      "invalid",
      "log option max-buffer-size",
      size,
      "max-buffer-size option is only supported with 'mode=non-blocking'",
    );
  parseBytes("log option max-buffer-size", size);
}

/** How large the files of a log become, and how many there are. Throws `invalid`. */
export function logLimits({ Type, Config }: LogConfig): LogLimits {
  const usual = Type === "local" ? LOCAL_LIMITS : { maxBytes: 0, maxFiles: 1, compress: false };
  const { "max-size": size, "max-file": files, compress } = Config;
  const limits = {
    // docker's -1 is "no limit"
    maxBytes:
      size === undefined ? usual.maxBytes : size === "-1" ? 0 : parseBytes("log option max-size", size),
    maxFiles: files === undefined ? usual.maxFiles : Number(files),
    compress: compress === undefined ? usual.compress : booleanOf("compress", compress),
  };
  const refuse = (name: string, value: string | undefined, why: string) =>
    new EngineError("invalid", `log option ${name}`, String(value), why);
  if (size !== undefined && size !== "-1" && limits.maxBytes === 0)
    throw refuse("max-size", size, "max-size should be a positive number");
  if (files !== undefined && !/^\d+$/.test(files)) throw refuse("max-file", files, "expected a number");
  if (limits.maxFiles < 1) throw refuse("max-file", files, "max-file cannot be less than 1");
  if (limits.maxFiles > MAX_FILES) throw refuse("max-file", files, `${MAX_FILES} at most`);
  const rotates = limits.maxFiles > 1 && limits.maxBytes > 0;
  if (compress !== undefined && limits.compress && !rotates) {
    const why = "compress cannot be true when max-file is less than 2 or max-size is not set";
    throw refuse("compress", compress, why);
  }
  return { ...limits, compress: limits.compress && rotates };
}

/** Words that Go's strconv.ParseBool takes. */
function booleanOf(name: string, text: string): boolean {
  if (["1", "t", "T", "true", "TRUE", "True"].includes(text)) return true;
  if (["0", "f", "F", "false", "FALSE", "False"].includes(text)) return false;
  throw new EngineError("invalid", `log option ${name}`, text, "expected true or false");
}

function patternOf(name: string, text: string | undefined): RegExp | null {
  if (text === undefined || text === "") return null;
  try {
    return new RegExp(text);
  } catch (error) {
    throw new EngineError("invalid", `log option ${name}`, text, error);
  }
}

/** Labels and variables that the options name, as they stand in the log. */
export function logAttributes(
  config: Record<string, string>,
  labels: Record<string, string>,
  env: readonly string[],
): Record<string, string> {
  const variables = Object.fromEntries(
    env.map((line) => {
      const cut = line.indexOf("=");
      return cut < 0 ? [line, ""] : [line.slice(0, cut), line.slice(cut + 1)];
    }),
  );
  const found: Record<string, string> = {};
  const take = (all: Record<string, string>, names: string | undefined, pattern: RegExp | null): void => {
    for (const name of names?.split(",") ?? [])
      if (Object.hasOwn(all, name)) found[name] = all[name] as string;
    if (pattern) for (const [name, value] of Object.entries(all)) if (pattern.test(name)) found[name] = value;
  };
  take(labels, config.labels, patternOf("labels-regex", config["labels-regex"]));
  take(variables, config.env, patternOf("env-regex", config["env-regex"]));
  return found;
}

/** What a tag can be made of; docker's names. */
const tagFields = [
  "ID",
  "FullID",
  "Name",
  "ImageID",
  "ImageFullID",
  "ImageName",
  "DaemonName",
  "Command",
  "Hostname",
] as const;
export type TagField = (typeof tagFields)[number];

/** Put values into a tag such as `{{.Name}}/{{.ID}}`. Throws `invalid` for what is no field of a tag. */
export function renderTag(text: string, shown: (field: TagField) => string): string {
  return text.replace(/\{\{-?\s*(.*?)\s*-?\}\}/g, (whole, inside: string) => {
    const field = tagFields.find((name) => inside === `.${name}`);
    if (field !== undefined) return shown(field);
    throw new EngineError("invalid", "log option tag", whole, "no such field of a tag", {
      hint: `fields: ${tagFields.map((name) => `{{.${name}}}`).join(" ")}`,
    });
  });
}
