/** What a file is, told by its first bytes: the commonest part of the WHATWG's rules for sniffing media types. */

const SIGNS: readonly [hex: string, type: string, at?: number][] = [
  ["255044462d", "application/pdf"],
  ["1f8b08", "application/x-gzip"],
  ["504b0304", "application/zip"],
  ["526172211a07", "application/x-rar-compressed"],
  ["0061736d", "application/wasm"],
  ["89504e470d0a1a0a", "image/png"],
  ["ffd8ff", "image/jpeg"],
  ["474946383761", "image/gif"],
  ["474946383961", "image/gif"],
  ["424d", "image/bmp"],
  ["57454250", "image/webp", 8],
  ["494433", "audio/mpeg"],
  ["4f67675300", "application/ogg"],
  ["57415645", "audio/wave", 8],
  ["1a45dfa3", "video/webm"],
  ["66747970", "video/mp4", 4],
];

/** @param head the file's first 512 bytes, or all where there are fewer */
export function sniffedType(head: Uint8Array): string {
  const bytes = Buffer.from(head);
  for (const [hex, type, at = 0] of SIGNS) {
    if (bytes.subarray(at, at + hex.length / 2).toString("hex") === hex) return type;
  }
  const text = bytes.toString("latin1").trimStart().toLowerCase();
  if (text.startsWith("<?xml")) return "text/xml; charset=utf-8";
  if (/^<(!doctype html|html|head|body|script|table|h1|div|p|br|title)[\s>]/.test(text))
    return "text/html; charset=utf-8";
  const isBinary = bytes.some(
    (byte) => byte <= 8 || byte === 0x0b || (byte >= 0x0e && byte <= 0x1a) || (byte >= 0x1c && byte <= 0x1f),
  );
  return isBinary ? "application/octet-stream" : "text/plain; charset=utf-8";
}
