import { EngineError, tracing } from "../../error";
import { type Facts, groupWarnings, HelperError } from "../../helper";
import type { App } from "../app";
import { defineCommand } from "../tree";

/**
 * `__report VERB FACTS`: the helper, which has replaced proa, has failed and has it put into words. `__report warning [FACTS,…]`: it goes on
 * without something.
 */
export const command = defineCommand({
  meta: { description: "Report a failure of the helper", hidden: true },
  args: { rest: { type: "positional", rest: true, description: "Verb and facts" } },
  parsed: false,
  async run({ app, args }) {
    const [verb = "", text = "{}"] = args.rest;
    tracing.command = `helper ${verb}`; // what is remembered of the failure
    if (verb === "warning") {
      for (const line of groupWarnings(JSON.parse(text) as Facts[])) app.context.warn(line);
      return;
    }
    const facts = JSON.parse(text) as Facts;
    if (facts.step === "publish port") throw await portError(app, verb, facts);
    throw await programError(app, verb, facts);
  },
});

/** A program that could not be executed, in a container that is still there: what looks into its files says more. */
async function programError(app: App, verb: string, facts: Facts): Promise<EngineError> {
  const error = new HelperError(verb, facts);
  const id = app.env.PROA_STAYS ?? "";
  if (facts.step !== "execute" || error.hint !== undefined || !/^[0-9a-f]{64}$/.test(id)) return error;
  const { findContainer } = await import("../../container");
  const name = await findContainer(app.context, "find container", id).then(
    (row) => row.name,
    () => id.slice(0, 12),
  );
  return new EngineError("helper", facts.step, facts.object, error.cause, {
    exitCode: facts.exit,
    hint: `proa why ${name} says more`,
  });
}

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
