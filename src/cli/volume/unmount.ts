import { findVolume, unmountVolume } from "../../volume";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Unmount a volume, within proa unshare",
    details: "One that is not mounted there is no error.",
    examples: [{ command: "proa volume unmount data", does: "in proa unshare" }],
    seeAlso: ["proa-unshare(1)", "proa-volume-mount(1)"],
  },
  args: { volume: { type: "positional", rest: true, value: "volume", description: "Name" } },
  run({ app, args }) {
    return forEachTarget(app.io, args.volume, (name) => {
      const volume = findVolume(app.context, "unmount volume", name);
      unmountVolume(app.context, volume);
      return volume.name;
    });
  },
});
