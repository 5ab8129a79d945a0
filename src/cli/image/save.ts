import { EngineError } from "../../error";
import { type SaveFormat, saveArchive, saveDirectory } from "../../image";
import { defineCommand } from "../tree";
import { toFile } from "./_output-file";
import { untilInterrupted } from "./_signals";

export const command = defineCommand({
  meta: {
    description: "Write images to an archive",
    details: `docker-archive is read by every engine; its layers are not compressed. oci-archive keeps manifests and layers byte for byte as they came from their registry. The formats that end in -dir make a directory.
An image that is named by its id keeps no name.`,
    examples: [
      { command: "proa save -o web.tar web:1 db:2", does: "two images in one archive" },
      { command: "proa save web | ssh host docker load", does: "take it to another host" },
      { command: "proa save --format oci-dir -o layout web", does: "as an OCI layout" },
    ],
    exitStatuses: [{ status: "1", meaning: "it could not be written" }],
    seeAlso: ["proa-load(1)", "proa-export(1)"],
  },
  args: {
    output: {
      type: "string",
      alias: "o",
      valueHint: "FILE",
      value: "file",
      description: "Write to a file or directory in place of stdout",
    },
    format: {
      type: "string",
      valueHint: "FORMAT",
      value: { oneOf: ["docker-archive", "oci-archive", "docker-dir", "oci-dir"] },
      default: "docker-archive",
      description: "Form of the archive",
    },
    compress: { type: "boolean", description: "Compress layers that are not (docker-dir only)" },
    "multi-image-archive": {
      type: "boolean",
      alias: "m",
      description: "Several images; those that are named are saved in any case",
    },
    platform: {
      type: "string",
      valueHint: "OS/ARCH",
      value: "platform",
      description: "Refuse images that are for another platform",
    },
    quiet: { type: "boolean", alias: "q", description: "Say nothing; proa shows no progress here" },
    image: { type: "positional", rest: true, value: "image", description: "Name or id" },
  },
  async run({ app, args }) {
    const { context, io } = app;
    const { output } = args;
    const format = args.format as SaveFormat;
    if (args.compress && format !== "docker-dir") {
      throw usage("--compress", "can only be set when --format is docker-dir");
    }
    const isDirectory = format.endsWith("-dir");
    if (isDirectory && output === undefined) throw usage(`--format ${format}`, "needs -o DIRECTORY");
    if (output === undefined && io.stdout.isTTY) {
      throw usage("save", "cowardly refusing to save to a terminal. Use the -o flag or redirect");
    }
    await untilInterrupted("save image", async (signal) => {
      const options = { format, compress: args.compress, platform: args.platform, signal };
      if (isDirectory) return saveDirectory(context, args.image, options, output ?? "");
      if (output === undefined)
        return saveArchive(context, args.image, options, (bytes) => io.stdout.write(bytes));
      return toFile(output, (write) => saveArchive(context, args.image, options, write));
    });
  },
});

function usage(on: string, why: string): EngineError {
  return new EngineError("usage", on, "", why, { exitCode: 1 });
}
