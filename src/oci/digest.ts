import { EngineError } from "../error";

/**
 * Content digests as the OCI image spec has them (descriptor.md, "Digests"): `algorithm:hex`. Only the two registered
 * algorithms are taken, because nothing else could be verified.
 */

/** A verified-in-form digest: `sha256:` with 64 or `sha512:` with 128 lower-case hexadecimal digits. */
export type Digest = `${DigestAlgorithm}:${string}`;

export type DigestAlgorithm = "sha256" | "sha512";

const hexLength = { sha256: 64, sha512: 128 } satisfies Record<DigestAlgorithm, number>;

const digestForm = /^(sha256|sha512):([0-9a-f]+)$/;

/** Whether TEXT has the form of a digest that can be verified. */
export function isDigest(text: string): text is Digest {
  const match = digestForm.exec(text);
  return match !== null && match[2]?.length === hexLength[match[1] as DigestAlgorithm];
}

/** TEXT as a digest. Throws `invalid`, telling what is wrong with it. */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new EngineError("invalid", "read digest", quoteShort(text), whyNot(text));
}

export function algorithmOf(digest: Digest): DigestAlgorithm {
  return digest.startsWith("sha512:") ? "sha512" : "sha256";
}

/** The hexadecimal digits alone. */
export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(":") + 1);
}

/** Twelve digits, for people. */
export function shortDigest(digest: string): string {
  const colon = digest.indexOf(":");
  return digest.slice(colon + 1, colon + 13);
}

/** The digest of bytes at hand; for streams use {@link Digester}. */
export function digestOf(bytes: string | Uint8Array, algorithm: DigestAlgorithm = "sha256"): Digest {
  return `${algorithm}:${Bun.CryptoHasher.hash(algorithm, bytes, "hex")}`;
}

/** Checks bytes at hand against the digest and the size in bytes (when known) that were promised. */
export function verifyBytes(what: string, bytes: Uint8Array, expected: Digest, sizeBytes?: number): void {
  if (sizeBytes !== undefined && bytes.length !== sizeBytes) {
    const why = `${bytes.length} bytes came, ${sizeBytes} were expected`;
    throw new EngineError("digest-mismatch", what, expected, why);
  }
  const came = digestOf(bytes, algorithmOf(expected));
  if (came !== expected) throw mismatch(what, expected, came, bytes.length);
}

/** Takes the digest of a stream piece by piece, and its length. */
export class Digester {
  readonly #hasher: Bun.CryptoHasher;
  #sizeBytes = 0;

  constructor(readonly algorithm: DigestAlgorithm = "sha256") {
    this.#hasher = new Bun.CryptoHasher(algorithm);
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  update(chunk: Uint8Array): void {
    this.#hasher.update(chunk);
    this.#sizeBytes += chunk.length;
  }

  /** The digest of everything so far. The digester cannot be used afterwards. */
  finish(): Digest {
    return `${this.algorithm}:${this.#hasher.digest("hex")}`;
  }
}

/** The error for bytes that are not what they were said to be. */
export function mismatch(what: string, expected: Digest, came: Digest, sizeBytes: number): EngineError {
  const why = `wrong digest: ${came} after ${sizeBytes} bytes, expected ${expected}`;
  return new EngineError("digest-mismatch", what, "", why);
}

/** The chain id of a layer over its parent (OCI image spec, config.md, "Layer ChainID"). */
export function chainIdOf(parent: Digest | undefined, diffId: Digest): Digest {
  return parent === undefined ? diffId : digestOf(`${parent} ${diffId}`);
}

/** The chain ids of a stack of layers, lowest first. */
export function chainIdsOf(diffIds: readonly Digest[]): Digest[] {
  const chain: Digest[] = [];
  for (const diffId of diffIds) chain.push(chainIdOf(chain.at(-1), diffId));
  return chain;
}

function whyNot(text: string): string {
  const [algorithm = "", hex] = text.split(":", 2);
  if (hex === undefined) return "a digest is algorithm:hex";
  if (!Object.hasOwn(hexLength, algorithm))
    return `unknown algorithm "${quoteShort(algorithm)}" (sha256 and sha512 are known)`;
  if (/[A-F]/.test(hex)) return "the digits of a digest are lower case";
  return `${algorithm} has ${hexLength[algorithm as DigestAlgorithm]} hexadecimal digits`;
}

function quoteShort(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}...` : text;
}
