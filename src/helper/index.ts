export { helperPath } from "./binary";
export { becomeHelper, callHelper, type Running, runMapped, spawnRun, startHelper } from "./call";
export { HelperError, isBrokenPipe } from "./facts";
export { Files, type PackOwners, type UnpackOwners } from "./files";
export { type HostMappings, hostMappings, isUnshared, parseSubordinateIds, UNSHARED } from "./mappings";
export type * from "./protocol";
export * from "./syscalls";
