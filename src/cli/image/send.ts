import { sendImage } from "../../image";
import { defineCommand } from "../tree";
import { untilInterrupted } from "./_signals";

/** `__send`: one end of `image scp`, at the store where the image is. The answer comes on stdin, the image goes to stdout. */
export const command = defineCommand({
  meta: { description: "Send an image to another store", hidden: true },
  args: { image: { type: "positional", value: "none", description: "Name or id" } },
  async run({ app: { context, io }, args }) {
    await untilInterrupted("send image", (signal) =>
      sendImage(context, args.image, io.stdin.fd, (bytes) => io.stdout.write(bytes), { signal }),
    );
  },
});
