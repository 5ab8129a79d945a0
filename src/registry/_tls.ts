import { readFileSync } from "node:fs";
import { EngineError } from "../error";

/**
 * Whom we trust: the authorities of the system, as the user's other programs do, so that a site's own authority works without further
 * ado. SSL_CERT_FILE takes their place, NODE_EXTRA_CA_CERTS comes on top. Without any, Bun's built-in list counts.
 */

type Environment = Record<string, string | undefined>;

/** Where distributions keep the bundle: Debian, Fedora, openSUSE, Alpine. */
const systemBundles = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/** Options for fetch's `tls`, or undefined for its defaults. */
export function tlsOptions(env: Environment, isUnverified: boolean): Bun.TLSOptions | undefined {
  if (isUnverified) return { rejectUnauthorized: false };
  const extra = env["NODE_EXTRA_CA_CERTS"];
  const base = baseBundle(env["SSL_CERT_FILE"]);
  if (base === undefined) return undefined; // Bun adds NODE_EXTRA_CA_CERTS to its own list itself
  return { ca: extra ? `${base}\n${read(extra)}` : base };
}

function baseBundle(chosen: string | undefined): string | undefined {
  if (chosen) return read(chosen);
  for (const path of systemBundles) {
    try {
      const text = readFileSync(path, "utf8");
      if (text.includes("BEGIN CERTIFICATE")) return text;
    } catch {
      // another distribution's place
    }
  }
  return undefined;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new EngineError("io", "read certificates", path, error);
  }
}
