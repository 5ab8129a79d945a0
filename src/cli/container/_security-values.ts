/** Single values of the options about devices, resource limits and kernel parameters, read. */
import { readFileSync } from "node:fs";
import { EngineError } from "../../error";
import type { DeviceMapping, DeviceRequest } from "../../oci";

/** `NAME=VALUE`. Throws `invalid`. */
export function required(what: string, line: string): [string, string] {
  const cut = line.indexOf("=");
  if (cut < 1) throw new EngineError("invalid", what, line, "expected NAME=VALUE");
  return [line.slice(0, cut), line.slice(cut + 1)];
}

const ULIMITS = new Set(
  "as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split(
    " ",
  ),
);

/** Without a limit, as Docker's API has it. */
const UNLIMITED = -1;

export function parseUlimit(text: string): { Name: string; Soft: number; Hard: number } {
  const [given, value] = required("ulimit", text);
  const Name = given.toLowerCase().replace(/^rlimit_/, "");
  if (!ULIMITS.has(Name)) throw new EngineError("invalid", "ulimit", text, `unknown limit "${given}"`);
  const number = (part: string): number => {
    if (part === "-1" || part === "unlimited") return UNLIMITED;
    if (!/^\d+$/.test(part)) throw new EngineError("invalid", "ulimit", text, "expected NAME=SOFT[:HARD]");
    const limit = Number(part);
    if (Number.isSafeInteger(limit)) return limit;
    throw new EngineError("invalid", "ulimit", text, "the number is too large", { hint: "unlimited: -1" });
  };
  const [soft = "", hard = soft, ...rest] = value.split(":");
  if (rest.length > 0) throw new EngineError("invalid", "ulimit", text, "expected NAME=SOFT[:HARD]");
  const limit = { Name, Soft: number(soft), Hard: number(hard) };
  const isAbove = limit.Hard !== UNLIMITED && (limit.Soft === UNLIMITED || limit.Soft > limit.Hard);
  if (isAbove) throw new EngineError("invalid", "ulimit", text, "the soft limit is above the hard one");
  return limit;
}

/** As /proc/PID/limits calls them (proc_pid_limits(5)). */
const LIMIT_NAMES: Record<string, string> = {
  "Max cpu time": "cpu",
  "Max file size": "fsize",
  "Max data size": "data",
  "Max stack size": "stack",
  "Max core file size": "core",
  "Max resident set": "rss",
  "Max processes": "nproc",
  "Max open files": "nofile",
  "Max locked memory": "memlock",
  "Max address space": "as",
  "Max file locks": "locks",
  "Max pending signals": "sigpending",
  "Max msgqueue size": "msgqueue",
  "Max nice priority": "nice",
  "Max realtime priority": "rtprio",
  "Max realtime timeout": "rttime",
};

/** `--ulimit host`: the limits of who called proa, whose own number of open files the runtime it is written in has raised. */
export function ownLimits(): { Name: string; Soft: number; Hard: number }[] {
  const read = (pid: number | string): string => readFileSync(`/proc/${pid}/limits`, "utf8");
  let text: string;
  try {
    text = read(process.ppid);
  } catch {
    text = read("self"); // somebody else's process
  }
  const number = (word: string): number => (word === "unlimited" ? UNLIMITED : Number(word));
  return [...text.matchAll(/^(Max [a-z ]+?) {2,}(\S+) +(\S+)/gm)].flatMap(
    ([, label = "", soft = "", hard = ""]) => {
      const Name = LIMIT_NAMES[label];
      return Name === undefined ? [] : [{ Name, Soft: number(soft), Hard: number(hard) }];
    },
  );
}

/** `SOURCE[:TARGET[:rwm]]`, and docker's `SOURCE:rwm`. */
export function parseDevice(text: string): DeviceMapping {
  const parts = text.split(":");
  const [PathOnHost = "", second, third] = parts;
  const fail = (why: string): EngineError => new EngineError("invalid", "device", text || '""', why);
  if (PathOnHost === "" || parts.length > 3) throw fail("bad format: expected SOURCE[:TARGET[:rwm]]");
  const isMode = (part: string): boolean => /^[rwm]{1,3}$/.test(part) && new Set(part).size === part.length;
  const isShort = parts.length === 2 && isMode(second ?? "");
  const PathInContainer = second === undefined || second === "" || isShort ? PathOnHost : second;
  const CgroupPermissions = isShort ? (second ?? "rwm") : (third ?? "rwm");
  if (!isMode(CgroupPermissions)) throw fail(`bad mode specified: ${CgroupPermissions}`);
  if (!PathInContainer.startsWith("/") || !PathOnHost.startsWith("/"))
    throw fail(`${PathInContainer} is not an absolute path`);
  return { PathOnHost, PathInContainer, CgroupPermissions };
}

/** docker's `--gpus`: `all`, a number, `device=0,1`, `"device=0,1",capabilities=…`. */
export function parseGpus(text: string): DeviceRequest {
  const request: DeviceRequest = {
    Driver: "",
    Count: 0,
    DeviceIDs: [],
    Capabilities: [["gpu"]],
    Options: {},
  };
  const fail = (why: string): EngineError => new EngineError("invalid", "--gpus", text || '""', why);
  // CSV: a field with commas stands in quotes
  for (const field of text.match(/"[^"]*"|[^,]+/g) ?? []) {
    const line = field.replace(/^"(.*)"$/, "$1");
    const cut = line.indexOf("=");
    const [name, value] = cut < 0 ? ["count", line] : [line.slice(0, cut), line.slice(cut + 1)];
    if (name === "count") {
      if (value !== "all" && !/^-?\d+$/.test(value))
        throw fail(`invalid count (${value}): value must be either "all" or an integer`);
      request.Count = value === "all" ? -1 : Number(value);
    } else if (name === "device") request.DeviceIDs = value.split(",");
    else if (name === "driver") request.Driver = value;
    else if (name === "capabilities") request.Capabilities = [[...value.split(","), "gpu"]];
    else if (name === "options")
      request.Options = Object.fromEntries(value.split(",").map((part) => required("--gpus", part)));
    else throw fail(`unexpected key '${name}' in '${line}'`);
  }
  return request;
}
