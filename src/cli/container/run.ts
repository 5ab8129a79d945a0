import { runContainer } from "../../container";
import { EngineError } from "../../error";
import { defineCommand } from "../tree";
import {
  attachArgs,
  attachedStreams,
  consoleSize,
  descriptorArgs,
  descriptorsFrom,
  parseDetachKeys,
  requireTerminal,
} from "./_attach-options";
import { createArgs, specFrom } from "./_create-options";
import { asEngineFailure } from "./_engine-failure";
import { imageOptionsFrom } from "./_image-options";
import { claimCidfile, resolveSource } from "./_source";

export const command = defineCommand({
  meta: {
    description: "Create a container and start it",
    details:
      "The container's output is shown until it ends, and its exit status is proa's; with --detach the id is printed and the container runs on. Options end at the image's name.",
    usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    examples: [
      { command: "proa run --rm hello", does: "run the image that comes with proa; no network needed" },
      { command: "proa run -it --rm debian bash", does: "a shell in a Debian, removed when it ends" },
      {
        command: "proa run -d --name web -p 8080:80 nginx",
        does: "a server that runs on, reached at port 8080 of the host; proa logs -f web shows its output",
      },
      {
        command: "proa run --rm --rootfs / ls /",
        does: "a program of this host, which cannot change the host's files",
      },
      { command: "echo data | proa run -i --rm debian cat", does: "stdin from a pipe" },
    ],
    exitStatuses: [
      { status: "126", meaning: "the command cannot be executed" },
      { status: "127", meaning: "the command was not found in the container" },
      { status: "128+N", meaning: "the command was ended by signal N" },
    ],
    seeAlso: ["proa-create(1)", "proa-exec(1)", "proa-pull(1)", "proa-port(1)", "proa-network(1)"],
  },
  args: {
    detach: { type: "boolean", alias: "d", description: "Run in the background and print the id" },
    ...attachArgs,
    ...descriptorArgs,
    ...createArgs,
  },
  interspersed: false,
  async run({ app, args, given }): Promise<number | undefined> {
    if (args.rmi) return (await import("./_rmi")).runThenRemoveImage(app, args.image, args.detach);
    const preserveFds = descriptorsFrom(args);
    if (preserveFds.length > 0 && args.runtime !== "" && args.runtime !== "proa") {
      const why = "another runtime is not given descriptors";
      throw new EngineError("unsupported", "preserve descriptors", `with --runtime ${args.runtime}`, why);
    }
    const streams = attachedStreams(args.attach);
    if (args.detach && streams) {
      throw new EngineError("invalid", "run", "--detach and --attach", "conflicting options");
    }
    const attached = args.detach
      ? { stdin: false, stdout: false, stderr: false }
      : (streams ?? { stdin: args.interactive, stdout: true, stderr: true });
    requireTerminal(app.io, args.tty, attached.stdin);
    const detachKeys = parseDetachKeys(args["detach-keys"]);
    const asked = specFrom(args, given, app.env, attached);
    const cidfile = claimCidfile(args.cidfile);
    try {
      const { source, imageId, spec } = await resolveSource(app, asked, imageOptionsFrom(args, given));
      if (args.replace) await (await import("./_replace")).removeNamesake(app, args.name);
      const attach = { ...attached, detachKeys, sigProxy: args["sig-proxy"] && !args.tty };
      return await runContainer(
        app.context,
        { name: args.name ?? "", spec, imageId },
        source,
        {
          attach: args.detach ? null : attach,
          printId: args.detach || !(attached.stdout || attached.stderr),
          consoleSize: args.tty ? consoleSize(app.io) : undefined,
          preserveFds,
        },
        cidfile.write,
      );
    } catch (error) {
      cidfile.discard();
      throw asEngineFailure(error);
    }
  },
});
