/**
 * What `system install` lays beside the executable: manual, completions, the systemd unit. All of it is made by the executable itself, out of its commands. A
 * record of it (`installed.json`) lets `system uninstall` take away exactly that again, and the next install what a newer proa has no more.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { bootUnit } from "../../container";
import { EngineError } from "../../error";
import type { Context } from "../../state";
import { usageError } from "../args";

type Laid = { path: string; digest: string };
type Installed = {
  files: Laid[] /** That were made for them, the outer ones first. */;
  directories: string[];
};

/** Where things go. Each is a directory that its reader looks into by itself, but zsh's, of which the user has to tell it. */
export type Places = {
  /** Above man1, man5 and man7. */
  manual: string;
  bash: string;
  zsh: string;
  fish: string;
  unit: string;
  record: string;
};

/**
 * @param prefix as in /usr/local; undefined: the user's own directories, for root /usr/local
 * @throws usage for an empty one
 */
export function placesFor({ env, uid, paths }: Context, prefix: string | undefined): Places {
  if (prefix === "") throw usageError('invalid argument "" for --prefix: it must be a directory'); // a variable that is not set
  const isRoot = uid === 0;
  if (prefix === undefined && !isRoot) {
    const home = env.HOME && isAbsolute(env.HOME) ? env.HOME : "/";
    const data = env.XDG_DATA_HOME?.startsWith("/") ? env.XDG_DATA_HOME : join(home, ".local/share");
    return { ...below(data), unit: join(data, "systemd/user"), record: join(paths.data, "installed.json") };
  }
  const top = resolve(prefix ?? "/usr/local");
  const share = join(top, "share");
  return {
    ...below(share),
    unit: join(top, isRoot ? "lib/systemd/system" : "lib/systemd/user"),
    record: join(share, "proa/installed.json"),
  };
}

function below(share: string) {
  return {
    manual: join(share, "man"),
    bash: join(share, "bash-completion/completions"),
    zsh: join(share, "zsh/site-functions"),
    fish: join(share, "fish/vendor_completions.d"),
  };
}

/** Every file: path to content. */
export async function filesFor(context: Context, places: Places): Promise<Map<string, string>> {
  const [{ manPages }, { completionScript }] = await Promise.all([
    import("../man"),
    import("../completion-scripts"),
  ]);
  const { name, text } = bootUnit(context);
  return new Map([
    ...[...(await manPages())].map(
      ([page, roff]) => [join(places.manual, `man${page.at(-1)}`, page), roff] as const,
    ),
    [join(places.bash, "proa"), completionScript("bash")],
    [join(places.zsh, "_proa"), completionScript("zsh")],
    [join(places.fish, "proa.fish"), completionScript("fish")],
    [join(places.unit, name), text],
  ]);
}

/** Lay the files. Returns the paths of those that were not as they are now. Throws `io`, `name-in-use`. */
export function lay(files: ReadonlyMap<string, string>, places: Places, isForced: boolean): string[] {
  const before = readRecord(places.record);
  const known = new Map(before.files.map(({ path, digest }) => [path, digest]));
  const written: string[] = [];
  const laid: Laid[] = [];
  const directories = [...before.directories];
  const record = (): void => {
    const left = before.files.filter(({ path }) => !laid.some((each) => each.path === path));
    const all: Installed = { files: [...laid, ...left], directories };
    replace(places.record, `${JSON.stringify(all, null, 1)}\n`, directories);
  };
  for (const [path, text] of files) {
    const digest = digestOf(text);
    const present = textOf(path);
    const isOurs = present === undefined || present === text || digestOf(present) === known.get(path);
    if (!isOurs && !isForced) {
      throw new EngineError("name-in-use", "install", path, "there is another file already", {
        exitCode: 1,
        hint: "look at it, and then: proa system install --force",
      });
    }
    laid.push({ path, digest });
  }
  try {
    record(); // first: whatever comes in between, nothing lies about that is not known
    for (const [path, text] of files) {
      if (textOf(path) === text) continue;
      replace(path, text, directories);
      written.push(path);
    }
    for (const { path, digest } of before.files.filter((each) => !files.has(each.path))) {
      if (digestOf(textOf(path) ?? "") === digest) rmSync(path, { force: true });
    }
    before.files = [];
    record();
  } catch (error) {
    throw error instanceof EngineError ? error : asIo("install", error);
  }
  return written;
}

/** What taking away came to. */
export type Taken = { removed: string[] /** Somebody has changed them since. */; kept: string[] };

/** Take away what was laid, and the directories that were made for it as far as they are empty. Null where nothing is recorded. Throws `io`. */
export function takeAway(places: Places): Taken | null {
  if (!existsSync(places.record)) return null;
  const { files, directories } = readRecord(places.record);
  const taken: Taken = { removed: [], kept: [] };
  try {
    for (const { path, digest } of files) {
      const text = textOf(path);
      if (text === undefined) continue;
      if (digestOf(text) !== digest) {
        taken.kept.push(path);
        continue;
      }
      rmSync(path);
      taken.removed.push(path);
    }
    rmSync(places.record);
  } catch (error) {
    throw asIo("uninstall", error);
  }
  for (const directory of directories.toReversed()) {
    try {
      rmdirSync(directory);
    } catch {
      // something else is in it by now
    }
  }
  return taken;
}

function asIo(what: string, error: unknown): EngineError {
  const path = (error as NodeJS.ErrnoException).path ?? "";
  return new EngineError("io", what, path, error, { exitCode: 1 });
}

function readRecord(path: string): Installed {
  const text = textOf(path);
  if (text === undefined) return { files: [], directories: [] };
  try {
    const { files, directories } = JSON.parse(text) as Installed;
    const isLaid = (each: Laid): boolean => typeof each.path === "string" && typeof each.digest === "string";
    if (files.every(isLaid) && directories.every((each) => typeof each === "string"))
      return { files, directories };
  } catch {
    // it is damaged
  }
  throw new EngineError("invalid", "read record of installation", path, "it is damaged", {
    exitCode: 1,
    hint: `remove it: rm ${path}`,
  });
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw asIo("install", error);
  }
}

function digestOf(text: string): string {
  return new Bun.CryptoHasher("sha256").update(text).digest("hex");
}

/** Write a file by a rename, for everybody to read. The directories that this makes are added to the list. */
function replace(path: string, text: string, directories: string[]): void {
  makeDirectories(dirname(path), directories);
  const temporary = `${path}.${process.pid}`;
  try {
    writeFileSync(temporary, text, { mode: 0o644 });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function makeDirectories(path: string, made: string[]): void {
  if (existsSync(path)) return;
  makeDirectories(dirname(path), made);
  mkdirSync(path);
  made.push(path);
}
