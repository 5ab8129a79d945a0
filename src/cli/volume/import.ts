import { closeSync, openSync } from "node:fs";
import { EngineError } from "../../error";
import { findVolume, importVolume } from "../../volume";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Unpack a tar archive into a volume",
    details:
      "The volume must be there. What the archive has takes the place of what is there under the same names. The archive may be compressed with gzip or zstd.",
    examples: [
      { command: "proa volume import data data.tar", does: "from a file" },
      { command: "tar -C dir -c . | proa volume import data -", does: "from stdin" },
    ],
    seeAlso: ["proa-volume-export(1)"],
  },
  args: {
    volume: { type: "positional", value: "volume", description: "Name" },
    source: {
      type: "positional",
      required: false,
      value: "file",
      valueHint: "FILE",
      description: "Archive; - and nothing are stdin",
    },
  },
  run({ app, args }) {
    const { context } = app;
    const volume = findVolume(context, "import volume", args.volume);
    const path = args.source ?? "-";
    if (path === "-") {
      importVolume(context, volume, 0);
      return;
    }
    let fd: number;
    try {
      fd = openSync(path, "r");
    } catch (error) {
      throw new EngineError("io", "import volume", path, error, { exitCode: 1 });
    }
    try {
      importVolume(context, volume, fd);
    } finally {
      closeSync(fd);
    }
  },
});
