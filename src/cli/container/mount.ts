import { mountContainer, mountedContainers } from "../../container";
import { EngineError } from "../../error";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";
import { chooseContainers, optionalNames, targetArgs } from "./_targets";

export const command = defineCommand({
  meta: {
    description: "Mount the root of containers, within proa unshare",
    details: `Prints where it is mounted. Without a name those that are mounted are listed. The mounts are seen in that shell alone, and end with it. A container that runs can only be read there.`,
    examples: [{ command: "proa unshare sh -c 'ls $(proa mount web)'", does: "look at the files of web" }],
    seeAlso: ["proa-unshare(1)", "proa-unmount(1)", "proa-cp(1)"],
  },
  args: {
    all: { ...targetArgs.all, description: "All containers" },
    latest: targetArgs.latest,
    notruncate: { type: "boolean", hiddenNames: ["no-trunc"], description: "Print whole ids" },
    format: {
      type: "string",
      valueHint: "FORMAT",
      value: { suggest: ["json"] },
      description: "Print the list as JSON",
    },
    container: { ...optionalNames, value: "container", description: "Name or id" },
  },
  async run({ app, args }) {
    if (args.format !== undefined && args.format !== "json") {
      throw new EngineError("usage", "mount", `--format ${args.format}`, "only json is known");
    }
    if (!args.all && !args.latest && args.container.length === 0) {
      const mounted = mountedContainers(app.context);
      app.io.stdout.write(
        args.format === "json"
          ? `${JSON.stringify(
              mounted.map(({ row, path }) => ({
                id: row.id,
                Repositories: [row.image_ref],
                mountpoint: path,
              })),
              null,
              1,
            )}\n`
          : mounted
              .map(({ row, path }) => `${args.notruncate ? row.id : row.id.slice(0, 12)}  ${path}\n`)
              .join(""),
      );
      return 0;
    }
    const choice = { names: args.container, all: args.all, latest: args.latest };
    const { targets, status } = await chooseContainers(app, "mount", choice);
    const isOne = targets.length === 1 && !args.all;
    const failed = await forEachTarget(app.io, targets, async ({ name, row }) => {
      const path = await mountContainer(app.context, row);
      return isOne ? path : `${name} ${path}`;
    });
    return status || failed;
  },
});
