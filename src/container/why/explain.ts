/** Puts together what `proa why` tells of a container. Everything is looked up when it is asked for; nothing is changed, and nothing of the container executed. */
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { reasonOf } from "../../error";
import type { ExitRecord, Facts } from "../../helper";
import { parsePasswd, type RuntimeConfig } from "../../oci";
import { type ContainerRow, type Context, EventReader, type JournalEvent } from "../../state";
import { readRootFile } from "../../storage";
import { healthOf } from "../health";
import { liveState, shownStatus } from "../live";
import { lastLogLines } from "../log-tail";
import { containerDirectory, exitFile, liveFile, runDirectory } from "../places";
import { openContainerFiles, rootSourceOf } from "../root-files";
import { specOf } from "../spec";
import { type Claim, type Explanation, seen } from "./claim";
import { layersClaims } from "./layers";
import { endClaims, type Life, probeEvidence, restartClaims, summaryOf } from "./life";
import { filesInOutput, namesInOutput } from "./output";
import { chmodMend, examineProgram, examineReading, type Start } from "./program";
import { describeMode, isDirectory, type Root, walk } from "./root";
import { surroundingClaims } from "./surroundings";

export type ExplainOptions = {
  /** Those of the names that look like this one, nearest first. */
  nearest(name: string, names: readonly string[]): string[];
};

const LOG_LINES = 10;
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"; // native/process.c

/** ROW is settled. Throws where the container has been removed. */
export async function explainContainer(
  context: Context,
  row: ContainerRow,
  options: ExplainOptions,
): Promise<Explanation> {
  const life = lifeOf(context, row);
  const lives = row.status === "running" && life.live?.status !== "restarting";
  const log = lives ? [] : await lastLogLines(context, row, LOG_LINES);
  const ofLayers = layersClaims(context, row);
  const claims = [
    ...ofLayers,
    ...(lives ? livingClaims(context, life) : await stillClaims(context, life, log, options)),
  ];
  return {
    id: row.id,
    name: row.name,
    status: shownStatus(row, life.live),
    summary: summaryOf(life),
    claims: claims.length > 0 || lives ? claims : [failureClaim(life)],
    log,
  };
}

async function stillClaims(
  context: Context,
  life: Life,
  log: readonly string[],
  options: ExplainOptions,
): Promise<Claim[]> {
  const ofProgram = [...(await programClaims(context, life, log, options)), ...readOnlyClaims(life, log)];
  const isExplained = ofProgram.length > 0 && (life.record?.signal ?? 0) === 0;
  return [
    ...(await userClaims(context, life, options)),
    ...ofProgram,
    ...surroundingClaims(context, life.row, life.spec, failureOf(life)),
    ...(isExplained ? [] : endClaims(life)),
    ...restartClaims(life),
    ...neverStarted(life),
  ];
}

function lifeOf(context: Context, row: ContainerRow): Life {
  const spec = specOf(context, row);
  const { events } = context.paths;
  return {
    row,
    spec,
    record: row.status === "running" ? null : readJson<ExitRecord>(exitFile(context, row.id)),
    recordPath: exitFile(context, row.id),
    live: row.status === "running" ? liveState(context, row) : null,
    livePath: liveFile(context, row.id),
    events: row.started_ms > 0 ? eventsOf(events, row) : [],
    eventsPath: events,
    health: healthOf(context, row, spec),
    healthPath: join(runDirectory(context, row.id), "health.json"),
    nowMs: context.now(),
    bootMs: bootTime(),
  };
}

/** It complained that nothing can be written, and was started so. */
function readOnlyClaims({ row, spec }: Life, log: readonly string[]): Claim[] {
  if (!spec.HostConfig.ReadonlyRootfs || row.exit_code === 0) return [];
  const line = log.findLast((each) => /read-only file system/i.test(each));
  if (line === undefined) return [];
  return [
    {
      claim: "it wanted to write where nothing can be written: its root file system is read-only",
      evidence: [seen(line.trim(), "the log"), seen("--read-only", "settings of the container")],
      mend: "give it a place to write (--tmpfs PATH, or -v VOLUME:PATH), or run it without --read-only",
    },
  ];
}

/** The helper's failure of the last start. */
function failureOf({ record, row }: Life) {
  return row.error !== "" && record?.error ? record.error : null;
}

function readJson<T>(path: string): T | null {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as T;
  } catch {
    return null;
  }
}

function eventsOf(path: string, row: ContainerRow): JournalEvent[] {
  const found: JournalEvent[] = [];
  const reader = new EventReader(path, false, BigInt(Math.trunc(row.started_ms)) * 1_000_000n);
  reader.read((event) => {
    if (event.Type === "container" && event.Actor.ID === row.id) found.push(event);
  });
  reader.close();
  return found;
}

/** proc_stat(5): seconds since the epoch. */
function bootTime(): number {
  return Number(/^btime (\d+)$/m.exec(readFileSync("/proc/stat", "utf8"))?.[1] ?? 0) * 1000;
}

function livingClaims(context: Context, { row, live, livePath, health, healthPath }: Life): Claim[] {
  const claims: Claim[] = [];
  const directory = runDirectory(context, row.id);
  if (dirname(directory) !== context.paths.running)
    claims.push({
      claim: "it was started with another XDG_RUNTIME_DIR than this command has",
      evidence: [seen("its supervisor holds the lock there", directory)],
      mend: runtimeMend(dirname(dirname(directory))),
    });
  if (live?.status === "paused")
    claims.push({
      claim: "somebody has paused it",
      evidence: [seen("status: paused", livePath)],
      mend: `proa unpause ${row.name}`,
    });
  if (health) {
    const isBad = health.Status === "unhealthy";
    claims.push({
      claim: isBad
        ? `it is unhealthy: its check has failed ${health.FailingStreak} times in a row`
        : `its health: ${health.Status}`,
      evidence: [
        seen(`Status: ${health.Status}, FailingStreak: ${health.FailingStreak}`, healthPath),
        ...(health.Status === "healthy" ? [] : probeEvidence(health, healthPath)),
      ],
      mend: isBad ? `look inside: proa logs ${row.name}, proa exec ${row.name} …` : "",
    });
  }
  return claims;
}

/** DIRECTORY is proa's below XDG_RUNTIME_DIR, or one in /tmp that it has without. */
function runtimeMend(directory: string): string {
  return basename(directory) === "proa"
    ? `export XDG_RUNTIME_DIR=${dirname(directory)}`
    : "unset XDG_RUNTIME_DIR";
}

function neverStarted({ row }: Life): Claim[] {
  if (row.status !== "created" || row.error !== "") return [];
  return [
    {
      claim: "nobody has started it",
      evidence: [seen("status: created, no start", "the state database")],
      mend: `proa start ${row.name}`,
    },
  ];
}

/** Nothing else was found: the failure stands for itself. */
function failureClaim({ row, recordPath, record }: Life): Claim {
  return {
    claim: row.error === "" ? "nothing is known of it" : row.error,
    evidence: [
      seen(
        record?.error ? factsText(record.error) : row.error,
        record?.error ? recordPath : "the state database",
      ),
    ],
    mend: `when its reason is gone: proa start ${row.name}`,
  };
}

function factsText({ step, object, errno, detail }: Facts): string {
  return [step, object, errno, detail].filter((each) => each !== "").join(": ");
}

const WORTH_A_LOOK: ReadonlySet<number> = new Set([126, 127]);

/** The program, its directory and its user, where the end says that they may be the reason. */
async function programClaims(
  context: Context,
  life: Life,
  log: readonly string[],
  options: ExplainOptions,
): Promise<Claim[]> {
  const { row } = life;
  const failed = failureOf(life);
  const code = life.live?.exitCode ?? row.exit_code;
  const step = failed?.step ?? "";
  const unread = row.status !== "created" && code !== 0 ? filesInOutput(log) : [];
  const complained = row.status !== "created" && WORTH_A_LOOK.has(code) ? namesInOutput(log) : [];
  const looksAtProgram =
    step === "execute" ||
    complained.length > 0 ||
    (failed === null && row.error === "" && WORTH_A_LOOK.has(code));
  const looksAtDirectory = step === "enter working directory";
  if (!looksAtProgram && !looksAtDirectory && unread.length === 0) return [];
  let opened: Awaited<ReturnType<typeof openContainerFiles>>;
  try {
    opened = await openContainerFiles(context, row);
  } catch (error) {
    return [
      {
        claim: "its files cannot be looked at",
        evidence: [seen(reasonOf(error), "its root file system")],
        mend: "",
      },
    ];
  }
  try {
    const root: Root = opened.files;
    const start = startOf(context, life, root, options);
    return [
      ...(looksAtDirectory ? directoryClaims(root, start, life) : []),
      ...(looksAtProgram ? examineProgram(root, start) : []),
      ...complained.flatMap((name) =>
        name === start.name ? [] : outputClaims(examineProgram(root, { ...start, name }), name, log),
      ),
      ...unread.flatMap((name) => outputClaims(examineReading(root, { ...start, name }), name, log)),
    ];
  } finally {
    opened.close();
  }
}

/** What is wrong with a file that one of the container's own programs has complained of. */
function outputClaims(claims: Claim[], name: string, log: readonly string[]): Claim[] {
  const line = log.find((each) => each.includes(name)) ?? "";
  return claims.map((claim) => ({ ...claim, evidence: [seen(line.trim(), "the log"), ...claim.evidence] }));
}

function startOf(context: Context, { row, spec }: Life, root: Root, options: ExplainOptions): Start {
  const config = readJson<RuntimeConfig>(join(containerDirectory(context, row.id), "config.json"));
  const process_ = config?.process;
  const variables = process_?.env ?? spec.Env;
  const variable = (name: string) =>
    variables.findLast((line) => line.startsWith(`${name}=`))?.slice(name.length + 1);
  const [name = ""] = process_?.args ?? [...spec.Entrypoint, ...spec.Cmd];
  const uid = process_?.user.uid ?? numberedUser(root, spec.User);
  return {
    walker: {
      uid,
      groups: [process_?.user.gid ?? 0, ...(process_?.user.additionalGids ?? [])],
      overrides:
        uid === 0 && (process_?.capabilities?.effective ?? ["CAP_DAC_OVERRIDE"]).includes("CAP_DAC_OVERRIDE"),
    },
    name,
    cwd: process_?.cwd ?? (spec.WorkingDir || "/"),
    path: (variable("PATH") ?? DEFAULT_PATH).split(":"),
    libraryPath: (variable("LD_LIBRARY_PATH") ?? "").split(":").filter(Boolean),
    noexec: (config?.mounts ?? [])
      .filter(({ options: given = [] }) => given.lastIndexOf("noexec") > given.lastIndexOf("exec"))
      .map(({ destination }) => destination.replace(/(.)\/+$/, "$1")),
    inMemory: (config?.mounts ?? [])
      .filter(({ type }) => type === "tmpfs")
      .map(({ destination }) => destination.replace(/(.)\/+$/, "$1")),
    mounted: (config?.mounts ?? []).flatMap(({ destination, source = "", options: given = [] }) =>
      source.startsWith("/") && given.some((option) => /^r?bind$/.test(option))
        ? [{ destination: destination.replace(/(.)\/+$/, "$1"), source: source.replace(/(.)\/+$/, "$1") }]
        : [],
    ),
    arch: process.arch,
    emulated: emulatedProcessors(),
    nearest: options.nearest,
  };
}

function numberedUser(root: Root, text: string): number {
  const [user = ""] = text.split(":");
  if (/^\d*$/.test(user)) return Number(user);
  return parsePasswd(fileText(root, "/etc/passwd")).find(({ name }) => name === user)?.uid ?? 0;
}

function fileText(root: Root, path: string): string {
  try {
    return new TextDecoder().decode(root.read(path, 0, 128 << 10));
  } catch {
    return "";
  }
}

/** The names of qemu's emulators are those of uname -m. */
function emulatedProcessors(): string[] {
  const directory = "/proc/sys/fs/binfmt_misc";
  try {
    return readdirSync(directory)
      .filter((name) => name.startsWith("qemu-"))
      .filter((name) => readFileSync(join(directory, name), "utf8").startsWith("enabled"))
      .map((name) => name.slice("qemu-".length));
  } catch {
    return []; // not mounted
  }
}

/** Its user may be one that the image does not have: a start finds that out before it reaches the helper. */
async function userClaims(context: Context, life: Life, { nearest }: ExplainOptions): Promise<Claim[]> {
  const { spec, row } = life;
  const [user = ""] = spec.User.split(":");
  if (row.error === "" || failureOf(life) !== null || user === "" || /^\d+$/.test(user)) return [];
  const passwd = await readRootFile(context, rootSourceOf(context, row), "/etc/passwd").catch(() => null);
  const names = parsePasswd(passwd ?? "").map(({ name }) => name);
  if (names.includes(user)) return [];
  const near = nearest(user, names);
  return [
    {
      claim: `its user ${user} is not in the image`,
      evidence: [
        seen(row.error, "the state database"),
        seen(names.length === 0 ? "no users" : `users: ${names.join(", ")}`, "in the image: /etc/passwd"),
      ],
      mend:
        near.length > 0
          ? `did you mean ${near.join(" or ")}?`
          : "add the user to the image, or give its number with -u",
    },
  ];
}

function directoryClaims(root: Root, { cwd, walker, mounted }: Start, { recordPath, record }: Life): Claim[] {
  const evidence = [
    seen(`${record?.error?.step}: ${record?.error?.object}: ${record?.error?.errno}`, recordPath),
  ];
  const way = walk(root, cwd, walker);
  if (way.kind === "denied")
    return [
      {
        claim: `the user ${walker.uid} may not enter the working directory ${cwd}: ${way.path} is closed`,
        evidence: [...evidence, seen(describeMode(way.file), `in the container: ${way.path}`)],
        mend: chmodMend({ mounted }, "a+x", way.path),
      },
    ];
  const path =
    way.kind === "no-directory" || (way.kind === "found" && !isDirectory(way.file)) ? way.path : null;
  if (path === null) return [];
  return [
    {
      claim: `the working directory ${cwd} cannot be: ${path} is no directory`,
      evidence: [...evidence, seen("no directory", `in the container: ${path}`)],
      mend: "choose another with -w",
    },
  ];
}
