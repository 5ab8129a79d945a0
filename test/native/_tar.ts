/** Archives byte by byte, so that tests can make what no archiver would. */

export type Header = {
  name: string | Uint8Array;
  /** Type flag; "" is v7's NUL. */
  type?: string;
  mode?: number;
  uid?: number;
  gid?: number;
  mtime?: number;
  link?: string;
  content?: string | Uint8Array;
  /** What the size field says, when not the content's length. */
  size?: number;
  prefix?: string;
  /** Eight bytes of magic and version. */
  magic?: string;
  /** Uid and gid in base 256. */
  binary?: boolean;
  /** Written over the finished header, before the checksum, by offset. */
  raw?: Record<number, string | Uint8Array>;
  /** A wrong checksum. */
  damaged?: boolean;
};

const POSIX = "ustar\x0000";
export const GNU = "ustar  \0";
const V7 = "\0\0\0\0\0\0\0\0";

const bytesOf = (value: string | Uint8Array): Uint8Array =>
  typeof value === "string" ? Buffer.from(value, "utf8") : value;

const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, "0")}\0`;

function base256(value: number, width: number): Uint8Array {
  const field = Buffer.alloc(width);
  field.writeBigUInt64BE(BigInt(value), width - 8);
  field[0] = 0x80;
  return field;
}

function padded(content: Uint8Array): Uint8Array {
  return Buffer.concat([content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

/** One entry: header block and padded content. */
export function entry(header: Header): Uint8Array {
  const block = Buffer.alloc(512);
  const content = bytesOf(header.content ?? "");
  const put = (at: number, value: string | Uint8Array): void => block.set(bytesOf(value), at);
  put(0, bytesOf(header.name).subarray(0, 100));
  put(100, octal(header.mode ?? (header.type === "5" ? 0o755 : 0o644), 7));
  put(108, header.binary ? base256(header.uid ?? 0, 8) : octal(header.uid ?? 0, 7));
  put(116, header.binary ? base256(header.gid ?? 0, 8) : octal(header.gid ?? 0, 7));
  put(124, octal(header.size ?? content.length, 11));
  put(136, octal(header.mtime ?? 1_600_000_000, 11));
  put(156, header.type === "" ? "\0" : (header.type ?? "0"));
  put(157, bytesOf(header.link ?? "").subarray(0, 100));
  put(257, header.magic ?? (header.type === "" ? V7 : POSIX));
  if (header.prefix !== undefined) put(345, header.prefix);
  for (const [at, value] of Object.entries(header.raw ?? {})) put(Number(at), value);
  put(148, "        ");
  const sum = block.reduce((total, byte) => total + byte, header.damaged ? 1 : 0);
  put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return Buffer.concat([block, padded(content)]);
}

/** "LENGTH KEY=VALUE\n", the length counting itself. */
function record(key: string, value: string | Uint8Array): Uint8Array {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), bytesOf(value), Buffer.from("\n")]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length++;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

export type Records = [key: string, value: string | Uint8Array][];

/** A pax header ('x'; 'g' for a global one). */
export function pax(records: Records, type = "x"): Uint8Array {
  return entry({
    name: "pax",
    type,
    content: Buffer.concat(records.map(([key, value]) => record(key, value))),
  });
}

/** GNU's 'L' or 'K'. */
export const gnuLong = (type: "L" | "K", text: string): Uint8Array =>
  entry({ name: "././@LongLink", type, magic: GNU, content: `${text}\0` });

export const file = (name: string, content = "", more: Partial<Header> = {}): Uint8Array =>
  entry({ name, content, ...more });
export const directory = (name: string, more: Partial<Header> = {}): Uint8Array =>
  entry({ name, type: "5", ...more });
export const symlink = (name: string, link: string, more: Partial<Header> = {}): Uint8Array =>
  entry({ name, type: "2", link, mode: 0o777, ...more });
export const hardLink = (name: string, link: string): Uint8Array => entry({ name, type: "1", link });

/** Entries and the two blocks of zeros. */
export const archive = (...entries: Uint8Array[]): Uint8Array =>
  Buffer.concat([...entries, Buffer.alloc(1024)]);
