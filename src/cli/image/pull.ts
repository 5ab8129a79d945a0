import { formatReference, parseReference, withDefaultTag } from "../../oci";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";
import { obtainImage } from "./obtain";

export const command = defineCommand({
  meta: {
    description: "Pull an image from a registry",
    details:
      "Every layer is fetched, verified and unpacked at the same time. What is here already is not fetched again. A name without a registry means docker.io.",
    examples: [
      { command: "proa pull debian:bookworm", does: "from docker.io/library" },
      {
        command: "proa pull localhost:5000/team/app@sha256:…",
        does: "by digest, from a registry of one's own",
      },
    ],
    seeAlso: ["proa-images(1)", "proa-run(1)"],
  },
  args: {
    platform: {
      type: "string",
      valueHint: "OS/ARCH",
      value: "platform",
      description: "Platform of the image",
    },
    policy: {
      type: "string",
      valueHint: "POLICY",
      value: { oneOf: ["always", "missing", "never", "newer"] },
      default: "always",
      description: "When to pull",
    },
    quiet: { type: "boolean", alias: "q", description: "Do not show progress" },
    image: { type: "positional", rest: true, value: "image", description: "Name of the image" },
  },
  run({ app, args }) {
    return forEachTarget(app.io, args.image, async (name) => {
      await obtainImage(app, name, { pull: args.policy, platform: args.platform, quiet: args.quiet });
      return formatReference(withDefaultTag(parseReference(name)));
    });
  },
});
