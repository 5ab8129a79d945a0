export * from "./containers";
export { type Context, type ContextOptions, createContext } from "./context";
export * from "./images";
export { isLocked, tryLock, waitUnlocked } from "./lock";
export { makePrivateDirectory, type Paths, resolvePaths } from "./paths";
