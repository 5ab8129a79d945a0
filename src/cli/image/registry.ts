/** What commands elsewhere need to speak to registries. */

export { progressFlag } from "./_progress-flag";
export { signArgs, signingKeyFrom } from "./_sign-options";
export { untilInterrupted } from "./_signals";
export { registryArgs, registryFlagsFrom } from "./registry-options";
