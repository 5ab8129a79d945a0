import { version } from "../../package.json";

export { version };

/** What `proa --version` prints. */
export const versionLine = `proa version ${version}`;
