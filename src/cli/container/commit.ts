import { writeFileSync } from "node:fs";
import { commitContainer, findContainer } from "../../container";
import { EngineError } from "../../error";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Make an image of what a container has become",
    details: `The image is that of the container with one layer more, which holds what the container has written, and with the container's own command, environment, labels and so on. Volumes are not part of it. A container that
runs stands still meanwhile.`,
    examples: [
      { command: "proa commit web my-web:2", does: "keep web as an image" },
      {
        command: `proa commit -c 'CMD ["nginx"]' -c 'ENV A=1' web`,
        does: "with another command, and no name",
      },
    ],
    exitStatuses: [{ status: "1", meaning: "no image was made" }],
    seeAlso: ["proa-diff(1)", "proa-export(1)"],
  },
  args: {
    author: {
      type: "string",
      alias: "a",
      valueHint: "NAME",
      value: "none",
      default: "",
      description: "Who made it",
    },
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
      description: "What was changed",
    },
    pause: {
      type: "boolean",
      alias: "p",
      default: true,
      description: "Let a container that runs stand still meanwhile",
    },
    quiet: { type: "boolean", alias: "q", description: "Say nothing but the image's id" },
    iidfile: {
      type: "string",
      valueHint: "FILE",
      value: "file",
      description: "Write the image's id to a file",
    },
    squash: { type: "boolean", alias: "s", description: "Make one layer of everything" },
    format: {
      type: "string",
      alias: "f",
      valueHint: "FORMAT",
      value: { oneOf: ["oci", "docker"] },
      default: "oci",
      description: "Format of the image's manifest",
    },
    "include-volumes": { type: "boolean", description: "Take what is in volumes into the image" },
    container: { type: "positional", value: "container", description: "Name or id" },
    name: {
      type: "positional",
      required: false,
      valueHint: "REPOSITORY[:TAG]",
      value: "image",
      description: "What the image is called",
    },
  },
  async run({ app, args }) {
    const row = await findContainer(app.context, "commit", args.container);
    const id = await commitContainer(app.context, row, {
      name: args.name ?? null,
      author: args.author,
      comment: args.message,
      changes: args.change,
      pause: args.pause,
      squash: args.squash,
      format: args.format,
      includeVolumes: args["include-volumes"],
    });
    if (args.iidfile !== undefined) writeId(args.iidfile, id);
    app.io.stdout.write(`${id}\n`);
  },
});

function writeId(path: string, id: string): void {
  try {
    writeFileSync(path, id);
  } catch (error) {
    throw new EngineError("io", "iidfile", path, error, { exitCode: 1 });
  }
}
