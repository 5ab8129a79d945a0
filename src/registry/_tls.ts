import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
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

/**
 * Options for fetch's `tls`, or undefined for its defaults.
 *
 * @param directories of this host (containers-certs.d(5)): `*.crt` are authorities, `X.cert` with `X.key` what we show
 */
export function tlsOptions(
  env: Environment,
  isUnverified: boolean,
  directories: readonly string[] = [],
): Bun.TLSOptions | undefined {
  const own = ownCertificates(directories);
  const client = own.cert === undefined ? {} : { cert: own.cert, key: own.key ?? "" };
  if (isUnverified) return { rejectUnauthorized: false, ...client };
  const extra = env["NODE_EXTRA_CA_CERTS"];
  const base = baseBundle(env["SSL_CERT_FILE"]);
  if (base === undefined && own.authorities.length === 0) return own.cert === undefined ? undefined : client;
  // Bun adds NODE_EXTRA_CA_CERTS to its own list itself, but not to one of ours.
  const list = [...(base === undefined ? [] : [base]), ...own.authorities, ...(extra ? [read(extra)] : [])];
  return { ca: list.join("\n"), ...client };
}

type Own = { authorities: string[]; cert: string | undefined; key: string | undefined };

function ownCertificates(directories: readonly string[]): Own {
  const own: Own = { authorities: [], cert: undefined, key: undefined };
  for (const directory of directories) {
    let names: string[];
    try {
      names = readdirSync(directory).sort();
    } catch (error) {
      throw new EngineError("io", "read certificates", directory, error);
    }
    for (const name of names) {
      const path = join(directory, name);
      if (name.endsWith(".crt")) own.authorities.push(read(path));
      else if (name.endsWith(".cert")) {
        const key = `${name.slice(0, -".cert".length)}.key`;
        if (!names.includes(key)) {
          throw new EngineError("invalid", "read certificates", path, `there is no "${key}" beside it`);
        }
        own.cert ??= read(path);
        own.key ??= read(join(directory, key));
      } else if (name.endsWith(".key") && !names.includes(`${name.slice(0, -".key".length)}.cert`)) {
        const cert = `${name.slice(0, -".key".length)}.cert`;
        throw new EngineError("invalid", "read certificates", path, `there is no "${cert}" beside it`);
      }
    }
  }
  return own;
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
