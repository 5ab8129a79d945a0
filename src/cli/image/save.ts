import { EngineError } from "../../error";
import { type SaveFormat, saveArchive, saveDirectory } from "../../image";
import { defineCommand } from "../tree";
import { toFile } from "./_output-file";
import { progressFlag } from "./_progress-flag";
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
    "compression-format": {
      type: "string",
      valueHint: "FORMAT",
      value: { oneOf: ["gzip", "zstd", "zstd:chunked"] },
      description: "Compress layers so that are compressed otherwise (oci-archive, oci-dir)",
    },
    "compression-level": {
      type: "int",
      valueHint: "LEVEL",
      description: "How hard: 1 to 9 for gzip, 1 to 22 for zstd",
    },
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
    progress: progressFlag,
    quiet: { type: "boolean", alias: "q", description: "Do not show progress" },
    image: { type: "positional", rest: true, value: "image", description: "Name or id" },
  },
  async run({ app, args }) {
    const { context, io } = app;
    const { output } = args;
    const format = args.format as SaveFormat;
    if (args.compress && format !== "docker-dir") {
      throw usage("--compress", "can only be set when --format is docker-dir");
    }
    const { "compression-format": compression, "compression-level": level } = args;
    if (compression !== undefined && !format.startsWith("oci-")) {
      throw usage("--compression-format", "can only be set when --format is oci-archive or oci-dir");
    }
    if (level !== undefined && compression === undefined)
      throw usage("--compression-level", "it needs --compression-format");
    const isDirectory = format.endsWith("-dir");
    if (isDirectory && output === undefined) throw usage(`--format ${format}`, "needs -o DIRECTORY");
    if (output === undefined && io.stdout.isTTY) {
      throw usage("save", "cowardly refusing to save to a terminal. Use the -o flag or redirect");
    }
    await untilInterrupted("save image", async (signal) => {
      const { compress, platform } = args;
      const options = { format, compress, compression, level, platform, signal };
      if (isDirectory) return saveDirectory(context, args.image, options, output ?? "");
      if (output === undefined)
        return saveArchive(context, args.image, options, (bytes) => io.stdout.write(bytes));
      const { savingView } = await import("./_save-progress");
      const view = savingView(app, output, args.quiet ? "quiet" : args.progress);
      try {
        await toFile(output, (write) => saveArchive(context, args.image, options, view.counting(write)));
        view.saved();
      } finally {
        view.finish();
      }
    });
  },
});

function usage(on: string, why: string): EngineError {
  return new EngineError("usage", on, "", why, { exitCode: 1 });
}
