export * from "./artifacts";
export { type CgroupManagerName, configFile, type LogDefaults, type NetworkConfig } from "./config";
export { type ConfigKey, configKeys, configTables } from "./config-keys";
export * from "./containers";
export { type Context, type ContextOptions, createContext } from "./context";
export { EventReader, type JournalEvent } from "./event-reader";
export { type EventType, emit, type Happening } from "./events";
export { readText, replaceFile } from "./files";
export { releaseIdRange, takeIdRange } from "./id-ranges";
export * from "./images";
export { isLocked, isStillAt, tryLock, waitUnlocked } from "./lock";
export * from "./manifest-lists";
export { isMountPoint } from "./mount-points";
export * from "./names";
export * from "./networks";
export {
  checkRuntimeDirectory,
  makePrivateDirectory,
  makeRuntimeDirectory,
  type Paths,
  resolvePaths,
} from "./paths";
export { isDiskFull, withReserve } from "./reserve";
export * from "./secrets";
export * from "./store";
export * from "./volumes";
