import { setTrust } from "../../image";
import { usageError } from "../args";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Say which images are accepted",
    details:
      "The user's policy.json is written; where there was none it begins as the system's. What names it says nothing of follow the default.",
    examples: [
      { command: "proa image trust set -t reject default", does: "accept nothing that is not named" },
      {
        command: "proa image trust set -t sigstoreSigned -f key.pub registry.example.com/team",
        does: "what is signed by a key",
      },
    ],
    seeAlso: ["proa-image-trust-show(1)", "proa-image-sign(1)"],
  },
  args: {
    policypath: {
      type: "string",
      valueHint: "FILE",
      value: "file",
      hidden: true,
      description: "Another policy.json",
    },
    pubkeysfile: {
      type: "string",
      alias: "f",
      multiple: true,
      valueHint: "FILE",
      value: "file",
      description: "Public key, for signedBy and sigstoreSigned",
    },
    type: {
      type: "string",
      alias: "t",
      valueHint: "TYPE",
      value: { oneOf: ["accept", "reject", "signedBy", "sigstoreSigned"] },
      default: "signedBy",
      description: "What is asked of images",
      details:
        "signedBy means GPG's signatures, which proa writes down for others and does not verify: it rejects such images.",
    },
    registry: {
      type: "positional",
      valueHint: "REGISTRY",
      value: "repository",
      description: "Registry, namespace or repository; default for all that is not named",
    },
  },
  run({ app, args }) {
    const isSigned = args.type === "signedBy" || args.type === "sigstoreSigned";
    if (isSigned && args.pubkeysfile.length === 0)
      throw usageError(`at least one public key must be defined for type '${args.type}'`);
    if (!isSigned && args.pubkeysfile.length > 0)
      throw usageError(`--pubkeysfile is not for the type ${args.type}`);
    if (args.type === "sigstoreSigned" && args.pubkeysfile.length > 1)
      throw usageError("sigstoreSigned takes one key");
    setTrust(app.context.env, args.registry, args.type, args.pubkeysfile, args.policypath);
  },
});
