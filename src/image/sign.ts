/** Signing an image that is in a registry: the statement and its signature go beside it, where cosign, skopeo and podman look for them. */
import { createPrivateKey, type KeyObject, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { EngineError } from "../error";
import {
  type Digest,
  digestOf,
  formatReference,
  mediaTypes,
  parseReference,
  type Reference,
  withDefaultTag,
} from "../oci";
import {
  type Connecting,
  pushTarget,
  RegistryClient,
  type RegistryFlags,
  RegistryUploader,
} from "../registry";
import type { Context } from "../state";
import { usesAttachments } from "./_registries-d";
import {
  fetchSignatureManifest,
  signatureAnnotation,
  signatureTag,
  signedStatementType,
  statementKind,
} from "./signatures";

export type SigningKey = { key: KeyObject; path: string };

/**
 * A private key in PEM: PKCS #8 or SEC 1, with a passphrase where it is encrypted.
 *
 * @throws `io`, `invalid`, `unsupported` for keys that cosign has encrypted
 */
export function readSigningKey(path: string, passphrase: string | undefined): SigningKey {
  const fail = (code: "io" | "invalid" | "unsupported", why: unknown, hint?: string) =>
    new EngineError(code, "read private key", path, why, { exitCode: 125, hint });
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw fail("io", error);
  }
  if (/BEGIN ENCRYPTED (COSIGN|SIGSTORE) PRIVATE KEY/.test(text)) {
    throw fail(
      "unsupported",
      "it is encrypted by cosign's own scheme (scrypt and NaCl's secretbox), which proa does not have",
      "use a PEM key: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -aes256 -out KEY",
    );
  }
  if (/ENCRYPTED/.test(text) && passphrase === undefined)
    throw fail("invalid", "it is encrypted", "name a file with its passphrase: --sign-passphrase-file FILE");
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: text, ...(passphrase === undefined ? {} : { passphrase }) });
  } catch {
    throw fail("invalid", "it is no private key in PEM, or the passphrase is wrong");
  }
  if (
    key.asymmetricKeyType !== "ec" &&
    key.asymmetricKeyType !== "rsa" &&
    key.asymmetricKeyType !== "ed25519"
  )
    throw fail("unsupported", `a key of the type ${key.asymmetricKeyType}`);
  return { key, path };
}

export type SignOptions = {
  userAgent: string;
  flags: RegistryFlags;
  signal?: AbortSignal | undefined;
};

/**
 * Sign the manifest DIGEST under the name REFERENCE. What others have signed stays beside it.
 *
 * @throws EngineError, its text beginning `sign image: NAME`
 */
export async function signImage(
  context: Context,
  reference: Reference,
  digest: Digest,
  { key }: SigningKey,
  options: SignOptions,
): Promise<void> {
  const name = formatReference(reference);
  try {
    if (!usesAttachments(context.env, reference)) {
      const why =
        "registries.d says that this registry keeps no signatures (use-sigstore-attachments: false)";
      throw new EngineError("unsupported", "write signature", name, why);
    }
    const target = pushTarget(reference, connectingOf(context, options));
    const client = new RegistryClient(target.domain, target.options);
    const uploader = new RegistryUploader(target.domain, target.options);
    const statement = statementOf(name, digest, context.now());
    const signature = sign(key.asymmetricKeyType === "ed25519" ? null : "sha256", statement, key);
    const added = {
      mediaType: signedStatementType,
      digest: digestOf(statement),
      size: statement.length,
      annotations: { [signatureAnnotation]: signature.toString("base64") },
    };
    const known = await fetchSignatureManifest(client, target.path, digest, options.signal);
    const layers: object[] =
      known === null ? [] : (JSON.parse(new TextDecoder().decode(known.bytes)).layers as object[]);
    const all = [...layers, added];
    const digests = [...(known?.manifest.layers ?? []), added].map((layer) => layer.digest);
    const config = new TextEncoder().encode(
      JSON.stringify({
        architecture: "",
        os: "",
        config: {},
        rootfs: { type: "layers", diff_ids: digests },
        history: digests.map(() => ({ created: "0001-01-01T00:00:00Z" })),
      }),
    );
    for (const bytes of [statement, config]) {
      await uploader.uploadBlob(target.path, {
        blob: { digest: digestOf(bytes), size: bytes.length, content: new Blob([bytes]) },
        signal: options.signal,
      });
    }
    const manifest = new TextEncoder().encode(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: mediaTypes.ociManifest,
        config: { mediaType: mediaTypes.ociConfig, digest: digestOf(config), size: config.length },
        layers: all,
      }),
    );
    await uploader.putManifest(
      target.path,
      signatureTag(digest),
      manifest,
      mediaTypes.ociManifest,
      options.signal,
    );
  } catch (error) {
    if (options.signal?.aborted && options.signal.reason instanceof EngineError) throw options.signal.reason;
    const isOurs = error instanceof EngineError;
    const hint = isOurs ? error.hint : undefined;
    throw new EngineError(isOurs ? error.code : "io", "sign image", name, error, { exitCode: 125, hint });
  }
}

function connectingOf(context: Context, options: SignOptions): Connecting {
  return { env: context.env, userAgent: options.userAgent, flags: options.flags, signal: options.signal };
}

function statementOf(name: string, digest: Digest, nowMs: number): Uint8Array {
  return new TextEncoder().encode(
    JSON.stringify({
      critical: {
        identity: { "docker-reference": name },
        image: { "docker-manifest-digest": digest },
        type: statementKind,
      },
      optional: { creator: "proa", timestamp: Math.trunc(nowMs / 1000) },
    }),
  );
}

/** The digest that NAME has in its registry: of what is signed. Of an index every image in it is signed, and the index. */
export async function digestsToSign(
  context: Context,
  text: string,
  options: SignOptions,
): Promise<{ reference: Reference; digests: Digest[] }> {
  const reference = withDefaultTag(parseReference(text));
  const target = pushTarget(reference, connectingOf(context, options));
  const client = new RegistryClient(target.domain, target.options);
  const { bytes, digest } = await client.fetchManifest(
    target.path,
    reference.digest ?? reference.tag ?? "",
    options.signal,
  );
  const document = JSON.parse(new TextDecoder().decode(bytes)) as { manifests?: { digest: Digest }[] };
  return { reference, digests: [digest, ...(document.manifests ?? []).map((each) => each.digest)] };
}
