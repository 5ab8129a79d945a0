/** What `system report` writes: a section after the other, each of which may fail without the others. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { findContainer } from "../../container";
import { EngineError, reasonOf } from "../../error";
import { EventReader, type JournalEvent } from "../../state";
import { readFailures } from "../_error-log";
import { isTelling, masked } from "../_masking";
import { version } from "../_version";
import type { App } from "../app";
import { readArgs } from "../args";
import { findCommand } from "../find";
import type { OutStream } from "../io";
import type { AnyCommand } from "../tree";

const EVENTS = 50;
const FAILURES = 20;
const LIMIT_BYTES = 256 << 10; // of a file that is put in

/** The whole report. Throws where there is no such container. */
export async function reportOf(app: App, name: string | undefined): Promise<string> {
  const container =
    name === undefined ? undefined : await findContainer(app.context, "report on container", name);
  const sections: [heading: string, text: () => string | Promise<string>][] = [
    ["Versions", () => versions()],
    ["Machine", () => machine()],
    ["Environment", () => masked(environment(app))],
    ["proa info", async () => masked(await outputOf(app, ["info"]))],
    ["proa doctor", async () => masked(await outputOf(app, ["doctor"]))],
    ["Settings", () => masked(fileOr(join(app.context.paths.config, "config.toml"), "none: no config.toml"))],
    ["Last failures", () => masked(failures(app))],
  ];
  if (container !== undefined) {
    const shown = parsed(await outputOf(app, ["container", "inspect", container.id]));
    const said = valuesOf(shown);
    const without = (text: string): string => said.reduce((left, each) => left.replaceAll(each, "…"), text);
    sections.push(
      ["proa why", async () => masked(without(withoutOutput(await outputOf(app, ["why", container.id]))))],
      ["Container", () => JSON.stringify(withoutValues(shown), null, 1)],
      ["State", () => runFiles(app, container.id, without)],
      ["Last events", () => eventsOf(app, container.id)],
    );
  }
  const parts: string[] = [];
  for (const [heading, text] of sections) parts.push(`## ${heading}\n\n${await orReason(text)}\n`);
  const report = `# Report of proa ${version}, ${new Date().toISOString()}\n\n${parts.join("\n")}`;
  const home = app.env.HOME ?? "";
  return home.length > 1 ? report.replaceAll(home, "~") : report;
}

async function orReason(text: () => string | Promise<string>): Promise<string> {
  try {
    return (await text()).trimEnd();
  } catch (error) {
    return `could not be found out: ${masked(reasonOf(error))}`;
  }
}

function versions(): string {
  const own = statSync(process.execPath);
  return [
    `proa ${version}, Bun ${Bun.version}`,
    `executable: ${process.execPath}, ${own.size} bytes, of ${own.mtime.toISOString()}`,
  ].join("\n");
}

function machine(): string {
  const kernel = fileOr("/proc/sys/kernel/version", "").trim();
  return [
    `kernel: ${fileOr("/proc/sys/kernel/osrelease", "unknown").trim()} ${kernel}`,
    `system: ${/^PRETTY_NAME="?([^"\n]*)/m.exec(fileOr("/etc/os-release", ""))?.[1] ?? "unknown"}`,
    `processors: ${fileOr("/proc/cpuinfo", "").match(/^processor\s*:/gm)?.length ?? "unknown"}, ${process.arch}`,
    `memory: ${/^MemTotal:\s+(.*)$/m.exec(fileOr("/proc/meminfo", ""))?.[1] ?? "unknown"}`,
    `security modules: ${fileOr("/sys/kernel/security/lsm", "unknown").trim()}`,
    `uid ${process.getuid?.()}, gid ${process.getgid?.()}, cgroup ${fileOr("/proc/self/cgroup", "").trim().split("\n").join(" ")}`,
  ].join("\n");
}

const told =
  /^(XDG_.*|PATH|SHELL|TERM|TZ|LANG|LC_.*|.*_proxy|.*_PROXY|DOCKER_CONFIG|REGISTRY_AUTH_FILE|CONTAINERS_.*|PODMAN_USERNS|NO_COLOR|CLICOLOR.*|DBUS_SESSION_BUS_ADDRESS)$/;

/** Only the variables that proa heeds. */
function environment({ env }: App): string {
  const lines = Object.entries(env).flatMap(([name, value]) => (told.test(name) ? [`${name}=${value}`] : []));
  return lines.sort().join("\n");
}

/** What another command prints, on stdout and stderr. */
async function outputOf(app: App, words: readonly string[]): Promise<string> {
  const found = findCommand(words);
  if (found === undefined) return "there is no such command";
  let text = "";
  const stream: OutStream = {
    isTTY: false,
    columns: undefined,
    rows: undefined,
    write: (data) => {
      text += typeof data === "string" ? data : new TextDecoder().decode(data);
    },
  };
  const { command } = (await found.entry.load()) as { command: AnyCommand };
  const { args, given } = readArgs(command, words.slice(found.words));
  const io = { ...app.io, stdout: stream, stderr: stream };
  const status = await command.run({
    app: Object.create(app, { io: { value: io } }),
    args,
    given,
    typed: "proa",
  });
  return text + (typeof status === "number" && status !== 0 ? `exit status ${status}\n` : "");
}

function failures({ context }: App): string {
  const all = readFailures(context.paths.cache).slice(-FAILURES);
  if (all.length === 0) return "none";
  return all
    .map(({ time, command, code, message, stack }) =>
      [`${time} ${command}: ${code}: ${message}`, ...(stack === undefined ? [] : [stack])].join("\n"),
    )
    .join("\n");
}

/** Fields whose strings are the user's own words, or what programs have written. */
const withheld: ReadonlySet<string> = new Set([
  "Args",
  "Cmd",
  "Entrypoint",
  "Test", // of a health check
  "Labels",
  "Annotations",
  "Env",
  "CreateCommand",
  "OnBuild",
  "Output", // of a check
]);

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw new EngineError("invalid", "report on container", "", "inspect has not printed JSON", {
      exitCode: 1,
    });
  }
}

/** A document without what its user has put into it: as many words, and names without their values. */
function withoutValues(value: unknown, name = "", isWithheld = false): unknown {
  if (typeof value === "string") {
    if (value === "") return "";
    if (name === "Env") return `${value.split("=", 1)[0]}=…`;
    return isWithheld || isTelling(name) ? "…" : masked(value);
  }
  if (Array.isArray(value)) return value.map((each) => withoutValues(each, name, isWithheld));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [
      key,
      withoutValues(each, key, isWithheld || withheld.has(key)),
    ]),
  );
}

const SHORT = 5; // shorter words stand in every text

/** The strings that are withheld, the longest first: other parts of the report repeat them. Paths are not among them, as most that is explained is about one. */
function valuesOf(document: unknown): string[] {
  const found = new Set<string>();
  const visit = (value: unknown, name: string, isWithheld: boolean): void => {
    if (typeof value === "string") {
      const own = name === "Env" ? value.slice(value.indexOf("=") + 1) : value;
      if (isWithheld && own.length >= SHORT && !own.startsWith("/")) found.add(own);
    } else if (typeof value === "object" && value !== null) {
      for (const [key, each] of Object.entries(value)) {
        const inner = Array.isArray(value) ? name : key;
        visit(each, inner, isWithheld || withheld.has(inner));
      }
    }
  };
  visit(document, "", false);
  return [...found].sort((a, b) => b.length - a.length);
}

/** What `why` says, without what the container has written. */
function withoutOutput(text: string): string {
  const [claims = ""] = text.split("\nthe last lines of its log:\n", 1);
  return claims
    .replace(/^( {2}seen {2}).*( {2}\(the log\))$/gm, "$1…$2")
    .replace(/^( {2}seen {2}check at \S+: exit status -?\d+: ).*( {2}\([^(]*\))$/gm, "$1…$2");
}

/** What the supervisor has written of itself. */
function runFiles({ context }: App, id: string, without: (text: string) => string): string {
  const directories = [join(context.paths.running, id), join(context.paths.containers, id)];
  const names = ["state.json", "exit.json", "health.json", "rootfs.json", "unfinished"];
  const found = directories.flatMap((directory) =>
    names.map((name) => join(directory, name)).filter((path) => existsSync(path)),
  );
  return found.map((path) => `${path}:\n${without(documentOr(path))}`).join("\n") || "no files";
}

function documentOr(path: string): string {
  const text = fileOr(path, "");
  try {
    return JSON.stringify(withoutValues(JSON.parse(text)));
  } catch {
    return masked(text); // "unfinished" is none
  }
}

function eventsOf({ context }: App, id: string): string {
  const reader = new EventReader(context.paths.events, false);
  const found: JournalEvent[] = [];
  try {
    reader.read((event) => {
      if (event.Actor.ID !== id && event.Actor.Attributes.container !== id) return;
      found.push(event);
      if (found.length > EVENTS) found.shift();
    });
  } finally {
    reader.close();
  }
  const lines = found.map(({ Type, Action, Actor, nanoseconds }) => {
    const { exitCode } = Actor.Attributes;
    const code = exitCode === undefined ? "" : ` (exit code ${exitCode})`;
    const name = Action.replace(/^(exec_\w+):.*/s, "$1"); // what exec was given is the user's own
    return `${new Date(Number(nanoseconds / 1_000_000n)).toISOString()} ${Type} ${name}${code}`;
  });
  return lines.join("\n") || "none";
}

function fileOr(path: string, otherwise: string): string {
  try {
    if (statSync(path).size > LIMIT_BYTES) return `${path} has more than ${LIMIT_BYTES} bytes`;
    return readFileSync(path, "utf8");
  } catch {
    return otherwise;
  }
}
