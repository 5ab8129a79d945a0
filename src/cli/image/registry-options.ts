/** How registries are spoken to: the flags of every command that does. */
import { EngineError } from "../../error";
import type { RegistryFlags } from "../../image";
import type { Args, Values } from "../tree";

export const registryArgs = {
  authfile: {
    type: "string",
    valueHint: "FILE",
    value: "file",
    description: "Where the log-ins are",
    details: "In place of the usual files; the variable REGISTRY_AUTH_FILE has the same effect.",
  },
  "cert-dir": {
    type: "string",
    valueHint: "DIRECTORY",
    value: "directory",
    description: "Certificates for the registry",
    details: "*.crt are authorities, X.cert with X.key what proa shows of itself. In place of certs.d/HOST.",
  },
  creds: {
    type: "string",
    valueHint: "USER[:PASSWORD]",
    value: "none",
    description: "Log in for this command",
  },
  retry: {
    type: "int",
    valueHint: "COUNT",
    min: 0,
    description: "Further tries where the registry fails",
  },
  "retry-delay": {
    type: "string",
    valueHint: "DURATION",
    value: "none",
    description: "Time before the first of them",
  },
  "tls-verify": {
    type: "boolean",
    description: "Ask for TLS and a certificate that is vouched for",
    details: "With =false plain HTTP and any certificate will do. Default: as registries.conf has it.",
  },
} as const satisfies Args;

type Given = Pick<Values<typeof registryArgs>, keyof typeof registryArgs>;

/** @throws EngineError `invalid` */
export function registryFlagsFrom(args: Given, given: ReadonlySet<string>): RegistryFlags {
  const { retry, "retry-delay": delay } = args;
  return {
    tlsVerify: given.has("tls-verify") ? args["tls-verify"] : undefined,
    credentials: args.creds === undefined ? undefined : parseCredentials(args.creds),
    authFile: args.authfile,
    certDir: args["cert-dir"],
    retry:
      retry === undefined && delay === undefined
        ? undefined
        : { attempts: (retry ?? 4) + 1, firstDelayMs: delay === undefined ? 300 : delayOf(delay) },
  };
}

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

function delayOf(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  const read = parts.map((part) => part[0]).join("");
  if (/^\d+$/.test(text)) return Number(text) * 1000; // seconds
  if (parts.length === 0 || read !== text) {
    throw new EngineError("invalid", "--retry-delay", JSON.stringify(text), "write a duration such as 2s", {
      exitCode: 125,
    });
  }
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (unitsMs[unit ?? ""] ?? 0), 0);
}

/** `USER[:PASSWORD]` of `--creds`. */
function parseCredentials(text: string): { username: string; password: string } {
  const colon = text.indexOf(":");
  const username = colon < 0 ? text : text.slice(0, colon);
  if (username === "") {
    throw new EngineError("invalid", "--creds", "", "it does not begin with a user: write USER:PASSWORD", {
      exitCode: 125,
    });
  }
  return { username, password: colon < 0 ? "" : text.slice(colon + 1) };
}

/** Which image of several is meant. */
export const platformArgs = {
  platform: { type: "string", valueHint: "OS/ARCH", value: "platform", description: "Platform of the image" },
  arch: {
    type: "string",
    valueHint: "ARCH",
    value: "architecture",
    description: "Architecture of the image",
  },
  os: { type: "string", valueHint: "OS", value: "os", description: "Operating system of the image" },
  variant: {
    type: "string",
    valueHint: "VARIANT",
    value: "architecture-variant",
    description: "Variant of the architecture of the image",
  },
} as const satisfies Args;

/** podman's three options in place of docker's one. */
export function platformFrom({
  platform,
  arch,
  os,
  variant,
}: Pick<Values<typeof platformArgs>, keyof typeof platformArgs>): string | undefined {
  if (arch === undefined && os === undefined && variant === undefined) return platform;
  if (platform !== undefined) {
    const why = "it says all that --arch, --os and --variant say";
    throw new EngineError("invalid", "platform", platform, why);
  }
  const { hostPlatform } = require("../../oci") as typeof import("../../oci");
  const host = hostPlatform();
  const parts = [os ?? host.os, arch ?? host.architecture];
  if (variant !== undefined) parts.push(variant);
  return parts.join("/");
}

export const trustArgs = {
  "disable-content-trust": {
    type: "boolean",
    default: true,
    description: "Do not verify signatures of docker's content trust; proa never does",
  },
} as const satisfies Args;

/** @throws EngineError `unsupported` */
export function checkTrust(args: Pick<Values<typeof trustArgs>, keyof typeof trustArgs>): void {
  if (args["disable-content-trust"]) return;
  throw new EngineError(
    "unsupported",
    "content trust",
    "--disable-content-trust=false",
    "proa does not verify signatures of docker's content trust",
    { hint: "name the image by its digest: IMAGE@sha256:…" },
  );
}
