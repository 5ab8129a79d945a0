import { checkHealthNow, findContainer, specOf } from "../../container";
import { EngineError } from "../../error";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Make a health check of a container now",
    details:
      "Its result counts as that of any other check: proa inspect shows it, and enough failures make the container unhealthy.",
    examples: [{ command: "proa healthcheck run db && echo well", does: "ask whether a database is well" }],
    exitStatuses: [{ status: "1", meaning: "the check has failed, without --ignore-result" }],
    seeAlso: ["proa-run(1)", "proa-ps(1)"],
  },
  args: {
    "ignore-result": {
      type: "boolean",
      description: "Whatever the check finds, the status is 0: only that it was made counts",
    },
    container: { type: "positional", value: "running-container", description: "Name or id" },
  },
  async run({ app, args }) {
    try {
      const row = await findContainer(app.context, "healthcheck", args.container);
      const found = await checkHealthNow(app.context, row, specOf(app.context, row));
      if (found === "healthy") return 0;
      app.io.stdout.write(`${found}\n`);
      return args["ignore-result"] ? 0 : 1;
    } catch (error) {
      throw withOwnStatus(error);
    }
  },
});

/** 1 is the answer of a check: what kept it from being made has the engine's own status, as podman has it. */
function withOwnStatus(error: unknown): unknown {
  if (!(error instanceof EngineError) || error.exitCode !== 1) return error;
  return new EngineError(error.code, error.what, error.on, error.cause, { hint: error.hint });
}
