import { quote } from "./literal";
import {
  exponent,
  isList,
  isMap,
  isStruct,
  print,
  printNumber,
  sortedEntries,
  typeName,
  type Value,
} from "./value";

type Spec = { flags: string; width: number | undefined; precision: number | undefined; verb: string };

// %, flags, [index] and width, [index] and precision, [index] of the value, verb
const verbPattern =
  /%([-+# 0]*)(?:\[([^\]]*)\])?(\*|\d+)?(?:(\.)(?:\[([^\]]*)\])?(\*|\d+)?)?(?:\[([^\]]*)\])?([\s\S])?/gu;

/** Go's fmt.Sprintf for the values of a template. A wrong verb prints `%!d(string=x)`, as Go's does. */
export function sprintf(format: string, values: readonly Value[]): string {
  let next = 0;
  let isReordered = false;
  let isBad = false;
  const jump = (index: string | undefined): void => {
    if (index === undefined) return;
    isReordered = true;
    const wanted = /^\d+$/.test(index) ? Number(index) : 0;
    if (wanted < 1 || wanted > values.length) isBad = true;
    else next = wanted - 1;
  };
  const takeNumber = (text: string | undefined): number | undefined => {
    if (text === "*") return Number(values[next++]);
    return text === undefined ? undefined : Number(text);
  };
  const out = format.replace(
    verbPattern,
    (_whole: string, given: string, first, width, dot, second, precision, third, verb?: string) => {
      if (verb === undefined) return "%!(NOVERB)";
      if (verb === "%") return "%";
      isBad = false;
      jump(first);
      let wide = takeNumber(width);
      jump(second);
      const exact = takeNumber(precision) ?? (dot === undefined ? undefined : 0);
      jump(third);
      let flags = given;
      if (wide !== undefined && wide < 0) {
        flags += "-"; // given by *
        wide = -wide;
      }
      if (isBad) return `%!${verb}(BADINDEX)`;
      if (next >= values.length) return `%!${verb}(MISSING)`;
      const spec: Spec = { flags, width: wide, precision: exact, verb };
      return pad(formatOne(spec, values[next++]), spec);
    },
  );
  if (isReordered || next >= values.length) return out;
  const extra = values
    .slice(next)
    .map((value) => (value == null ? "<nil>" : `${typeName(value)}=${print(value)}`));
  return `${out}%!(EXTRA ${extra.join(", ")})`;
}

function pad(text: string, { flags, width, precision, verb }: Spec): string {
  const missing = (width ?? 0) - [...text].length;
  if (missing <= 0) return text;
  if (flags.includes("-")) return text + " ".repeat(missing);
  const isExact = precision !== undefined && /[dxXobO]/.test(verb); // then zeros come from there
  if (!flags.includes("0") || isExact || !/[deEfFgGxXobOsqv]/.test(verb)) return " ".repeat(missing) + text;
  const sign = /^[+-]/.exec(text)?.[0] ?? "";
  return sign + "0".repeat(missing) + text.slice(sign.length);
}

function formatOne(spec: Spec, value: Value): string {
  if (spec.verb === "T") return value == null ? "<nil>" : typeName(value);
  if (spec.verb === "v" && spec.flags.includes("#")) return goSyntax(value);
  if (typeof value === "number" || typeof value === "bigint") return formatNumber(spec, value);
  if (typeof value === "string") return formatString(spec, value);
  if (typeof value === "boolean") return "tv".includes(spec.verb) ? String(value) : wrongVerb(spec, value);
  if (value == null) return spec.verb === "v" ? "<nil>" : `%!${spec.verb}(<nil>)`;
  switch (spec.verb) {
    case "v":
      return spec.flags.includes("+") && isStruct(value) ? withNames(value) : print(value);
    case "s":
      return print(value);
    case "q":
      return print(value, true);
  }
  if (Array.isArray(value)) return `[${value.map((each) => formatOne(spec, each)).join(" ")}]`;
  if (isMap(value))
    return `map[${[...value].map(([key, each]) => `${key}:${formatOne(spec, each)}`).join(" ")}]`;
  return wrongVerb(spec, value);
}

/** %#v: as it is written in Go. */
function goSyntax(value: Value): string {
  if (value == null) return "<nil>";
  if (typeof value === "string") return quote(value);
  if (isList(value)) return `${typeName(value)}{${value.map(goSyntax).join(", ")}}`;
  if (isMap(value)) {
    const entries = sortedEntries(value).map(([key, each]) => `${quote(key)}:${goSyntax(each)}`);
    return `${typeName(value)}{${entries.join(", ")}}`;
  }
  return print(value);
}

/** %+v of a struct. */
function withNames(value: Record<string, unknown>): string {
  const fields = Object.entries(value).filter(([, each]) => typeof each !== "function");
  return `{${fields.map(([key, each]) => `${key}:${print(each)}`).join(" ")}}`;
}

function formatString(spec: Spec, value: string): string {
  const cut = spec.precision === undefined ? value : [...value].slice(0, spec.precision).join("");
  switch (spec.verb) {
    case "s":
    case "v":
      return cut;
    case "q":
      if (spec.flags.includes("#") && !/[`\x00-\x08\x0a-\x1f\x7f\ufeff]/.test(cut)) return `\`${cut}\``;
      return spec.flags.includes("+") ? asciiOf(quote(cut)) : quote(cut);
    case "x":
      return hexOf(cut, spec.flags);
    case "X":
      return hexOf(cut, spec.flags).toUpperCase();
  }
  return wrongVerb(spec, value);
}

/** The bytes of a text; "# ": each with 0x in front, " ": apart. */
function hexOf(text: string, flags: string): string {
  const bytes = [...Buffer.from(text)].map((byte) => byte.toString(16).padStart(2, "0"));
  const before = flags.includes("#") ? "0x" : "";
  return flags.includes(" ")
    ? bytes.map((byte) => before + byte).join(" ")
    : bytes.length > 0
      ? before + bytes.join("")
      : "";
}

/** %+q: what is not ASCII as escapes. */
function asciiOf(quoted: string): string {
  return quoted.replace(/[^\x00-\x7f]/gu, (char) => {
    const code = char.codePointAt(0) ?? 0;
    const [letter, width] = code > 0xffff ? ["U", 8] : ["u", 4];
    return `\\${letter}${code.toString(16).padStart(width as number, "0")}`;
  });
}

const bases: Record<string, readonly [base: number, prefix: string]> = {
  d: [10, ""],
  b: [2, "0b"],
  o: [8, "0"],
  O: [8, "0o"],
  x: [16, "0x"],
  X: [16, "0X"],
};

function wholeDigits({ flags, precision, verb }: Spec, value: bigint, sign: string): string {
  const [base, prefix] = bases[verb] ?? [10, ""];
  const bare = (value < 0n ? -value : value).toString(base).padStart(precision ?? 0, "0");
  const digits = precision === 0 && value === 0n ? "" : verb === "X" ? bare.toUpperCase() : bare;
  return (value < 0n ? "-" : sign) + (flags.includes("#") || verb === "O" ? prefix : "") + digits;
}

function formatNumber(spec: Spec, value: number | bigint): string {
  const sign =
    spec.flags.includes("+") && value >= 0 ? "+" : spec.flags.includes(" ") && value >= 0 ? " " : "";
  const whole = typeof value === "bigint" || Number.isInteger(value);
  if (bases[spec.verb] !== undefined) {
    if (!whole) return wrongVerb(spec, value);
    return wholeDigits(spec, BigInt(value), sign);
  }
  switch (spec.verb) {
    case "v":
      if (typeof value === "bigint") return sign + String(value);
      return sign + shortest(value, spec.precision);
    case "g":
      return sign + shortest(Number(value), spec.precision);
    case "G":
      return sign + shortest(Number(value), spec.precision).toUpperCase();
    case "f":
    case "F":
      return sign + Number(value).toFixed(spec.precision ?? 6);
    case "e":
      return sign + exponent(Number(value).toExponential(spec.precision ?? 6));
    case "E":
      return sign + exponent(Number(value).toExponential(spec.precision ?? 6)).toUpperCase();
    case "c":
      if (whole) return String.fromCodePoint(Number(value));
      break;
    case "q":
      if (whole) return quotedLetter(Number(value));
      break;
    case "U":
      if (whole) {
        const code = `U+${Number(value).toString(16).toUpperCase().padStart(4, "0")}`;
        return spec.flags.includes("#") ? `${code} '${String.fromCodePoint(Number(value))}'` : code;
      }
      break;
  }
  return wrongVerb(spec, value);
}

function shortest(value: number, precision: number | undefined): string {
  return precision === undefined ? printNumber(value) : general(value, precision);
}

/** %.Pg: P significant digits, without the zeros at the end. */
function general(value: number, precision: number): string {
  const digits = Math.max(1, precision);
  const power = value === 0 ? 0 : Number(value.toExponential(digits - 1).split("e")[1]);
  if (power < -4 || power >= digits) {
    return exponent(value.toExponential(digits - 1).replace(/\.?0*e/, "e"));
  }
  const text = value.toFixed(Math.max(0, digits - 1 - power));
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

function wrongVerb({ verb }: Spec, value: Value): string {
  return `%!${verb}(${typeName(value)}=${print(value)})`;
}

/** A letter as Go writes it: 'a', '\\n'. */
function quotedLetter(code: number): string {
  const letter = code >= 0 && code <= 0x10ffff ? String.fromCodePoint(code) : "\ufffd";
  return letter === "'" ? "'\\''" : letter === '"' ? "'\"'" : `'${quote(letter).slice(1, -1)}'`;
}
