import { addArtifact } from "../../image";
import { hexOf } from "../../oci";
import { pairs } from "../_pairs";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Make an artifact of files",
    details:
      "Files become an OCI artifact, which registries keep as they keep images; each is known by its name within the artifact. The digest of the artifact's manifest is printed.",
    examples: [
      { command: "proa artifact add quay.io/team/model:1 model.gguf", does: "one file" },
      { command: "proa artifact add --append quay.io/team/model:1 README.md", does: "a further one" },
    ],
    exitStatuses: [{ status: "125", meaning: "It is there already, or a file cannot be read." }],
    seeAlso: ["proa-artifact-push(1)", "proa-artifact-extract(1)"],
  },
  args: {
    annotation: {
      type: "string",
      multiple: true,
      valueHint: "KEY=VALUE",
      value: "none",
      description: "Say it of the files",
    },
    append: { type: "boolean", alias: "a", description: "To an artifact that is there" },
    "file-type": {
      type: "string",
      hiddenNames: ["file-mime-type"],
      valueHint: "TYPE",
      value: "none",
      description: "Media type of the files",
      details: "Default: told by their content.",
    },
    replace: { type: "boolean", description: "In place of an artifact that is there" },
    type: { type: "string", valueHint: "TYPE", value: "none", description: "Type of the artifact" },
    name: {
      type: "positional",
      valueHint: "ARTIFACT",
      value: "artifact",
      description: "Name of the artifact",
    },
    path: { type: "positional", rest: true, value: "file", description: "Files" },
  },
  async run({ app, args }) {
    const digest = await addArtifact(app.context, args.name, args.path, {
      annotations: pairs("--annotation", args.annotation),
      append: args.append,
      replace: args.replace,
      fileType: args["file-type"],
      artifactType: args.type,
    });
    app.io.stdout.write(`${hexOf(digest)}\n`);
  },
});
