export { helperPath } from "./binary";
export {
  becomeHelper,
  callHelper,
  hastenGroups,
  type Running,
  runMapped,
  spawnRun,
  startHelper,
} from "./call";
export { hasEntryTypes } from "./entry-types";
export { HelperError, hintFor, isBrokenPipe } from "./facts";
export { Files, type PackOwners, type UnpackOwners } from "./files";
export { groupWarnings } from "./group-warning";
export { logText } from "./log-text";
export { type HostMappings, hostMappings, isUnshared, parseSubordinateIds, UNSHARED } from "./mappings";
export type * from "./protocol";
export * from "./syscalls";
