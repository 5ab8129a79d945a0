import { EngineError } from "../../error";
import { importImage } from "../../image";
import { hostPlatform, parsePlatform } from "../../oci";
import { defineCommand } from "../tree";
import { untilInterrupted } from "./_signals";

export const command = defineCommand({
  meta: {
    description: "Make an image of an archive of files",
    details: `The archive (tar, perhaps packed with gzip, zstd, xz or bzip2) becomes the image's only layer. What \`export\` has written comes back so, but without command, environment and so on: those are given with
--change.`,
    examples: [
      { command: "proa export web | proa import - web:flat", does: "all of a container as one layer" },
      {
        command: `proa import -c 'CMD ["sh"]' https://example.org/root.tar.xz root`,
        does: "files from the web, and a command",
      },
    ],
    exitStatuses: [{ status: "1", meaning: "no image was made" }],
    seeAlso: ["proa-export(1)", "proa-load(1)"],
  },
  args: {
    change: {
      type: "string",
      alias: "c",
      multiple: true,
      valueHint: "INSTRUCTION",
      value: "instruction",
      description: "Instruction of a Dockerfile that is applied to the image",
      details:
        "CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR are known.",
    },
    message: {
      type: "string",
      alias: "m",
      valueHint: "TEXT",
      value: "none",
      default: "",
      description: "Comment in the image's history",
    },
    platform: {
      type: "string",
      valueHint: "OS/ARCH",
      value: "platform",
      description: "Platform that the files are for",
    },
    os: {
      type: "string",
      valueHint: "OS",
      value: "os",
      description: "Operating system that the files are for",
    },
    arch: {
      type: "string",
      valueHint: "ARCH",
      value: "architecture",
      description: "Architecture that the files are for",
    },
    variant: {
      type: "string",
      valueHint: "VARIANT",
      value: "architecture-variant",
      description: "Variant of the architecture",
    },
    quiet: { type: "boolean", alias: "q", description: "Say nothing but the image's id, as always" },
    source: {
      type: "positional",
      valueHint: "FILE|URL|-",
      value: "file",
      description: "Archive, its URL, or - for stdin",
    },
    name: {
      type: "positional",
      required: false,
      valueHint: "REPOSITORY[:TAG]",
      value: "image",
      description: "What the image is called",
    },
  },
  async run({ app, args }) {
    if (args.source === "-" && app.io.stdin.isTTY) {
      throw new EngineError("usage", "import", "", "cannot read an archive from a terminal", { exitCode: 1 });
    }
    const host = hostPlatform();
    const { os = host.os, arch = host.architecture, variant } = args;
    const parts = [os, arch, ...(variant === undefined ? [] : [variant])].join("/");
    const isSaid = args.os !== undefined || args.arch !== undefined || variant !== undefined;
    if (args.platform !== undefined && isSaid) {
      throw new EngineError("usage", "--platform", "", "cannot be used with --os, --arch and --variant", {
        exitCode: 1,
      });
    }
    const text = args.platform ?? (isSaid ? parts : undefined);
    const id = await untilInterrupted("import image", (signal) =>
      importImage(app.context, args.source === "-" ? app.io.stdin.fd : args.source, {
        name: args.name ?? null,
        changes: args.change,
        message: args.message,
        platform: text === undefined ? undefined : parsePlatform(text),
        signal,
      }),
    );
    app.io.stdout.write(`${id}\n`);
  },
});
