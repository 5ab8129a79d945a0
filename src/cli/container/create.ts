import { createContainer } from "../../container";
import { EngineError } from "../../error";
import { defineCommand } from "../tree";
import { attachedStreams } from "./_attach-options";
import { createArgs, specFrom } from "./_create-options";
import { asEngineFailure } from "./_engine-failure";
import { imageOptionsFrom } from "./_image-options";
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
    if (args.rmi)
      throw new EngineError(
        "unsupported",
        "option",
        "--rmi",
        "create is not there at the end to remove the image",
        {
          hint: "proa run --rmi does",
        },
      );
    const attached = attachedStreams(args.attach) ?? { stdin: args.interactive, stdout: true, stderr: true };
    const asked = specFrom(args, given, app.env, attached);
    const cidfile = claimCidfile(args.cidfile);
    try {
      const { imageId, spec } = await resolveSource(app, asked, imageOptionsFrom(args, given));
      if (args.replace) await (await import("./_replace")).removeNamesake(app, args.name);
      const { id } = await createContainer(app.context, { name: args.name ?? "", spec, imageId });
      cidfile.write(id);
      app.io.stdout.write(`${id}\n`);
    } catch (error) {
      cidfile.discard();
      throw asEngineFailure(error);
    }
  },
});
