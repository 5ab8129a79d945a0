import { findVolume, mountVolume } from "../../volume";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Mount a volume, within proa unshare, and print where",
    details:
      "A volume that is a directory of its own is there in any case; one of type tmpfs or bind is mounted for that shell, and what is mounted ends with it.",
    examples: [
      { command: "proa unshare sh -c 'ls $(proa volume mount data)'", does: "look at the files of data" },
    ],
    seeAlso: ["proa-unshare(1)", "proa-volume-unmount(1)", "proa-volume-export(1)"],
  },
  args: { volume: { type: "positional", rest: true, value: "volume", description: "Name" } },
  run({ app, args }) {
    return forEachTarget(app.io, args.volume, (name) =>
      mountVolume(app.context, findVolume(app.context, "mount volume", name)),
    );
  },
});
