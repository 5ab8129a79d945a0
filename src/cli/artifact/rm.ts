import { isNotFound } from "../../error";
import { findArtifact, listArtifacts, removeArtifact } from "../../image";
import { hexOf } from "../../oci";
import { withReserve } from "../../state";
import { usageError } from "../args";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Remove artifacts",
    details: "The digest of each is printed. Files that others have, too, stay.",
    examples: [{ command: "proa artifact rm quay.io/team/model:1", does: "remove one" }],
    seeAlso: ["proa-artifact-ls(1)"],
  },
  args: {
    all: { type: "boolean", alias: "a", description: "All of them" },
    ignore: { type: "boolean", alias: "i", description: "One that is not there is no error" },
    artifact: {
      type: "positional",
      rest: true,
      required: false,
      value: "artifact",
      description: "Name or digest",
    },
  },
  async run({ app, args, typed }) {
    const { context } = app;
    if (args.all && args.artifact.length > 0) throw usageError("names and --all cannot be used together");
    if (!args.all && args.artifact.length === 0)
      throw usageError(`"${typed}" requires at least 1 argument: no ARTIFACT given`);
    const names = args.all ? listArtifacts(context).map(({ name }) => name) : args.artifact;
    const status = await forEachTarget(app.io, names, async (name) => {
      try {
        const { row } = findArtifact(context, name);
        return hexOf(await withReserve(context, () => removeArtifact(context, row)));
      } catch (error) {
        if (args.ignore && isNotFound(error)) return undefined;
        throw error;
      }
    });
    return status === 0 ? 0 : 125; // podman's
  },
});
