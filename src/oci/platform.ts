import { EngineError } from "../error";

/** Platforms of images, as the OCI image index has them, in Go's words for systems and architectures. */

export type Platform = { os: string; architecture: string; variant: string | undefined };

/** What other tools call an architecture, and what it is called here. A variant that the name implies comes with it. */
const synonyms: Record<string, { architecture: string; variant?: string }> = {
  x86_64: { architecture: "amd64" },
  "x86-64": { architecture: "amd64" },
  i386: { architecture: "386" },
  i686: { architecture: "386" },
  aarch64: { architecture: "arm64" },
  armhf: { architecture: "arm", variant: "v7" },
  armel: { architecture: "arm", variant: "v6" },
};

/** Bun's names of the processors it runs on. */
const hostArchitectures: Record<string, string> = { x64: "amd64", arm64: "arm64", ia32: "386", arm: "arm" };

const architectures = new Set(
  "386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc64 ppc64le riscv64 s390x wasm".split(" "),
);

const partForm = /^[A-Za-z0-9_.-]+$/;

/** The platform this runs on. */
export function hostPlatform(): Platform {
  return normalize("linux", hostArchitectures[process.arch] ?? process.arch, undefined);
}

/**
 * Reads `os/architecture[/variant]`, `architecture` or `os`; what is left out is the host's.
 *
 * @throws EngineError `invalid`
 */
export function parsePlatform(text: string): Platform {
  const parts = text.split("/");
  const bad = (why: string) => new EngineError("invalid", "invalid platform", text.slice(0, 100), why);
  if (parts.length > 3) throw bad("a platform is os/architecture[/variant]");
  for (const part of parts) if (!partForm.test(part)) throw bad("a platform is os/architecture[/variant]");
  const [first = "", second, third] = parts;
  if (second !== undefined) return normalize(first.toLowerCase(), second.toLowerCase(), third?.toLowerCase());
  const alone = first.toLowerCase();
  if (Object.hasOwn(synonyms, alone) || architectures.has(alone)) return normalize("linux", alone, undefined);
  return { ...hostPlatform(), os: alone };
}

export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = platform;
  return variant === undefined ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}

/** One form for each platform: synonyms resolved, and the variants that mean the default left out or filled in. */
export function normalize(os: string, architecture: string, variant: string | undefined): Platform {
  const known = Object.hasOwn(synonyms, architecture) ? synonyms[architecture] : undefined;
  const arch = known?.architecture ?? architecture;
  const given = variant === "" ? undefined : (variant ?? known?.variant);
  return { os, architecture: arch, variant: defaultVariant(arch, given) };
}

function defaultVariant(architecture: string, variant: string | undefined): string | undefined {
  if (architecture === "arm64") return variant === "v8" || variant === "8" ? undefined : variant;
  if (architecture === "amd64") return variant === "v1" ? undefined : variant;
  if (architecture === "arm")
    return variant === undefined ? "v7" : /^\d$/.test(variant) ? `v${variant}` : variant;
  return variant;
}

/**
 * The candidate that runs best on WANTED, or undefined. A newer processor runs what was built for an older one (arm v7 runs v6,
 * amd64 v3 runs v2), and the nearest is taken; among equals the first, as the index orders them.
 */
export function choosePlatform<T>(
  candidates: readonly T[],
  platformOf: (candidate: T) => Platform | undefined,
  wanted: Platform,
): T | undefined {
  let best: T | undefined;
  let bestRank = Number.POSITIVE_INFINITY;
  const order = runnable(wanted).map(formatPlatform);
  for (const candidate of candidates) {
    const platform = platformOf(candidate);
    if (platform === undefined) continue;
    const rank = order.indexOf(
      formatPlatform(normalize(platform.os, platform.architecture, platform.variant)),
    );
    if (rank >= 0 && rank < bestRank) {
      best = candidate;
      bestRank = rank;
    }
  }
  return best;
}

/** Whether an image for HAVE runs where WANTED is asked for. */
export function runsOn(have: Platform, wanted: Platform): boolean {
  return choosePlatform([have], (platform) => platform, wanted) !== undefined;
}

/** WANTED and the older ones it can run, best first. */
function runnable(wanted: Platform): Platform[] {
  const self = normalize(wanted.os, wanted.architecture, wanted.variant);
  const lowest = { arm: 5, amd64: 1 }[self.architecture];
  const level = /^v(\d)$/.exec(self.variant ?? "")?.[1];
  if (lowest === undefined || level === undefined) return [self];
  const order: Platform[] = [];
  for (let at = Number(level); at >= lowest; at--)
    order.push(normalize(self.os, self.architecture, `v${at}`));
  return order;
}
