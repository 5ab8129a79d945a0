/** Sizes for people, as docker prints them. */

const decimalUnits = ["B", "kB", "MB", "GB", "TB", "PB", "EB"] as const;
const binaryUnits = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] as const;

/** `1.2MB`: base 1000, four significant digits at most (go-units' HumanSize). */
export function humanSize(sizeBytes: number, digits = 4): string {
  return scaled(sizeBytes, 1000, decimalUnits, digits);
}

/** `74.8MB`: base 1000, three significant digits: the sizes of images and of `ps --size`. */
export function imageSize(sizeBytes: number): string {
  return humanSize(sizeBytes, 3);
}

/** `1.5GiB`: base 1024, four significant digits: memory. */
export function memorySize(sizeBytes: number): string {
  return scaled(sizeBytes, 1024, binaryUnits, 4);
}

function scaled(size: number, base: number, units: readonly string[], digits: number): string {
  if (size === 0) return `0${units[0]}`; // most of a list, and rounding takes its time
  let value = size;
  let unit = 0;
  // Rounding may lift 999.9 to 1000: then the next unit has it, where go-units prints "1e+03".
  const isTooLarge = () => Math.abs(value) >= base || Math.abs(Number(value.toPrecision(digits))) >= base;
  while (unit < units.length - 1 && isTooLarge()) {
    value /= base;
    unit++;
  }
  return `${Number(value.toPrecision(digits))}${units[unit] ?? ""}`;
}
