/** Signing what is pushed: the flags, and what becomes of them. */
import { readFileSync } from "node:fs";
import { EngineError } from "../../error";
import type { Args, Values } from "../tree";

export const signArgs = {
  "sign-by": {
    type: "string",
    valueHint: "KEY",
    value: "none",
    description: "Refused: signatures by GPG",
    details: "It is answered with what can be used in its place.",
  },
  "sign-by-sigstore-private-key": {
    type: "string",
    valueHint: "FILE",
    value: "file",
    description: "Sign with the private key in a PEM file",
    details:
      "The signature goes beside the image, where cosign, skopeo and podman look for it. The key is EC (P-256), RSA or Ed25519; those that cosign has encrypted cannot be read.",
  },
  "sign-passphrase-file": {
    type: "string",
    valueHint: "FILE",
    value: "file",
    description: "Where the passphrase of the key is",
  },
} as const satisfies Args;

type Given = Values<typeof signArgs>;

/** The key, or undefined where nothing is to be signed. Throws `unsupported`, `usage`, and what reading a key throws. */
export async function signingKeyFrom(args: Given) {
  if (args["sign-by"] !== undefined) {
    throw new EngineError("unsupported", "--sign-by", args["sign-by"], "proa makes no GPG signatures", {
      exitCode: 125,
      hint: "use --sign-by-sigstore-private-key FILE",
    });
  }
  const path = args["sign-by-sigstore-private-key"];
  const passphraseFile = args["sign-passphrase-file"];
  if (path === undefined) {
    if (passphraseFile === undefined) return undefined;
    throw new EngineError("usage", "--sign-passphrase-file", "", "it needs --sign-by-sigstore-private-key");
  }
  const { readSigningKey } = await import("../../image");
  return readSigningKey(path, passphraseFile === undefined ? undefined : passphraseIn(passphraseFile));
}

/** Its first line. */
function passphraseIn(path: string): string {
  try {
    return readFileSync(path, "utf8").split("\n", 1)[0] ?? "";
  } catch (error) {
    throw new EngineError("io", "read passphrase", path, error, { exitCode: 125 });
  }
}
