import { digestsToSign, signImage } from "../../image";
import { version } from "../_version";
import { usageError } from "../args";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";
import { signArgs, signingKeyFrom } from "./_sign-options";
import { untilInterrupted } from "./_signals";
import { registryArgs, registryFlagsFrom } from "./registry-options";

export const command = defineCommand({
  meta: {
    description: "Sign images in their registry",
    details:
      "The image is in its registry already; its signature goes beside it, for cosign, skopeo, podman and proa. Of an image of several platforms each is signed, and the index.",
    examples: [
      {
        command: "proa image sign --sign-by-sigstore-private-key key.pem registry.example.com/app:1",
        does: "sign one",
      },
    ],
    exitStatuses: [{ status: "125", meaning: "The key cannot be used." }],
    seeAlso: ["proa-push(1)", "proa-image-trust-set(1)"],
  },
  args: {
    ...signArgs,
    ...registryArgs,
    image: { type: "positional", rest: true, value: "repository", description: "Name in a registry" },
  },
  async run({ app, args, given }) {
    const key = await signingKeyFrom(args);
    if (key === undefined)
      throw usageError("no key to sign with: name one with --sign-by-sigstore-private-key");
    const flags = registryFlagsFrom(args, given);
    return forEachTarget(app.io, args.image, (text) =>
      untilInterrupted("sign image", async (signal) => {
        const options = { userAgent: `proa/${version}`, flags, signal };
        const name = text.replace(/^docker:\/\//, "");
        const { reference, digests } = await digestsToSign(app.context, name, options);
        for (const digest of digests) await signImage(app.context, reference, digest, key, options);
        return undefined;
      }),
    );
  },
});
