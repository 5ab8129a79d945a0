/**
 * Signatures as sigstore's tools keep them in a registry: beside an image with the digest sha256:X the tag sha256-X.sig, a manifest whose layers are
 * signed statements ("simple signing", cosign's SIGNATURE_SPEC.md) with their signatures in annotations. A statement names the digest of the manifest that it is about, and the
 * image's name. Verified by OpenSSL, through node:crypto.
 */
import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { EngineError, reasonOf } from "../error";
import { type Digest, formatReference, type Manifest, type Reference, readManifest } from "../oci";
import type { RegistryClient } from "../registry";
import type { Context } from "../state";
import { isIdentity } from "./_identity";
import { usesAttachments } from "./_registries-d";
import { localRequirements, type Requirement, readPolicy, requirementsFor } from "./policy";

export const signedStatementType = "application/vnd.dev.cosign.simplesigning.v1+json";
export const signatureAnnotation = "dev.cosignproject.cosign/signature";
export const statementKind = "cosign container image signature";

const signaturesLimit = 100; // looked at, of one image
const statementLimitBytes = 64 << 10;

export type Signed = {
  statement: Uint8Array;
  /** Base64. */
  signature: string;
};

/** The tag that signatures of a manifest have. */
export function signatureTag(digest: Digest): string {
  return `${digest.replace(":", "-")}.sig`;
}

/** The manifest of an image's signatures; null where there is none. */
export async function fetchSignatureManifest(
  client: RegistryClient,
  repository: string,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<{ manifest: Manifest; bytes: Uint8Array } | null> {
  try {
    const { bytes, contentType } = await client.fetchManifest(repository, signatureTag(digest), signal);
    const manifest = readManifest(`read signatures of ${digest}`, bytes, contentType);
    return manifest.kind === "manifest" ? { manifest, bytes } : null;
  } catch (error) {
    if (error instanceof EngineError && error.code === "not-found") return null;
    throw error;
  }
}

async function fetchSignatures(
  client: RegistryClient,
  repository: string,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<Signed[]> {
  const found = await fetchSignatureManifest(client, repository, digest, signal);
  const layers = (found?.manifest.layers ?? []).filter(
    ({ mediaType, annotations }) =>
      mediaType === signedStatementType && annotations?.[signatureAnnotation] !== undefined,
  );
  return Promise.all(
    layers.slice(0, signaturesLimit).map(async (layer) => ({
      statement: await client.fetchBlob(repository, layer, statementLimitBytes, signal),
      signature: layer.annotations?.[signatureAnnotation] ?? "",
    })),
  );
}

export type AskedImage = {
  reference: Reference;
  /** Of the manifest of this platform: what is going to run. */
  digest: Digest;
  client: RegistryClient;
  /** Within the registry that is asked. */
  repository: string;
  signal: AbortSignal | undefined;
  /** In place of the usual policy.json. */
  policyFile?: string | undefined;
};

/** Throws `unauthorized` where the policy does not accept the image, `invalid` or `io` where it cannot be read. */
export async function assertAccepted(context: Context, asked: AskedImage): Promise<void> {
  const policy = readPolicy(context.env, asked.policyFile);
  const name = `docker://${formatReference(asked.reference)}`;
  let signatures: Promise<Signed[]> | undefined;
  for (const requirement of requirementsFor(policy, asked.reference)) {
    if (requirement.type !== "sigstoreSigned") {
      assertWithoutSignature(requirement, name, policy.path);
      continue;
    }
    if (!usesAttachments(context.env, asked.reference)) {
      throw rejected(name, "A signature was required, but no signature exists", {
        hint: "registries.d says that this registry keeps none (use-sigstore-attachments: false)",
      });
    }
    signatures ??= fetchSignatures(asked.client, asked.repository, asked.digest, asked.signal);
    assertSigned(requirement, asked, await signatures, name);
  }
}

/** The same for an image from a file or a directory, which carries no signature. */
export function assertLocalAccepted(
  context: Context,
  transport: string,
  path: string,
  policyFile?: string | undefined,
): void {
  const policy = readPolicy(context.env, policyFile);
  const name = `${transport}:${path}`;
  for (const requirement of localRequirements(policy, transport, path)) {
    if (requirement.type === "sigstoreSigned")
      throw rejected(name, "A signature was required, but no signature exists", {
        hint: "signatures are beside images in registries",
      });
    assertWithoutSignature(requirement, name, policy.path);
  }
}

function assertWithoutSignature(
  requirement: Exclude<Requirement, { type: "sigstoreSigned" }>,
  name: string,
  path: string | undefined,
): void {
  if (requirement.type === "insecureAcceptAnything") return;
  const hint = `see proa image trust show${path === undefined ? "" : `, or ${path}`}`;
  if (requirement.type === "reject") {
    throw rejected(name, `Running image ${name} is rejected by policy.`, { hint });
  }
  throw rejected(name, "its policy asks for a GPG signature (signedBy), which proa does not verify", {
    hint: "sign images with sigstore's keys (proa image sign), and use sigstoreSigned in policy.json",
  });
}

function rejected(_name: string, why: string, more: { hint?: string }): EngineError {
  return new EngineError("unauthorized", "Source image rejected", "", why, { exitCode: 125, ...more });
}

function assertSigned(
  requirement: Extract<Requirement, { type: "sigstoreSigned" }>,
  asked: AskedImage,
  signatures: readonly Signed[],
  name: string,
): void {
  if (signatures.length === 0)
    throw rejected(name, "A signature was required, but no signature exists", {
      hint: "whoever publishes the image has to sign it (proa image sign)",
    });
  const keys = keysOf(requirement);
  const reasons = signatures.map((signed) => reasonAgainst(signed, keys, requirement, asked));
  if (reasons.includes(undefined)) return;
  const [first] = reasons;
  const why =
    reasons.length === 1
      ? first
      : `None of the signatures were accepted, reasons: ${[...new Set(reasons)].join("; ")}`;
  throw rejected(name, why ?? "", {});
}

function keysOf({ keyPaths, keyData }: Extract<Requirement, { type: "sigstoreSigned" }>): KeyObject[] {
  const read = (what: string, text: () => string | Buffer): KeyObject => {
    try {
      return createPublicKey(text());
    } catch (error) {
      throw new EngineError("invalid", "read public key", what, error);
    }
  };
  return [
    ...keyPaths.map((path) => read(path, () => readFileSync(path))),
    ...keyData.map((data) => read("keyData", () => Buffer.from(data, "base64"))),
  ];
}

/** Undefined where the signature is good, and says what was asked for. */
function reasonAgainst(
  { statement, signature }: Signed,
  keys: readonly KeyObject[],
  { identity }: Extract<Requirement, { type: "sigstoreSigned" }>,
  asked: AskedImage,
): string | undefined {
  const bytes = Buffer.from(signature, "base64");
  if (!keys.some((key) => isSignedBy(key, statement, bytes)))
    return "cryptographic signature verification failed: it is by none of the keys";
  let said: { digest: string; reference: string };
  try {
    said = readStatement(statement);
  } catch (error) {
    return `its statement cannot be read: ${reasonOf(error)}`;
  }
  if (!isIdentity(identity, asked.reference, said.reference))
    return `Signature for identity ${JSON.stringify(said.reference)} is not accepted`;
  if (said.digest !== asked.digest)
    return `Signature for digest ${said.digest} does not match ${asked.digest}`;
  return undefined;
}

function isSignedBy(key: KeyObject, data: Uint8Array, signature: Uint8Array): boolean {
  const digest = key.asymmetricKeyType === "ed25519" ? null : "sha256";
  try {
    return verify(digest, data, key, signature);
  } catch {
    return false; // of another form than the key's
  }
}

function readStatement(bytes: Uint8Array): { digest: string; reference: string } {
  const document = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as {
    critical?: {
      type?: unknown;
      image?: { "docker-manifest-digest"?: unknown };
      identity?: { "docker-reference"?: unknown };
    };
  };
  const digest = document.critical?.image?.["docker-manifest-digest"];
  const reference = document.critical?.identity?.["docker-reference"];
  if (document.critical?.type !== statementKind) throw new Error(`its type is not "${statementKind}"`);
  if (typeof digest !== "string" || typeof reference !== "string")
    throw new Error("it names no image, or no digest");
  return { digest, reference };
}
