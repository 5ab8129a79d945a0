export { helperPath } from "./binary";
export { becomeHelper, callHelper, type Running, spawnRun, startHelper } from "./call";
export { HelperError } from "./facts";
export { type HostMappings, hostMappings, parseSubordinateIds } from "./mappings";
export type * from "./protocol";
export * from "./syscalls";
