/** Why a program of a container's root cannot be executed, or not be loaded: looked up in the root, in the order in which the kernel does. */
import { reasonOf } from "../../error";
import { type Claim, seen } from "./claim";
import { type Elf, isElf, machineName, readElf, runsOnHost } from "./elf";
import { missingLibraries } from "./libraries";
import {
  describeMode,
  isDirectory,
  isFile,
  mayExecute,
  mayRead,
  type Root,
  type Walker,
  type Way,
  walk,
} from "./root";

/** How the program is started. */
export type Start = {
  walker: Walker;
  /** Name or path of the program. */
  name: string;
  cwd: string;
  /** The directories of its PATH. */
  path: readonly string[];
  libraryPath: readonly string[];
  /** Where file systems are mounted from which nothing is executed. */
  noexec: readonly string[];
  /** Where file systems in memory are mounted: empty when it starts, gone when it has ended. */
  inMemory: readonly string[];
  /** What is mounted from the host: where inside, and what of the host. */
  mounted: readonly { destination: string; source: string }[];
  /** The host's, as process.arch has it. */
  arch: string;
  /** Processors for which the kernel has an emulator (binfmt_misc). */
  emulated: readonly string[];
  /** Those of the names that look like this one, nearest first. */
  nearest(name: string, names: readonly string[]): string[];
};

const SCRIPTS_DEEP = 4; // a script's interpreter may be a script
const HEAD = 512;
const IN = "in the container";

/** Everything that is wrong with it; nothing where it looks as it should. */
export function examineProgram(root: Root, start: Start): Claim[] {
  if (start.name === "")
    return [claimOf("there is no program to execute", [], "name a command behind the image")];
  const found = start.name.includes("/") ? null : searched(root, start);
  if (found !== null && typeof found !== "string") return [found];
  const path = found ?? (start.name.startsWith("/") ? start.name : `${start.cwd}/${start.name}`);
  return examineFile(root, start, path, 0);
}

function claimOf(claim: string, evidence: Claim["evidence"], mend: string): Claim {
  return { claim, evidence, mend };
}

/** What gives rights to a file: where it lies, which is the host for what is mounted from there. */
export function chmodMend({ mounted }: Pick<Start, "mounted">, mode: string, path: string): string {
  const mount = mounted
    .filter(({ destination }) => path === destination || path.startsWith(`${destination}/`))
    .reduce<Start["mounted"][number] | null>(
      (best, each) => (best === null || each.destination.length >= best.destination.length ? each : best),
      null,
    );
  return mount === null
    ? `in the image: chmod ${mode} ${path}`
    : `on the host: chmod ${mode} ${mount.source}${path.slice(mount.destination.length)}`;
}

/** A name without a slash, along PATH: the file, or the claim that there is none. */
function searched(root: Root, start: Start): string | Claim {
  const { name, path, walker } = start;
  let denied: { path: string; way: Way } | null = null;
  for (const directory of path) {
    const candidate = `${directory || start.cwd}/${name}`;
    const way = walk(root, candidate, walker);
    if (way.kind === "denied") denied ??= { path: candidate, way };
    if (way.kind !== "found" || isDirectory(way.file)) continue;
    if (mayExecute(way.file, walker)) return candidate;
    denied ??= { path: candidate, way };
  }
  if (denied) return denied.path;
  const names = path.flatMap((directory) => namesIn(root, directory));
  const near = start.nearest(name, [...new Set(names)]);
  const evidence = [seen(`PATH=${path.join(":")}`, "environment of the container")];
  const empty = path.filter((directory) => namesIn(root, directory).length === 0);
  if (empty.length === path.length) evidence.push(seen("none of these directories has a file", IN));
  else evidence.push(seen(`${names.length} names, and ${name} is none of them`, `${IN}: ${path.join(", ")}`));
  return claimOf(
    `there is no program ${name} in the container's PATH`,
    evidence,
    near.length > 0 ? `did you mean ${near.join(" or ")}?` : `install it in the image, or give its path`,
  );
}

/** Why its user cannot read a file, as an interpreter has to read its script. */
export function examineReading(root: Root, start: Start): Claim[] {
  const path = start.name.startsWith("/") ? start.name : `${start.cwd}/${start.name}`;
  const way = walk(root, path, start.walker);
  if (way.kind !== "found") return [lost(root, start, path, way, "the file")];
  if (mayRead(way.file, start.walker)) return [];
  return [
    claimOf(
      `the user ${start.walker.uid} may not read ${clean(path)}`,
      [seen(describeMode(way.file), `${IN}: ${way.path}`)],
      chmodMend(start, "a+r", way.path),
    ),
  ];
}

function namesIn(root: Root, directory: string): string[] {
  try {
    return root.list(directory || "/");
  } catch {
    return [];
  }
}

function examineFile(root: Root, start: Start, path: string, depth: number, of = "the program"): Claim[] {
  const way = walk(root, path, start.walker);
  if (way.kind !== "found") return [lost(root, start, path, way, of)];
  const { file, path: real } = way;
  const source = real === clean(path) ? `${IN}: ${real}` : `${IN}: ${clean(path)}, which leads to ${real}`;
  if (isDirectory(file))
    return [
      claimOf(`${of} ${clean(path)} is a directory`, [seen("a directory", source)], "name the file in it"),
    ];
  if (!isFile(file))
    return [claimOf(`${of} ${clean(path)} is no file`, [seen(describeMode(file), source)], "name a file")];
  const mount = pointAbove(start.noexec, real);
  if (mount !== undefined) return [notExecuted(of, mount)];
  if (!mayExecute(file, start.walker)) {
    const who = start.walker.overrides ? "nobody" : `the user ${start.walker.uid}`;
    const evidence = [seen(describeMode(file), source)];
    const isSome = !start.walker.overrides && (file.mode & 0o111) !== 0;
    return [
      claimOf(
        `${of} ${clean(path)} may not be executed: x is missing for ${isSome ? who : "everybody"}`,
        evidence,
        chmodMend(start, isSome ? "a+x" : "+x", real),
      ),
    ];
  }
  let head: Uint8Array;
  try {
    head = root.read(real, 0, HEAD);
  } catch (error) {
    return [claimOf(`${of} ${clean(path)} cannot be read`, [seen(reasonOf(error), source)], "")];
  }
  if (isElf(head)) return examineElf(root, start, real, of);
  if (head[0] === 0x23 && head[1] === 0x21) return examineScript(root, start, real, head, depth);
  return [
    claimOf(
      head.length === 0
        ? `${of} ${clean(path)} is empty`
        : `${of} ${clean(path)} is neither a program nor begins with #!`,
      [seen(head.length === 0 ? "0 bytes" : `it begins with ${printable(head.subarray(0, 16))}`, source)],
      head.length === 0
        ? "copy the program into the image again"
        : "let its first line be #!/bin/sh, or what else it is for",
    ),
  ];
}

/** Where a path is mounted, of these places. */
function pointAbove(points: readonly string[], path: string): string | undefined {
  return points.find((point) => path === point || path.startsWith(`${point}/`));
}

function notExecuted(of: string, mount: string): Claim {
  return claimOf(
    `${of} lies below ${mount}, where nothing may be executed`,
    [seen(`${mount} is mounted with noexec`, "config.json of the container")],
    `mount ${mount} with the option exec`,
  );
}

/** A path that leads nowhere, or through what is closed. */
function lost(
  root: Root,
  start: Start,
  path: string,
  way: Exclude<Way, { kind: "found" }>,
  of: string,
): Claim {
  const named = clean(path);
  switch (way.kind) {
    case "missing": {
      const memory = pointAbove(start.inMemory, way.path);
      if (memory !== undefined) return ofMemory(start, named, memory, of);
      const wanted = way.path.slice(way.path.lastIndexOf("/") + 1);
      const near = start
        .nearest(wanted, namesIn(root, way.in))
        .map((name) => `${way.in === "/" ? "" : way.in}/${name}`);
      const link = way.path === named || named.startsWith(`${way.path}/`) ? "" : `, to which ${named} leads`;
      return claimOf(
        `${of} ${named} is not there`,
        [seen(`${way.in} has no ${wanted}${link}`, IN)],
        near.length > 0
          ? `did you mean ${near.join(" or ")}?`
          : `put ${link === "" ? named : way.path} into the image`, // the first directory that lacks alone is of no use
      );
    }
    case "denied":
      return claimOf(
        `the user ${start.walker.uid} may not pass through ${way.path}, on the way to ${named}`,
        [seen(describeMode(way.file), `${IN}: ${way.path}`)],
        chmodMend(start, "a+x", way.path),
      );
    case "no-directory":
      return claimOf(
        `${of} ${named} is not there: ${way.path} is no directory`,
        [seen("no directory", `${IN}: ${way.path}`)],
        "",
      );
    case "loop":
      return claimOf(`${of} ${named} is a link that leads to itself`, [seen("more than 40 links", IN)], "");
  }
}

/** What was there cannot be seen any more. */
function ofMemory({ noexec }: Start, path: string, mount: string, of: string): Claim {
  if (pointAbove(noexec, mount) !== undefined) return notExecuted(of, mount);
  return claimOf(
    `${of} ${path} would have to be put into ${mount} by the container itself, which is a tmpfs`,
    [seen(`${mount} is a tmpfs: empty at the start, and gone with the end`, "config.json of the container")],
    `put it elsewhere in the image, or mount a volume at ${mount}`,
  );
}

function clean(path: string): string {
  return path.replace(/\/+(\.\/+)*/g, "/");
}

function printable(bytes: Uint8Array): string {
  return JSON.stringify(new TextDecoder("latin1").decode(bytes));
}

/** execve(2), "Interpreter scripts": the first line, of 255 bytes. */
function examineScript(root: Root, start: Start, path: string, head: Uint8Array, depth: number): Claim[] {
  const end = head.indexOf(10);
  const line = new TextDecoder("latin1").decode(head.subarray(2, end < 0 ? 255 : end));
  const source = `${IN}: ${path}, line 1`;
  if (line.endsWith("\r"))
    return [
      claimOf(
        `the script ${path} has Windows line ends: the interpreter that is looked for is ${JSON.stringify(`${line.trim().split(/[ \t]+/)[0]}\r`)}`,
        [seen(JSON.stringify(`#!${line}`), source)],
        `give it Unix line ends: sed -i 's/\\r$//' ${path.slice(path.lastIndexOf("/") + 1)}`,
      ),
    ];
  const [interpreter = "", argument = ""] = line.trim().split(/[ \t]+/);
  if (interpreter === "")
    return [
      claimOf(`the script ${path} names no interpreter`, [seen(JSON.stringify(`#!${line}`), source)], ""),
    ];
  if (depth >= SCRIPTS_DEEP)
    return [claimOf("scripts lead from one to the next", [seen(`#!${line}`, source)], "")];
  const relative = interpreter.startsWith("/") ? interpreter : `${start.cwd}/${interpreter}`;
  const claims = examineFile(root, start, relative, depth + 1, "the interpreter");
  const isEnv =
    /\/env$/.test(interpreter) && argument !== "" && !argument.startsWith("-") && !argument.includes("=");
  const further = claims.length > 0 || !isEnv ? claims : examineProgram(root, { ...start, name: argument });
  return further.map((claim) => ({ ...claim, evidence: [seen(`#!${line}`, source), ...claim.evidence] }));
}

function examineElf(root: Root, start: Start, path: string, of: string): Claim[] {
  const source = `${IN}: ${path}`;
  let elf: Elf;
  try {
    elf = readElf((offset, length) => root.read(path, offset, length));
  } catch (error) {
    return [
      claimOf(`${of} ${path} is damaged`, [seen(reasonOf(error), source)], "copy it into the image again"),
    ];
  }
  const machine = machineName(elf);
  if (!runsOnHost(elf, start.arch) && !start.emulated.includes(machine)) {
    return [
      claimOf(
        `${of} ${path} is for another processor: ${machine}`,
        [
          seen(`ELF, ${elf.bits} bits, ${machine}`, source),
          seen(hostName(start.arch), "this machine"),
          seen(`no emulator for ${machine}`, "/proc/sys/fs/binfmt_misc"),
        ],
        `use the image for this machine (--platform linux/${start.arch === "x64" ? "amd64" : start.arch}), or install an emulator: sudo apt-get install qemu-user-static`,
      ),
    ];
  }
  if (elf.interpreter === null) return [];
  const loader = walk(root, elf.interpreter, start.walker);
  if (loader.kind !== "found") {
    const musl = namesIn(root, "/lib").find((name) => name.startsWith("ld-musl-"));
    const wantsMusl = elf.interpreter.includes("/ld-musl-");
    const which = wantsMusl ? "musl, as in Alpine" : "glibc";
    const has = musl !== undefined ? seen("an image of musl, as Alpine", `${IN}: /lib/${musl}`) : null;
    return [
      claimOf(
        `the loader of ${path} is not in the image: ${elf.interpreter}`,
        [seen(`PT_INTERP ${elf.interpreter}`, source), ...(has && !wantsMusl ? [has] : [])],
        has && !wantsMusl
          ? "it was built for glibc: build it in this image, or link it statically, or use an image of Debian's kind"
          : `it was built for ${which}: use an image that has it, or link it statically`,
      ),
    ];
  }
  const { missing, searched } = missingLibraries(
    root,
    start.walker,
    path,
    elf.interpreter,
    start.libraryPath,
  );
  if (missing.length === 0) return [];
  const names = missing.map(({ library }) => library);
  return [
    claimOf(
      `${names.length === 1 ? "a library is" : "libraries are"} missing: ${names.join(", ")}`,
      [
        ...missing.map(({ library, by }) => seen(`needs ${library}`, `${IN}: ${by}`)),
        seen(`not in ${searched.join(", ")}`, "where the loader looks"),
      ],
      `install what has ${names.join(" and ")} in the image`,
    ),
  ];
}

function hostName(arch: string): string {
  return arch === "x64" ? "x86_64" : arch === "arm64" ? "aarch64" : arch;
}
