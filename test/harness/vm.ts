/**
 * Tests of what needs a host with systemd, control groups of version 2 and login sessions: they run in a virtual machine (`.dev/vm/`),
 * all those of a file in one run of it.
 *
 *     const vm = useVm();
 *     vm.check("a claim", `proa run --rm tiny echo hello`, ({ stdout }) => expect(stdout).toBe("hello\n"));
 *
 * Each check is a test: its shell script runs in the machine, after those before it, and its function judges what came of it outside. The
 * machine is emulated: programs are 5 to 20 times slower in it.
 */
import { beforeAll, describe, test } from "bun:test";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type TestImage, writeLayout } from "./image";
import { tinyImage } from "./images";
import { proaPath } from "./sandbox";

const SCRIPTS = resolve(import.meta.dir, "../../.dev/vm");
const PROGRAMS = ["qemu-system-x86_64", "mke2fs", "mmdebstrap", "unshare", "busybox"];

/** Of a run; of one check, if it does not say otherwise. Emulated beside other work, a run takes five times as long as alone: these are for what hangs. */
const RUN_SECONDS = 1500;
const CHECK_SECONDS = 300;

/** Null where the machine can be made, otherwise what is missing for that. */
export function vmUnsupported(): string | null {
  if (process.arch !== "x64") return `no machine for ${process.arch}`;
  const program = PROGRAMS.find((name) => Bun.which(name) === null);
  return program === undefined ? null : `${program} is not installed (.dev/setup vm)`;
}

/** Null where the machine is there, otherwise why not. */
export function vmMissing(): string | null {
  const unsupported = vmUnsupported();
  if (unsupported !== null) return unsupported;
  const asked = Bun.spawnSync([join(SCRIPTS, "build"), "--have"], { stdio: ["ignore", "ignore", "ignore"] });
  return asked.exitCode === 0 ? null : "the machine could not be built";
}

/** Make the machine where it is missing: a minute or two. Throws with what the script said. */
export function prepareVm(): void {
  const built = Bun.spawnSync([join(SCRIPTS, "build")], {
    stdio: ["ignore", "ignore", "pipe"],
    timeout: 900_000,
  });
  if (built.exitCode === 0) return;
  throw new Error(`.dev/vm/build: exit status ${built.exitCode}: ${built.stderr.toString().slice(-1000)}`);
}

export type VmResult = { stdout: string; stderr: string; status: number };

export type VmOptions = {
  /** Who runs the scripts, in a login session: alice has lingering on. */
  user?: "alice" | "root";
  /** Loaded beside `tiny`, by its name. */
  images?: Readonly<Record<string, TestImage>>;
  /** Run before the checks. */
  prelude?: string;
};

export type Vm = {
  /** A test: `script` (bash, `set -u`) in the machine, then `judge` here. `seconds`: its limit. */
  check(
    claim: string,
    script: string,
    judge: (result: VmResult) => void | Promise<void>,
    seconds?: number,
  ): void;
};

/** What every script begins with. Programs start slowly in there: what a shell can find out by itself it does. */
const PRELUDE = `set -u
export PATH=/job:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
# remember NAME: the id on stdin, which run -d printed, is that container's
remember() { local id; read -r id && printf '%s\\n' "$id" >"/tmp/vm/id-$1"; }
# id_of CONTAINER: as remembered, as long as that one has a state
id_of() {
  local id=
  [ ! -e "/tmp/vm/id-$1" ] || read -r id <"/tmp/vm/id-$1"
  if [ -z "$id" ] || [ ! -e "$XDG_RUNTIME_DIR/proa/containers/$id/state.json" ]; then
    id=$(proa inspect -f '{{.Id}}' "$1") && remember "$1" <<<"$id"
  fi
  printf '%s\\n' "$id"
}
record() { sed -n "s/.*\\"$2\\":\\"\\([^\\"]*\\)\\".*/\\1/p" "$XDG_RUNTIME_DIR/proa/containers/$(id_of "$1")/state.json"; }
# cgroup CONTAINER: its directory; value CONTAINER FILE: what stands there
cgroup() { record "$1" cgroup; }
value() { cat "$(cgroup "$1")/$2"; }
# until_true COMMAND...: wait up to two minutes
until_true() { local end=$((SECONDS + 120)); until "$@" >/dev/null 2>&1; do [ $SECONDS -lt $end ] || { echo "not within 120 s: $*" >&2; return 1; }; sleep 0.2; done; }
# processes REGEX: how many of this user's have a command line like that
processes() { ps -u "$(id -un)" -o args | grep -c -- "$1"; }
# count_is NUMBER REGEX: whether that is how many there are
count_is() { [ "$(processes "$2")" = "$1" ]; }
scopes() { systemctl --user list-units --all --plain --no-legend 'proa-*.scope' "$@"; }
# nothing_left: no scope of proa's is left in the user's manager, and no directory of one
group_directories() { find /sys/fs/cgroup/user.slice/user-1001.slice -name 'proa-*'; }
nothing_left() { until_true eval '[ -z "$(group_directories)" ] && [ -z "$(systemctl --user list-units --all --plain --no-legend "*proa-*")" ]'; scopes; group_directories; }
`;

/** For the user's proa: a manager in an emulated machine is slow, and a container that starts without a group fails the test. */
export const PATIENT = `mkdir -p ~/.config/proa; echo "cgroup-manager-timeout = 120" >~/.config/proa/config.toml`;

type Check = { claim: string; script: string; seconds: number };

/** The machine of a test file. Called at its top level; the run begins before the first test. */
export function useVm(options: VmOptions = {}): Vm & { describe(name: string, body: () => void): void } {
  const checks: Check[] = [];
  const missing = vmMissing();
  let results = new Map<number, VmResult>();
  let trouble = "";
  beforeAll(
    async () => {
      if (missing !== null || checks.length === 0) return;
      ({ results, trouble } = await run(checks, options));
    },
    (RUN_SECONDS + 60) * 1000,
  );
  return {
    describe: (name, body) =>
      describe.skipIf(missing !== null)(missing === null ? name : `${name} [${missing}]`, body),
    check(claim, script, judge, seconds = CHECK_SECONDS) {
      const at = checks.push({ claim, script, seconds }) - 1;
      test.skipIf(missing !== null)(claim, async () => {
        const result = results.get(at);
        if (!result) throw new Error(`no result came back: ${trouble}`);
        try {
          await judge(result);
        } catch (error) {
          process.stderr.write(`${claim}:\n${JSON.stringify(result, null, 1)}\n`);
          throw error;
        }
      });
    },
  };
}

async function run(
  checks: readonly Check[],
  options: VmOptions,
): Promise<{ results: Map<number, VmResult>; trouble: string }> {
  const started = performance.now();
  const load = options.user === "root" ? "" : `${PATIENT}\nproa load -q -i /job/image >/dev/null`;
  const files = Object.fromEntries(
    checks.map(({ script }, i) => [`check-${i}.sh`, `. /job/prelude.sh\n${script}\n`]),
  );
  files["setup.sh"] = `. /job/prelude.sh\n${load}\n${options.prelude ?? ""}\n`;
  const { stdout, stderr, status } = await runInVm(jobScript(checks), { ...options, files });
  const { results, seconds } = readResults(stdout);
  const slowest = [...seconds].sort((a, b) => b[1] - a[1]).slice(0, 5);
  const told = slowest.map(([at, time]) => `${time} s ${checks[at]?.claim ?? "set-up"}`);
  process.stderr.write(
    `the machine: ${Math.round((performance.now() - started) / 1000)} s; ${told.join("; ")}\n`,
  );
  return { results, trouble: `exit status ${status}: ${stderr.slice(-2000)}` };
}

/**
 * Run a script (bash) in the machine, in /job, which has proa, the images as an OCI layout in image/, prelude.sh and `files`.
 *
 * @returns status 125 where the machine failed or took too long
 */
export async function runInVm(
  script: string,
  options: VmOptions & { files?: Readonly<Record<string, string>> } = {},
): Promise<VmResult> {
  const directory = mkdtempSync(join(tmpdir(), "vm-"));
  try {
    copyFileSync(proaPath, join(directory, "proa"));
    mkdirSync(join(directory, "image"));
    writeLayout(join(directory, "image"), { tiny: await tinyImage(), ...options.images });
    const files = { ...options.files, "prelude.sh": PRELUDE, "job.sh": script };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
    const user = options.user === "root" ? ["-r"] : [];
    const words = [
      join(SCRIPTS, "run"),
      "-C",
      directory,
      ...user,
      "-t",
      `${RUN_SECONDS}`,
      "bash /job/job.sh",
    ];
    const child = Bun.spawn(words, { stdio: ["ignore", "pipe", "pipe"] });
    const [stdout, stderr, status] = await Promise.all([
      child.stdout.text(),
      child.stderr.text(),
      child.exited,
    ]);
    return { stdout, stderr, status };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Runs the set-up and each check, and prints a line for each: its number, exit status and both outputs, packed. */
function jobScript(checks: readonly Check[]): string {
  const one = `one() {
  local started=$SECONDS
  timeout -k 5 "$2" bash "/job/$1.sh" </dev/null >/tmp/$1.out 2>/tmp/$1.err
  printf 'result %s %s %s %s %s\\n' "\${1#check-}" $? "$(base64 -w0 </tmp/$1.out)." "$(base64 -w0 </tmp/$1.err)." $((SECONDS - started))
}
mkdir -p /tmp/vm && cd /tmp/vm
ulimit -u 3000 # a bomb that no limit stops takes the machine with it
`;
  return `${one}one setup 300\n${checks.map(({ seconds }, i) => `one check-${i} ${seconds}`).join("\n")}\n`;
}

/** What came of each check, and how long it took, the set-up as -1. */
function readResults(output: string): { results: Map<number, VmResult>; seconds: Map<number, number> } {
  const results = new Map<number, VmResult>();
  const seconds = new Map<number, number>();
  const text = (word: string): string => Buffer.from(word.slice(0, -1), "base64").toString();
  for (const line of output.split("\n")) {
    const match = /^result (\w+) (\d+) (\S*\.) (\S*\.) (\d+)$/.exec(line);
    if (!match) continue;
    const [, name = "", status = "", stdout = "", stderr = "", time = ""] = match;
    seconds.set(name === "setup" ? -1 : Number(name), Number(time));
    const result = { stdout: text(stdout), stderr: text(stderr), status: Number(status) };
    if (name !== "setup") results.set(Number(name), result);
    else if (result.status !== 0) process.stderr.write(`set-up in the machine: ${JSON.stringify(result)}\n`);
  }
  return { results, seconds };
}
