import { findContainer, updateContainer } from "../../container";
import { EngineError } from "../../error";
import { parseRestartPolicy } from "../../oci";
import { usageError } from "../args";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";
import { restartArg } from "./_life-options";
import { limitArgs, limitsFrom } from "./_limit-options";
import { latestArg, newest, optionalNames, targetNames } from "./_targets";

export const command = defineCommand({
  meta: {
    description: "Change containers, also while they run",
    details: "A limit that has no effect on this host is refused, and nothing is changed then.",
    examples: [
      { command: "proa update --restart unless-stopped web", does: "have it started again from now on" },
      { command: "proa update --restart no web db", does: "let both end when they end" },
    ],
    seeAlso: ["proa-create(1)", "proa-system-enable(1)"],
  },
  args: {
    restart: {
      ...restartArg,
      description: "When it is started again after its end: no, always, unless-stopped, on-failure[:NUMBER]",
    },
    ...limitArgs,
    latest: latestArg,
    container: { ...optionalNames, value: "container", description: "Name or id" },
  },
  async run({ app, args, given }) {
    const [ignored] = limitsFrom(args, given).warnings;
    if (ignored !== undefined) {
      const [option = "", why = ""] = ignored.split(" is ignored: ");
      throw new EngineError("unsupported", "update", option, why, { exitCode: 1 });
    }
    if (args.restart === undefined)
      throw usageError('"proa update" requires something to change: give --restart');
    const restartPolicy = parseRestartPolicy(args.restart);
    const named = targetNames("update", args.container, { latest: args.latest });
    const names = args.latest ? [(await newest(app, "update")).id] : named;
    return forEachTarget(app.io, names, async (name) => {
      await updateContainer(app.context, await findContainer(app.context, "update", name), { restartPolicy });
      return name;
    });
  },
});
