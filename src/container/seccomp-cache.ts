import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Context } from "../state";

/** Name of the annotation that says which filter a bundle has. */
export const SECCOMP_ANNOTATION = "proa.seccomp";

// In the bundle's text, whose strings have no bare quotes in them: parsing all of it, filter included, takes ten times as long.
const annotation = /"annotations":\{[^{}]*"proa\.seccomp":"([0-9a-f]+)"/;

/** Where the compiled filter of a bundle is kept: by what is in the bundle, which a newer proa might not choose again. */
export function seccompCacheOf(context: Context, directory: string): string | null {
  const digest = annotation.exec(readFileSync(join(directory, "config.json"), "utf8"))?.[1];
  return digest === undefined ? null : join(context.paths.seccomp, `${digest}.bpf`);
}
