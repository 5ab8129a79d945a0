import { findSecret, secretData } from "../../state";
import { documentFlags, printDocuments } from "../_flags";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";
import { secretDocument } from "./document";

const INDENT = 18;

export const command = defineCommand({
  meta: {
    description: "Show what is known of secrets",
    examples: [{ command: "proa secret inspect -f '{{.Spec.Name}}' 1f2e", does: "the name of one" }],
    seeAlso: ["proa-secret-ls(1)"],
  },
  args: {
    ...documentFlags,
    pretty: { type: "boolean", description: "For people" },
    showsecret: { type: "boolean", description: "What it says, too" },
    secret: { type: "positional", value: "secret", rest: true, description: "Name or id" },
  },
  fields: async () => (await import("../document-fields")).fieldsOf("secret"),
  async run({ app, args }) {
    const { context, io } = app;
    const documentOf = (name: string) => {
      const secret = findSecret(context, "inspect secret", name);
      return {
        ...secretDocument(secret),
        ...(args.showsecret ? { SecretData: new TextDecoder().decode(secretData(context, secret)) } : {}),
      };
    };
    if (!args.pretty) return printDocuments(app, args.secret, args.format, async (name) => documentOf(name));
    const { hangingLines } = await import("../output/wrap");
    return forEachTarget(io, args.secret, (name) => {
      const { ID, CreatedAt, UpdatedAt, Spec, SecretData } = documentOf(name);
      const lines = {
        ID,
        Name: Spec.Name,
        Labels: Object.entries(Spec.Labels)
          .map((pair) => pair.join("="))
          .join(","),
        Driver: Spec.Driver.Name,
        Created: CreatedAt,
        Updated: UpdatedAt,
      };
      return [
        ...Object.entries(lines).flatMap(([title, text]) =>
          hangingLines(`${title}:`, text, INDENT, io.stdout.columns),
        ),
        ...(SecretData === undefined ? [] : hangingLines("Secret:", SecretData, INDENT)), // as it is
      ].join("\n");
    });
  },
});
