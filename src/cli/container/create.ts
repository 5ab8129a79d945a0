import { createContainer } from "../../container";
import { defineCommand } from "../tree";
import { createArgs, specFrom } from "./_create-options";
import { asEngineFailure } from "./_engine-failure";
import { claimCidfile, resolveSource } from "./_source";

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
    const cidfile = claimCidfile(args.cidfile);
    try {
      const { imageId, spec } = await resolveSource(app, asked, args);
      const { id } = await createContainer(app.context, { name: args.name ?? "", spec, imageId });
      cidfile.write(id);
      app.io.stdout.write(`${id}\n`);
    } catch (error) {
      cidfile.discard();
      throw asEngineFailure(error);
    }
  },
});
