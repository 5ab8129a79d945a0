import { type Facts, HelperError } from "../../helper";
import { defineCommand } from "../tree";

/** `__report VERB FACTS`: the helper, which has replaced proa, has failed and has it put into words. */
export const command = defineCommand({
  meta: { description: "Report a failure of the helper", hidden: true },
  args: { rest: { type: "positional", rest: true, description: "Verb and facts" } },
  parsed: false,
  run({ args }) {
    const [verb = "", facts = "{}"] = args.rest;
    throw new HelperError(verb, JSON.parse(facts) as Facts);
  },
});
