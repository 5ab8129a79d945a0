/** Which libraries a program needs that its root does not have, looked for where the loader looks: ld.so(8), and musl's. */
import { readElf } from "./elf";
import { isFile, type Root, type Walker, walk } from "./root";

export type Missing = {
  library: string;
  /** The file that needs it. */
  by: string;
};

const FILES_LIMIT = 256;
const CONFIGURATION_LIMIT = 64 << 10;
const CACHE_LIMIT = 4 << 20;
const PIECE = 256 << 10;

/** Those of a program at PATH with this loader, and of its libraries; the directories that were searched besides those that a file itself names. */
export function missingLibraries(
  root: Root,
  walker: Walker,
  path: string,
  interpreter: string,
  libraryPath: readonly string[],
): { missing: Missing[]; searched: string[] } {
  const isMusl = /\/ld-musl-/.test(interpreter);
  const usual = isMusl ? muslDirectories(root, interpreter) : glibcDirectories(root);
  const cache = isMusl ? new Map<string, string>() : readCache(root);
  const searched = [...libraryPath, ...usual];
  const missing: Missing[] = [];
  const known = new Set<string>();
  const files = [path];
  for (let at = 0; at < files.length && at < FILES_LIMIT; at++) {
    const file = files[at] as string;
    let elf: ReturnType<typeof readElf>;
    try {
      elf = readElf((offset, length) => root.read(file, offset, length));
    } catch {
      continue; // what the loader says of it, the log has
    }
    const origin = file.slice(0, Math.max(1, file.lastIndexOf("/")));
    const own = elf.runpath.map((each) => each.replace(/\$(ORIGIN|\{ORIGIN\})/g, origin));
    for (const library of elf.needed) {
      if (known.has(library) || isBuiltIn(library, interpreter, isMusl)) continue;
      known.add(library);
      const found = find(root, walker, library, [...own, ...searched], cache);
      if (found === null) missing.push({ library, by: file });
      else files.push(found);
    }
  }
  return { missing, searched };
}

/** The loader itself, and what musl's has in it. */
function isBuiltIn(library: string, interpreter: string, isMusl: boolean): boolean {
  if (interpreter.endsWith(`/${library}`)) return true;
  return isMusl && /^lib(c|pthread|rt|m|dl|util|xnet)\.(so|musl-)/.test(library);
}

function find(
  root: Root,
  walker: Walker,
  library: string,
  directories: readonly string[],
  cache: ReadonlyMap<string, string>,
): string | null {
  const cached = cache.get(library);
  const candidates = library.includes("/")
    ? [library]
    : [
        ...(cached === undefined ? [] : [cached]),
        ...directories.map((directory) => `${directory}/${library}`),
      ];
  for (const candidate of candidates) {
    const way = walk(root, candidate, walker);
    if (way.kind === "found" && isFile(way.file)) return way.path;
  }
  return null;
}

function glibcDirectories(root: Root): string[] {
  const found = [...configured(root, "/etc/ld.so.conf", 0)];
  // Debian's directories for one kind of processor are built into its loader
  for (const parent of ["/lib", "/usr/lib"])
    found.push(
      ...namesIn(root, parent)
        .filter((name) => /-linux-gnu/.test(name))
        .map((name) => `${parent}/${name}`),
    );
  return [...new Set([...found, "/lib64", "/usr/lib64", "/lib", "/usr/lib"])];
}

/** ldconfig(8): a directory a line, and `include` with a pattern. */
function configured(root: Root, path: string, depth: number): string[] {
  if (depth > 3) return [];
  return textAt(root, path)
    .split("\n")
    .map((line) => line.replace(/#.*/, "").trim())
    .filter((line) => line !== "")
    .flatMap((line) => {
      const pattern = /^include\s+(\S+)$/.exec(line)?.[1];
      if (pattern === undefined) return line.startsWith("/") ? [line] : [];
      const directory = pattern.startsWith("/")
        ? pattern.slice(0, pattern.lastIndexOf("/"))
        : "/etc/ld.so.conf.d";
      return namesIn(root, directory)
        .filter((name) => name.endsWith(".conf"))
        .sort()
        .flatMap((name) => configured(root, `${directory}/${name}`, depth + 1));
    });
}

/** musl reads /etc/ld-musl-ARCH.path, or has its own list. */
function muslDirectories(root: Root, interpreter: string): string[] {
  const arch = /\/ld-musl-(.*)\.so\.1$/.exec(interpreter)?.[1] ?? "";
  const text = textAt(root, `/etc/ld-musl-${arch}.path`).trim();
  return text === "" ? ["/lib", "/usr/local/lib", "/usr/lib"] : text.split(/[:\n]/).filter(Boolean);
}

const MAGIC = "glibc-ld.so.cache1.1";

/** ld.so.cache: names, and where they lie. What cannot be read is as if it were not there: the loader then searches directories, too. */
function readCache(root: Root): Map<string, string> {
  const found = new Map<string, string>();
  const bytes = bytesAt(root, "/etc/ld.so.cache", CACHE_LIMIT);
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(MAGIC);
  if (start < 0) return found;
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, bytes.length - start);
  const text = (at: number): string => {
    const end = bytes.indexOf(0, start + at);
    return new TextDecoder().decode(bytes.subarray(start + at, end < 0 ? bytes.length : end));
  };
  try {
    const count = view.getUint32(20, true);
    for (let i = 0; i < count; i++) {
      const at = 48 + 24 * i;
      const name = text(view.getUint32(at + 4, true));
      if (!found.has(name)) found.set(name, text(view.getUint32(at + 8, true)));
    }
  } catch {
    // it is cut off, or of the other byte order
  }
  return found;
}

function bytesAt(root: Root, path: string, most: number): Uint8Array {
  const pieces: Uint8Array[] = [];
  try {
    for (let at = 0; at < most; ) {
      const piece = root.read(path, at, PIECE);
      pieces.push(piece);
      at += piece.length;
      if (piece.length < PIECE) break;
    }
  } catch {
    return new Uint8Array(0);
  }
  return new Uint8Array(Buffer.concat(pieces));
}

function textAt(root: Root, path: string): string {
  try {
    return new TextDecoder().decode(root.read(path, 0, CONFIGURATION_LIMIT));
  } catch {
    return "";
  }
}

function namesIn(root: Root, path: string): string[] {
  try {
    return root.list(path);
  } catch {
    return [];
  }
}
