/** What `system report` writes: a section after the other, each of which may fail without the others. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { findContainer } from "../../container";
import { reasonOf } from "../../error";
import { EventReader, type JournalEvent } from "../../state";
import { readFailures } from "../_error-log";
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
    ["Environment", () => environment(app)],
    ["proa info", () => outputOf(app, ["info"])],
    ["proa doctor", () => outputOf(app, ["doctor"])],
    ["Settings", () => fileOr(join(app.context.paths.config, "config.toml"), "none: no config.toml")],
    ["Last failures", () => failures(app)],
  ];
  if (container !== undefined) {
    sections.push(
      ["proa why", () => outputOf(app, ["why", container.id])],
      ["Container", async () => withoutValues(await outputOf(app, ["container", "inspect", container.id]))],
      ["State", () => runFiles(app, container.id)],
      ["Last events", () => eventsOf(app, container.id)],
    );
  }
  const parts: string[] = [];
  for (const [heading, text] of sections) parts.push(`## ${heading}\n\n${await orReason(text)}\n`);
  return withoutSecrets(
    `# Report of proa ${version}, ${new Date().toISOString()}\n\n${parts.join("\n")}`,
    app,
  );
}

async function orReason(text: () => string | Promise<string>): Promise<string> {
  try {
    return (await text()).trimEnd();
  } catch (error) {
    return `could not be found out: ${reasonOf(error)}`;
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

/** The values of variables: passwords are given to containers so. */
function withoutValues(json: string): string {
  const documents = JSON.parse(json) as { Config?: { Env?: string[] } }[];
  for (const { Config } of documents) {
    if (Config?.Env) Config.Env = Config.Env.map((each) => `${each.split("=", 1)[0]}=…`);
  }
  return JSON.stringify(documents, null, 1);
}

/** What the supervisor has written of itself. */
function runFiles({ context }: App, id: string): string {
  const directories = [join(context.paths.running, id), join(context.paths.containers, id)];
  const names = ["state.json", "exit.json", "health.json", "rootfs.json", "unfinished"];
  const found = directories.flatMap((directory) =>
    names.map((name) => join(directory, name)).filter((path) => existsSync(path)),
  );
  return found.map((path) => `${path}:\n${fileOr(path, "")}`).join("\n") || "no files";
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
  const lines = found.map(({ Type, Action, Actor, time }) => {
    const { exitCode } = Actor.Attributes;
    const code = exitCode === undefined ? "" : ` (exit code ${exitCode})`;
    return `${new Date(time * 1000).toISOString()} ${Type} ${Action}${code}`;
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

/** Passwords in URLs, what is called a password or a token, and the home directory by its name. */
function withoutSecrets(text: string, { env }: App): string {
  const masked = text
    .replace(/(\w:\/\/)[^\s/@"']+@/g, "$1…@")
    .replace(
      /((?:password|passwd|token|secret|authorization)["']?\s*[=:]\s*)(?!…)("[^"]*"|'[^']*'|[^\s"',}]+)/gi,
      "$1…",
    );
  const home = env.HOME ?? "";
  return home.length > 1 ? masked.replaceAll(home, "~") : masked;
}
