/**
 * One part of the tests, for `.dev/test`: `test.ts user|root [FILE…] [OPTION…]` in the current directory, with a clean environment.
 * Everything readable goes to stderr; stdout gets one line, `PASSED FAILED SKIPPED`, and then what failed once more, each with the
 * end of what was printed before it.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { debianMissing, prepareDebian, prepareVm, vmMissing, vmUnsupported } from "../test/harness";

const TIMEOUT_MS = 60_000; // of one test; a machine under load is slow, a hang is longer
const REPORTED_LINES = 40; // of what a failed test printed
const [part = "user", ...args] = process.argv.slice(2);
const isRoot = part === "root";

/** Variables that tests may see; everything else of the caller's environment stays outside. */
const KEPT = [
  "HOME",
  "USER",
  "LOGNAME",
  "SHELL",
  "PATH",
  "TERM",
  "XDG_RUNTIME_DIR",
  "DBUS_SESSION_BUS_ADDRESS",
  "TMPDIR",
  "http_proxy",
  "https_proxy",
  "no_proxy",
  "CI",
  "NO_COLOR",
];

function cleanEnvironment(): Record<string, string> {
  const kept = KEPT.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]));
  return { ...Object.fromEntries(kept), LANG: "C.UTF-8", PROA: resolve("dist/proa") };
}

/** Processes of this user that are proa's, as `pid name`: what a test leaves behind lives on as one of them. */
function engineProcesses(): Map<string, string> {
  const found = new Map<string, string>();
  const uid = process.getuid?.();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      if (statSync(`/proc/${pid}`).uid !== uid) continue;
      const name = readFileSync(`/proc/${pid}/comm`, "utf8").trim();
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      if (name.startsWith("proa")) found.set(pid, `${pid} ${words || name}`);
    } catch {
      // it ended meanwhile
    }
  }
  return found;
}

/** The numbers of bun's summary, the last of each that stands in the output. */
function readSummary(output: string): { pass: number; fail: number; skip: number } {
  const last = (word: string): number => {
    const all = [...output.matchAll(new RegExp(`^ *(\\d+) ${word}$`, "gm"))];
    return Number(all.at(-1)?.[1] ?? 0);
  };
  return { pass: last("pass"), fail: last("fail") + last("errors?"), skip: last("skip") + last("todo") };
}

/** The tests that failed, each with its file and the last lines before it that belong to no other test. */
function readFailures(output: string): string[] {
  const failures: string[] = [];
  let file = "";
  let said: string[] = [];
  for (const line of output.split("\n")) {
    if (/^\d+ tests? failed:$/.test(line)) break; // bun's own list of them
    if (/^test\/\S+\.test\.ts:$/.test(line)) file = line;
    else if (line.startsWith("(fail) "))
      failures.push([file, ...said.slice(-REPORTED_LINES), line].join("\n"));
    else if (!/^\((pass|skip|todo)\) /.test(line)) {
      said.push(line);
      continue;
    }
    said = [];
  }
  return failures;
}

/** The test files of this part that the arguments name; all of them where they name none. */
function selectFiles(): { selected: string[]; others: string[] } {
  const isOfPart = (file: string): boolean => file.endsWith(".root.test.ts") === isRoot;
  const named = args.filter((arg) => !arg.startsWith("-") && existsSync(arg));
  const others = args.filter((arg) => !named.includes(arg));
  const below = (directory: string): string[] =>
    [...new Bun.Glob("**/*.test.ts").scanSync(directory)].sort().map((file) => join(directory, file));
  const selected = (named.length > 0 ? named : ["test"])
    .flatMap((path) => (statSync(path).isDirectory() ? below(path) : [path]))
    .filter(isOfPart);
  return { selected, others };
}

async function runTests(
  selected: readonly string[],
  others: readonly string[],
): Promise<{ pass: number; fail: number; skip: number; failures: string[] }> {
  if (selected.length === 0) return { pass: 0, fail: 0, skip: 0, failures: [] };

  const command = [
    process.execPath,
    "test",
    `--timeout=${TIMEOUT_MS}`,
    ...(isRoot ? [] : ["--parallel=2"]),
    ...others,
    ...selected.map((file) => `./${file.replace(/^\.\//, "")}`),
  ];
  const child = Bun.spawn(command, { env: cleanEnvironment(), stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const copy = async (from: ReadableStream<Uint8Array>): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of from) {
      process.stderr.write(chunk);
      output += decoder.decode(chunk, { stream: true });
    }
  };
  await Promise.all([copy(child.stdout), copy(child.stderr)]);
  const exitCode = await child.exited;
  const plain = output.replaceAll(/\u001b\[[0-9;]*m/g, "");
  const summary = readSummary(plain);
  const failures = readFailures(plain);
  if (exitCode !== 0 && summary.fail === 0) {
    summary.fail = 1;
    failures.push(`bun test ended with ${exitCode} before it could count`);
  }
  return { ...summary, failures };
}

/** Make what several tests share and is slow to make. Where it cannot be made, they skip, and say so. */
function prepare(selected: readonly string[]): void {
  if (part !== "user") return;
  if (debianMissing() !== null) {
    makeOnce("the Debian test image (half a minute)", prepareDebian);
  }
  const needsVm = selected.some((file) => /(^|\/)test\/vm\//.test(file));
  if (needsVm && vmUnsupported() === null && vmMissing() !== null) {
    makeOnce("the virtual machine of test/vm (a minute or two)", prepareVm);
  }
}

function makeOnce(what: string, make: () => void): void {
  process.stderr.write(`==> make ${what}, once\n`);
  try {
    make();
  } catch (error) {
    process.stderr.write(`warning: ${error instanceof Error ? error.message : error}\n`);
  }
}

/** Whether a process works in a temporary directory, as those of tests do: then it may be ended. */
function isOfTests(pid: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) =>
      readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith(`${tmpdir()}/`),
    );
  } catch {
    return false;
  }
}

/** What the tests left behind, after a moment for what is ending. It is reported, and ended. */
async function findLeft(before: ReadonlyMap<string, string>): Promise<string[]> {
  const left = () => [...engineProcesses()].filter(([pid]) => !before.has(pid));
  for (let tries = 0; tries < 30 && left().length > 0; tries++) await Bun.sleep(100);
  const found = left();
  for (const [pid] of found.filter(([each]) => isOfTests(each))) process.kill(Number(pid), "SIGKILL");
  return found.map(([, text]) => text);
}

const { selected, others } = selectFiles();
prepare(selected);
const before = engineProcesses();
const summary = await runTests(selected, others);
const left = await findLeft(before);
if (left.length > 0) {
  summary.failures.push(`processes left behind by the tests:\n${left.map((text) => `  ${text}`).join("\n")}`);
  summary.fail += 1;
}
const { pass, fail, skip, failures } = summary;
process.stdout.write(`${pass} ${fail} ${skip}\n${failures.map((text) => `\n${text}\n`).join("")}`);
process.exit(fail > 0 ? 1 : 0);
