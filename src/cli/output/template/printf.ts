import { quote } from "./literal";
import { exponent, isMap, isStruct, print, printNumber, typeName, type Value } from "./value";

type Spec = { flags: string; width: number | undefined; precision: number | undefined; verb: string };

const verbPattern = /%([-+# 0]*)(\*|\d+)?(?:\.(\*|\d+)?)?([\s\S])?/gu;

/** Go's fmt.Sprintf for the values of a template. A wrong verb prints `%!d(string=x)`, as Go's does. */
export function sprintf(format: string, values: readonly Value[]): string {
  let next = 0;
  const takeNumber = (text: string | undefined): number | undefined => {
    if (text === "*") return Number(values[next++]);
    return text === undefined ? undefined : Number(text);
  };
  const out = format.replace(
    verbPattern,
    (whole: string, flags: string, width, precision, verb: string | undefined) => {
      if (verb === undefined) return "%!(NOVERB)";
      if (verb === "%") return "%";
      const dotted = whole.includes(".");
      const spec: Spec = {
        flags,
        width: takeNumber(width),
        precision: takeNumber(precision) ?? (dotted ? 0 : undefined),
        verb,
      };
      if (next >= values.length) return `%!${verb}(MISSING)`;
      return pad(formatOne(spec, values[next++]), spec);
    },
  );
  if (next >= values.length) return out;
  const extra = values
    .slice(next)
    .map((value) => (value == null ? "<nil>" : `${typeName(value)}=${print(value)}`));
  return `${out}%!(EXTRA ${extra.join(", ")})`;
}

function pad(text: string, { flags, width, verb }: Spec): string {
  const missing = (width ?? 0) - [...text].length;
  if (missing <= 0) return text;
  if (flags.includes("-")) return text + " ".repeat(missing);
  if (!flags.includes("0") || !/[deEfFgGxXobsqv]/.test(verb)) return " ".repeat(missing) + text;
  const sign = /^[+-]/.exec(text)?.[0] ?? "";
  return sign + "0".repeat(missing) + text.slice(sign.length);
}

function formatOne(spec: Spec, value: Value): string {
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
      return spec.flags.includes("#") ? quote(cut) : cut;
    case "q":
      return quote(cut);
    case "x":
      return Buffer.from(cut).toString("hex");
    case "X":
      return Buffer.from(cut).toString("hex").toUpperCase();
  }
  return wrongVerb(spec, value);
}

function formatNumber(spec: Spec, value: number | bigint): string {
  const sign =
    spec.flags.includes("+") && value >= 0 ? "+" : spec.flags.includes(" ") && value >= 0 ? " " : "";
  const whole = typeof value === "bigint" || Number.isInteger(value);
  const radix = { d: 10, b: 2, o: 8, x: 16, X: 16 }[spec.verb];
  if (radix !== undefined) {
    if (!whole) return wrongVerb(spec, value);
    const digits = BigInt(value).toString(radix);
    return sign + (spec.verb === "X" ? digits.toUpperCase() : digits);
  }
  switch (spec.verb) {
    case "v":
    case "g":
    case "G":
      return (
        sign +
        (spec.precision === undefined ? printNumber(Number(value)) : general(Number(value), spec.precision))
      );
    case "f":
    case "F":
      return sign + Number(value).toFixed(spec.precision ?? 6);
    case "e":
      return sign + exponent(Number(value).toExponential(spec.precision ?? 6));
    case "c":
      if (whole) return String.fromCodePoint(Number(value));
      break;
    case "q":
      if (whole) return `'${String.fromCodePoint(Number(value))}'`;
      break;
    case "U":
      if (whole) return `U+${Number(value).toString(16).toUpperCase().padStart(4, "0")}`;
      break;
  }
  return wrongVerb(spec, value);
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
