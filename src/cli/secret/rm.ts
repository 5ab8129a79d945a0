import { EngineError, isNotFound } from "../../error";
import { allSecrets, deleteSecret, findSecret, withReserve } from "../../state";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Remove secrets",
    details: "Containers that were made with them keep what they have.",
    examples: [{ command: "proa secret rm db", does: "remove one" }],
    seeAlso: ["proa-secret-ls(1)"],
  },
  args: {
    all: { type: "boolean", alias: "a", description: "All of them" },
    ignore: { type: "boolean", alias: "i", description: "One that is not there is no error" },
    secret: { type: "positional", value: "secret", rest: true, required: false, description: "Name or id" },
  },
  async run({ app, args }) {
    const { context, io } = app;
    if (args.all === args.secret.length > 0)
      throw new EngineError("usage", "name secrets, or all with --all", "", "");
    const names = args.all ? allSecrets(context).map(({ id }) => id) : args.secret;
    return forEachTarget(io, names, async (name) => {
      try {
        const secret = findSecret(context, "remove secret", name);
        await withReserve(context, async () => deleteSecret(context, secret));
        return secret.id;
      } catch (error) {
        if (args.ignore && isNotFound(error)) return undefined;
        throw error;
      }
    });
  },
});
