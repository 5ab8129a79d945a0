/** What commands elsewhere need to speak to registries. */

export { signArgs, signingKeyFrom } from "./_sign-options";
export { untilInterrupted } from "./_signals";
export { registryArgs, registryFlagsFrom } from "./registry-options";
