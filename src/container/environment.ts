/** Rules for a container's environment: variables laid below the image's, made from them, or taken away. */
import type { ContainerSpec } from "../oci";
import type { EnvironmentRules } from "./create";

/** The variables that proa sets by itself; HOME and HOSTNAME are what programs cannot do without. */
const OWN = ["PATH", "TERM"];

/** The lines of the whole environment: `image` by the rules, then `own`. */
export function applyRules(
  rules: EnvironmentRules,
  image: readonly string[],
  own: readonly string[],
): string[] {
  const values = new Map<string, string>();
  for (const line of [...rules.below, ...image]) {
    const cut = line.indexOf("=");
    if (cut > 0) values.set(line.slice(0, cut), line.slice(cut + 1));
  }
  for (const [name, text] of rules.merge) values.set(name, expand(text, values));
  if (rules.unsetAll) values.clear();
  for (const name of rules.unset) values.delete(name);
  return [...[...values].map(([name, value]) => `${name}=${value}`), ...own];
}

/** `$NAME` and `${NAME}`; what is not there is empty. */
function expand(text: string, values: ReadonlyMap<string, string>): string {
  return text.replace(
    /\$(?:\{([^}]*)\}|([A-Za-z_][A-Za-z0-9_]*))/g,
    (_, braced?: string, bare?: string) => values.get(braced ?? bare ?? "") ?? "",
  );
}

/** The names that are not to be set by default either, but for those that the user sets. */
export function unsetBy(rules: EnvironmentRules, own: readonly string[]): Pick<ContainerSpec, "UnsetEnv"> {
  const set = new Set(own.map((line) => line.split("=", 1)[0]));
  const names = [...rules.unset, ...(rules.unsetAll ? OWN : [])].filter((name) => !set.has(name));
  return names.length > 0 ? { UnsetEnv: names } : {};
}
