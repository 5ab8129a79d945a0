import { isNotFound } from "../../error";
import { findList, removeList } from "../../image";
import { familiarRepository } from "../../oci";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Remove manifest lists",
    details: "The images that they are made of stay, and so does what has been pushed.",
    examples: [{ command: "proa manifest rm app:1", does: "remove one" }],
    seeAlso: ["proa-manifest-remove(1)"],
  },
  args: {
    ignore: { type: "boolean", alias: "i", description: "A list that is not there is no error" },
    list: { type: "positional", rest: true, valueHint: "LIST", value: "manifest", description: "Name or id" },
  },
  run({ app, args }) {
    return forEachTarget(app.io, args.list, async (name) => {
      try {
        const list = findList(app.context, name);
        await removeList(app.context, list);
        const { name: full, id } = list.row;
        const cut = full.lastIndexOf(":");
        return `Untagged: ${familiarRepository(full.slice(0, cut))}${full.slice(cut)}\nDeleted: sha256:${id}`;
      } catch (error) {
        if (!args.ignore || !isNotFound(error)) throw error;
        return undefined;
      }
    });
  },
});
