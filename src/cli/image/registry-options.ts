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
