export type { NetworkConfig } from "./config";
export * from "./containers";
export { type Context, type ContextOptions, createContext } from "./context";
export { replaceFile } from "./files";
export * from "./images";
export { isLocked, isStillAt, tryLock, waitUnlocked } from "./lock";
export * from "./networks";
export { makePrivateDirectory, makeRuntimeDirectory, type Paths, resolvePaths } from "./paths";
export { isDiskFull, withReserve } from "./reserve";
