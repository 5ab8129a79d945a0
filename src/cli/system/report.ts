import { EngineError } from "../../error";
import { type Facts, HelperError } from "../../helper";
import type { App } from "../app";
import { defineCommand } from "../tree";

/** `__report VERB FACTS`: the helper, which has replaced proa, has failed and has it put into words. */
export const command = defineCommand({
  meta: { description: "Report a failure of the helper", hidden: true },
  args: { rest: { type: "positional", rest: true, description: "Verb and facts" } },
  parsed: false,
  async run({ app, args }) {
    const [verb = "", text = "{}"] = args.rest;
    const facts = JSON.parse(text) as Facts;
    throw facts.step === "publish port" ? await portError(app, verb, facts) : new HelperError(verb, facts);
  },
});

/** A port that could not be taken: who has it, or what would allow it. */
async function portError(app: App, verb: string, facts: Facts): Promise<EngineError> {
  const error = new HelperError(verb, facts);
  const { lowPortHint, parseHeldPort, portHolder } = await import("../../container");
  const held = parseHeldPort(facts.object);
  if (held === null) return error;
  if (facts.errno === "EACCES" || facts.errno === "EPERM") {
    return new EngineError("helper", facts.step, facts.object, error.cause, { hint: lowPortHint(held.port) });
  }
  if (facts.errno !== "EADDRINUSE") return error;
  const holder = portHolder(app.context, held);
  const why = holder === null ? "the port is in use" : `the port is in use by ${holder}`;
  return new EngineError("in-use", facts.step, facts.object, why, {
    hint: holder?.startsWith("container ")
      ? `stop it (proa stop ${holder.slice(10)}), or publish another port`
      : "publish another port",
  });
}
