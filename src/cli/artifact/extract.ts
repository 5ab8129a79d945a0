import { extractArtifact, findArtifact } from "../../image";
import { usageError } from "../args";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Copy the files of an artifact out",
    details:
      "Into a directory they go under their names (those without one under their digests); anything else is the name of the one file.",
    examples: [
      { command: "proa artifact extract quay.io/team/model:1 .", does: "all files, into this directory" },
      {
        command: "proa artifact extract --title model.gguf quay.io/team/model:1 /tmp/m",
        does: "one of them",
      },
    ],
    seeAlso: ["proa-artifact-inspect(1)", "proa-artifact-pull(1)"],
  },
  args: {
    digest: {
      type: "string",
      valueHint: "DIGEST",
      value: "none",
      description: "Only the blob whose digest begins so",
    },
    title: { type: "string", valueHint: "TITLE", value: "none", description: "Only the file of this name" },
    artifact: { type: "positional", value: "artifact", description: "Name or digest" },
    path: { type: "positional", valueHint: "PATH", value: "file", description: "Directory or file" },
  },
  run({ app, args }) {
    const { digest, title } = args;
    if (digest !== undefined && title !== undefined)
      throw usageError("--digest and --title cannot be used together");
    extractArtifact(app.context, findArtifact(app.context, args.artifact), args.path, { digest, title });
  },
});
