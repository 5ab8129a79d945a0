import { readFileSync } from "node:fs";
import { EngineError } from "../error";

/**
 * Refuse an argument that is not UTF-8. Such bytes reach us as U+FFFD and would go to the container as something else than
 * was typed. A U+FFFD that was really typed is fine, so the kernel's copy of argv decides.
 */
export function refuseNonUtf8(
  argv: readonly string[],
  cmdline: Uint8Array = readFileSync("/proc/self/cmdline"),
): void {
  const words = splitAtNul(cmdline).slice(-argv.length);
  for (const [at, word] of words.entries()) {
    if (isUtf8(word)) continue;
    throw new EngineError("usage", "read arguments", `argument ${at + 1}`, "not valid UTF-8", {
      hint: `it reads "${argv[at] ?? ""}", with a replacement character for each wrong byte`,
    });
  }
}

function splitAtNul(bytes: Uint8Array): Uint8Array[] {
  const words: Uint8Array[] = [];
  let start = 0;
  for (let end = bytes.indexOf(0); end >= 0; end = bytes.indexOf(0, start)) {
    words.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return words;
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
