import { writeFileSync } from "node:fs";
import { createContainer } from "../../container";
import { defineCommand } from "../tree";
import { createArgs, specFrom } from "./_create-options";
import { refuseExisting, resolveSource } from "./_source";

export const command = defineCommand({
  meta: {
    description: "Create a container without starting it",
    usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    examples: [
      { command: "proa create --name job debian make", does: "a container that proa start -a job runs" },
    ],
    seeAlso: ["proa-run(1)", "proa-start(1)"],
  },
  args: createArgs,
  interspersed: false,
  async run({ app, args, given }) {
    const asked = specFrom(args, given, app.env, { stdin: args.interactive, stdout: true, stderr: true });
    if (args.cidfile !== undefined) refuseExisting(args.cidfile);
    const { imageId, spec } = await resolveSource(app, asked, args);
    const { id } = await createContainer(app.context, { name: args.name ?? "", spec, imageId });
    if (args.cidfile !== undefined) writeFileSync(args.cidfile, id, { flag: "wx" });
    app.io.stdout.write(`${id}\n`);
  },
});
