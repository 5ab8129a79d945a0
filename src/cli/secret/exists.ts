import { isNotFound } from "../../error";
import { findSecret } from "../../state";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Tell by the exit status whether a secret is there",
    details: "Nothing is printed.",
    examples: [
      {
        command: "proa secret exists db || proa secret create db db.txt",
        does: "make it where it is missing",
      },
    ],
    exitStatuses: [{ status: "1", meaning: "There is no such secret." }],
    seeAlso: ["proa-secret-ls(1)"],
  },
  args: { secret: { type: "positional", value: "secret", description: "Name or id" } },
  run({ app, args }) {
    try {
      findSecret(app.context, "look for secret", args.secret);
      return 0;
    } catch (error) {
      if (isNotFound(error)) return 1;
      throw error;
    }
  },
});
