import { listContainers } from "../../container";
import { withReserve } from "../../state";
import { reloadVolumes } from "../../volume";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Bring the list of volumes and their directories together",
    details:
      "What commands that were killed have left is removed, and so is a volume whose directory is gone, unless a container has it. Their names are printed. There are no volume plugins whose volumes could be added.",
    examples: [{ command: "proa volume reload", does: "after directories were removed by hand" }],
    seeAlso: ["proa-volume-ls(1)", "proa-volume-prune(1)"],
  },
  args: {},
  async run({ app }) {
    const { context, io } = app;
    await withReserve(context, () => listContainers(context, false));
    const { removed, lost } = await withReserve(context, () => reloadVolumes(context));
    for (const name of lost) context.warn(`volume ${name}: its directory is gone, and containers have it`);
    if (removed.length > 0) io.stdout.write(`Removed:\n${removed.map((name) => `${name}\n`).join("")}`);
  },
});
