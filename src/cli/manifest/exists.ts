import { lookUpList } from "../../image";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Tell by the exit status whether a list is here",
    details: "Nothing is printed, and no registry is asked.",
    examples: [
      {
        command: "proa manifest exists app:1 || proa manifest create app:1",
        does: "make it where it is missing",
      },
    ],
    exitStatuses: [{ status: "1", meaning: "There is no such list." }],
    seeAlso: ["proa-manifest-create(1)"],
  },
  args: { list: { type: "positional", valueHint: "LIST", value: "manifest", description: "Name or id" } },
  run({ app, args }) {
    return lookUpList(app.context, args.list) === null ? 1 : 0;
  },
});
