export { notRunning, openAlive } from "./alive";
export { attachToContainer } from "./attach";
export {
  type AskedSpec,
  createContainer,
  type ImageDefaults,
  type NewContainer,
  withImageDefaults,
} from "./create";
export { type ExecOptions, execInContainer, specOf } from "./exec";
export { findContainer } from "./find";
export { inspectContainer } from "./inspect";
export { type ListedContainer, listContainers } from "./list";
export { type LogLine, type LogOptions, type LogSink, readLog } from "./logs";
export { logFile, runDirectory } from "./places";
export { removeContainers } from "./remove";
export { storedSecurityOptions } from "./security";
export { EXIT_UNKNOWN } from "./settle";
export { runContainer, type StartOptions, startContainer, startDetached } from "./start";
export { killContainer, type StopOptions, signalNumber, stopContainers } from "./stop";
export { waitForContainer } from "./wait";
