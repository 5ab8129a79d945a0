/**
 * What a program's file says of itself: elf(5). The file is the container's and may say anything: every length is bounded, every offset is looked up in
 * the file and nowhere else.
 */

export type Elf = {
  bits: 32 | 64;
  isBigEndian: boolean;
  /** EM_…: what processor it is for. */
  machine: number;
  /** The loader, PT_INTERP; null of a static program. */
  interpreter: string | null;
  /** Names of libraries, DT_NEEDED. */
  needed: string[];
  /** Where they are looked for first: DT_RUNPATH, else DT_RPATH. */
  runpath: string[];
};

export type Read = (offset: number, length: number) => Uint8Array;

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DT_STRSZ = 10;
const DT_RPATH = 15;
const DT_RUNPATH = 29;

const HEADERS_LIMIT = 256;
const DYNAMIC_LIMIT = 64 << 10;
const STRINGS_LIMIT = 256 << 10;
const PATH_LIMIT = 4096;

export function isElf(head: Uint8Array): boolean {
  return head[0] === 0x7f && head[1] === 0x45 && head[2] === 0x4c && head[3] === 0x46;
}

/** Throws a plain Error where it is cut off, or is no such file. */
export function readElf(read: Read): Elf {
  const head = read(0, 64);
  if (!isElf(head)) throw new Error("it is no ELF file");
  const bits = head[4] === 2 ? 64 : 32;
  const isBigEndian = head[5] === 2;
  const view = fieldsOf(head, isBigEndian, bits);
  const elf: Elf = { bits, isBigEndian, machine: view.half(18), interpreter: null, needed: [], runpath: [] };
  const [at, size, count] =
    bits === 64
      ? [view.word(32), view.half(54), view.half(56)]
      : [view.word(28), view.half(42), view.half(44)];
  if (size < (bits === 64 ? 56 : 32) || count > HEADERS_LIMIT)
    throw new Error("its table of segments makes no sense");
  const segments = segmentsOf(exactly(read, at, size * count), { size, count, isBigEndian, bits });
  const interpreter = segments.find(({ type }) => type === PT_INTERP);
  if (interpreter)
    elf.interpreter = textAt(exactly(read, interpreter.offset, Math.min(interpreter.size, PATH_LIMIT)), 0);
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  if (dynamic) readDynamic(read, dynamic, segments, elf);
  return elf;
}

type Segment = { type: number; offset: number; address: number; size: number };

function fieldsOf(bytes: Uint8Array, isBigEndian: boolean, bits: 32 | 64) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const within = (at: number, size: number) => {
    if (at + size > bytes.length) throw new Error("it is cut off");
  };
  return {
    half(at: number): number {
      within(at, 2);
      return view.getUint16(at, !isBigEndian);
    },
    long(at: number): number {
      within(at, 4);
      return view.getUint32(at, !isBigEndian);
    },
    /** As wide as an address. */
    word(at: number): number {
      within(at, bits / 8);
      return bits === 64 ? Number(view.getBigUint64(at, !isBigEndian)) : view.getUint32(at, !isBigEndian);
    },
  };
}

function exactly(read: Read, offset: number, length: number): Uint8Array {
  if (!Number.isSafeInteger(offset)) throw new Error("it is cut off");
  const bytes = read(offset, length);
  if (bytes.length < length) throw new Error("it is cut off");
  return bytes;
}

function segmentsOf(
  table: Uint8Array,
  { size, count, isBigEndian, bits }: { size: number; count: number; isBigEndian: boolean; bits: 32 | 64 },
): Segment[] {
  const view = fieldsOf(table, isBigEndian, bits);
  return Array.from({ length: count }, (_, i) => {
    const at = i * size;
    return bits === 64
      ? {
          type: view.long(at),
          offset: view.word(at + 8),
          address: view.word(at + 16),
          size: view.word(at + 32),
        }
      : {
          type: view.long(at),
          offset: view.word(at + 4),
          address: view.word(at + 8),
          size: view.word(at + 16),
        };
  });
}

function readDynamic(read: Read, dynamic: Segment, segments: readonly Segment[], elf: Elf): void {
  const bytes = exactly(read, dynamic.offset, Math.min(dynamic.size, DYNAMIC_LIMIT));
  const view = fieldsOf(bytes, elf.isBigEndian, elf.bits);
  const width = elf.bits / 8;
  const entries: [tag: number, value: number][] = [];
  for (let at = 0; at + 2 * width <= bytes.length; at += 2 * width) {
    const tag = view.word(at);
    if (tag === 0) break;
    entries.push([tag, view.word(at + width)]);
  }
  const valueOfTag = (wanted: number) => entries.find(([tag]) => tag === wanted)?.[1];
  const address = valueOfTag(DT_STRTAB);
  if (address === undefined) return;
  const load = segments.find(
    ({ type, address: from, size }) => type === PT_LOAD && address >= from && address < from + size,
  );
  if (!load) throw new Error("its table of names is nowhere in it");
  const strings = read(
    load.offset + (address - load.address),
    Math.min(valueOfTag(DT_STRSZ) ?? 0, STRINGS_LIMIT),
  );
  elf.needed = entries
    .flatMap(([tag, value]) => (tag === DT_NEEDED ? [textAt(strings, value)] : []))
    .filter(Boolean);
  const path = valueOfTag(DT_RUNPATH) ?? valueOfTag(DT_RPATH);
  if (path !== undefined) elf.runpath = textAt(strings, path).split(":").filter(Boolean);
}

function textAt(bytes: Uint8Array, at: number): string {
  if (at >= bytes.length) return "";
  const end = bytes.indexOf(0, at);
  return new TextDecoder().decode(
    bytes.subarray(at, Math.min(end < 0 ? bytes.length : end, at + PATH_LIMIT)),
  );
}

const MACHINES: Readonly<Record<number, string>> = {
  3: "i386",
  8: "mips",
  20: "ppc",
  21: "ppc64",
  22: "s390x",
  40: "arm",
  62: "x86_64",
  183: "aarch64",
  243: "riscv64",
  258: "loongarch64",
};

/** The processor's name as uname -m has it; what the number stands for where it is not known. */
export function machineName({ machine, isBigEndian }: Pick<Elf, "machine" | "isBigEndian">): string {
  const name = MACHINES[machine];
  if (name === undefined) return `machine ${machine}`;
  if (name === "ppc64" && !isBigEndian) return "ppc64le";
  return name === "mips" && !isBigEndian ? "mipsel" : name;
}

/** Whether a processor of this host (process.arch) executes it. */
export function runsOnHost(elf: Pick<Elf, "machine" | "isBigEndian">, arch: string): boolean {
  const own: Readonly<Record<string, readonly string[]>> = {
    x64: ["x86_64", "i386"],
    arm64: ["aarch64", "arm"],
  };
  return (own[arch] ?? []).includes(machineName(elf));
}
