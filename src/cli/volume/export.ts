import { closeSync, openSync, renameSync, rmSync } from "node:fs";
import { EngineError } from "../../error";
import { isBrokenPipe } from "../../helper";
import { exportVolume, findVolume } from "../../volume";
import { BrokenPipe } from "../broken-pipe";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Write what a volume holds to a tar archive",
    details: "To stdout without --output. Owners are numbers as containers see them.",
    examples: [
      { command: "proa volume export data -o data.tar", does: "into a file" },
      { command: "proa volume export data | proa volume import copy -", does: "into another volume" },
    ],
    seeAlso: ["proa-volume-import(1)"],
  },
  args: {
    output: { type: "string", alias: "o", valueHint: "FILE", value: "file", description: "Write to a file" },
    volume: { type: "positional", value: "volume", description: "Name" },
  },
  run({ app, args }) {
    const { context, io } = app;
    const volume = findVolume(context, "export volume", args.volume);
    const path = args.output ?? "-";
    if (path === "-") {
      if (io.stdout.isTTY)
        throw new EngineError(
          "invalid",
          "export volume",
          volume.name,
          "an archive is not written to a terminal",
          {
            exitCode: 1,
            hint: "use --output FILE, or a pipe",
          },
        );
      try {
        exportVolume(context, volume, 1);
      } catch (error) {
        throw isBrokenPipe(error) ? new BrokenPipe() : error;
      }
      return;
    }
    const temporary = `${path}.${process.pid}`;
    let fd: number;
    try {
      fd = openSync(temporary, "wx", 0o600);
    } catch (error) {
      throw new EngineError("io", "export volume", path, error, { exitCode: 1 });
    }
    try {
      exportVolume(context, volume, fd);
      renameSync(temporary, path);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    } finally {
      closeSync(fd);
    }
  },
});
