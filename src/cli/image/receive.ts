import { receiveImage, tagImage } from "../../image";
import { pullProgressView } from "../output/progress";
import { defineCommand } from "../tree";
import { untilInterrupted } from "./_signals";

/** `__receive`: the other end of `image scp`. The image comes on stdin; what is said to the sender goes to stdout, and in the end what `load` says. */
export const command = defineCommand({
  meta: { description: "Receive an image from another store", hidden: true },
  args: {
    name: { type: "string", valueHint: "NAME", value: "none", description: "A further name for it" },
    quiet: { type: "boolean", alias: "q", description: "Do not show progress" },
  },
  async run({ app: { context, io, env }, args }) {
    const view = pullProgressView(io.stderr, { env, way: "load", mode: args.quiet ? "quiet" : "plain" });
    const received = await untilInterrupted("receive image", (signal) =>
      receiveImage(context, io.stdin.fd, (line) => io.stdout.write(`${line}\n`), {
        signal,
        onProgress: (progress) => {
          if (progress.kind === "layer") view.update(progress);
        },
      }),
    ).finally(() => view.finish());
    for (const { id, names } of received ?? []) {
      if (args.name !== undefined) await tagImage(context, id, args.name);
      for (const name of names.length > 0 ? names : [id]) io.stdout.write(`Loaded image: ${name}\n`);
    }
  },
});
