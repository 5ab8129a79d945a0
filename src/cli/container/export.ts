import { exportContainer, findContainer } from "../../container";
import { EngineError } from "../../error";
import { isBrokenPipe } from "../../helper";
import { BrokenPipe } from "../broken-pipe";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Write all files of a container as a tar archive",
    details: `The container's root as its image and it itself have made it, with owners as the container sees them. Volumes and other mounts are not part of it. The container may run.`,
    examples: [
      { command: "proa export -o web.tar web", does: "keep the files of web" },
      { command: "proa export web | tar -x -C root", does: "unpack them into a directory" },
    ],
    exitStatuses: [{ status: "1", meaning: "it could not be written" }],
    seeAlso: ["proa-commit(1)", "proa-cp(1)"],
  },
  args: {
    output: {
      type: "string",
      alias: "o",
      valueHint: "FILE",
      value: "file",
      description: "Write to a file in place of stdout",
    },
    container: { type: "positional", value: "container", description: "Name or id" },
  },
  async run({ app, args }) {
    if (args.output === undefined && app.io.stdout.isTTY) {
      throw new EngineError(
        "usage",
        "export",
        "",
        "cowardly refusing to save to a terminal. Use the -o flag or redirect",
        {
          exitCode: 1,
        },
      );
    }
    const row = await findContainer(app.context, "export", args.container);
    await exportContainer(app.context, row, args.output ?? null).catch((error) => {
      throw args.output === undefined && isBrokenPipe(error) ? new BrokenPipe() : error;
    });
  },
});
