import { findContainer, waitForContainer } from "../../container";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Wait until containers have ended and print their exit statuses",
    examples: [{ command: "proa wait job", does: "print the exit status of job once it has ended" }],
    seeAlso: ["proa-ps(1)"],
  },
  args: { container: { type: "positional", rest: true, value: "container", description: "Name or id" } },
  run({ app, args }) {
    return forEachTarget(app.io, args.container, async (name) =>
      String(await waitForContainer(app.context, await findContainer(app.context, "wait", name))),
    );
  },
});
