import { EngineError } from "../../error";
import { createVolume } from "../../volume";
import { pairs } from "../_pairs";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Create a volume",
    details:
      "Its name is printed. A volume of that name that is there already is taken where it is what was asked for. Without a name it is anonymous. A volume is filled with what the image has at its place when a container mounts it first, as long as it is empty.",
    examples: [
      { command: "proa volume create data", does: "a directory of its own" },
      {
        command: "proa volume create -o type=tmpfs -o o=size=64m,mode=700 scratch",
        does: "a file system in memory, of each container that mounts it its own",
      },
      {
        command: "proa volume create -o type=none -o o=bind -o device=/srv/data data",
        does: "a directory of the host, under a name",
      },
    ],
    seeAlso: ["proa-volume-ls(1)", "proa-volume-rm(1)", "proa-run(1)"],
  },
  args: {
    driver: {
      type: "string",
      alias: "d",
      valueHint: "DRIVER",
      default: "local",
      value: { suggest: ["local"] },
      description: "Driver; only local",
    },
    label: {
      type: "string",
      alias: "l",
      multiple: true,
      valueHint: "KEY[=VALUE]",
      value: "label",
      description: "Set a label",
    },
    opt: {
      type: "string",
      alias: "o",
      multiple: true,
      valueHint: "KEY=VALUE",
      value: { suggest: ["type=", "o=", "device="] },
      description: "Set an option of the driver",
      details:
        "type=tmpfs with o=size=BYTES,mode=OCTAL; type=none with o=bind and device=PATH; o also takes ro, nosuid, nodev, noexec, and uid=ID,gid=ID. Other file systems, and nfs, need root on the host.",
    },
    uid: {
      type: "int",
      valueHint: "ID",
      min: 0,
      description: "Owner of the volume, an id of the containers'",
    },
    gid: {
      type: "int",
      valueHint: "ID",
      min: 0,
      description: "Group of the volume, an id of the containers'",
    },
    ignore: { type: "boolean", description: "Take a volume of this name that is there, whatever it is" },
    name: {
      type: "string",
      valueHint: "NAME",
      value: "none",
      hidden: true,
      description: "Name of the volume",
    },
    volume: {
      type: "positional",
      required: false,
      valueHint: "VOLUME",
      value: "none",
      description: "Name of the volume",
    },
  },
  async run({ app, args }) {
    if (args.name !== undefined && args.volume !== undefined)
      throw new EngineError("invalid", "create volume", args.volume, "two names are given", { exitCode: 1 });
    const options = pairs("volume option", args.opt);
    const { name } = await createVolume(app.context, {
      name: args.volume ?? args.name ?? "",
      driver: args.driver,
      labels: pairs("label", args.label),
      options,
      uid: args.uid ?? null,
      gid: args.gid ?? null,
      ignore: args.ignore,
    });
    app.io.stdout.write(`${name}\n`);
  },
});
