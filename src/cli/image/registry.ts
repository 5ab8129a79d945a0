/** What commands elsewhere need to speak to registries. */

export { untilInterrupted } from "./_signals";
export { registryArgs, registryFlagsFrom } from "./registry-options";
