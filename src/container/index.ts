export { notRunning, openAlive } from "./alive";
export { attachToContainer } from "./attach";
export { connectContainer, disconnectContainer, followNetwork, reloadNetworks } from "./connect";
export {
  type AskedSpec,
  createContainer,
  type ImageDefaults,
  type NewContainer,
  withImageDefaults,
} from "./create";
export { type ExecOptions, execInContainer } from "./exec";
export { findContainer } from "./find";
export { inspectContainer } from "./inspect";
export { type ListedContainer, listContainers } from "./list";
export { type LogLine, type LogOptions, type LogSink, readLog } from "./logs";
export { type NetworkDriver, selectNetworkDriver } from "./network-driver";
export { describeNetwork } from "./networks";
export { logFile, runDirectory } from "./places";
export { parseHeldPort, portHolder } from "./port-holder";
export { describePorts, lowPortHint, type OpenPort, openPorts, portLine } from "./ports";
export { removeContainers } from "./remove";
export { renameContainer } from "./rename";
export { storedSecurityOptions } from "./security";
export { EXIT_UNKNOWN } from "./settle";
export { specOf } from "./spec";
export { runContainer, type StartOptions, startContainer, startDetached } from "./start";
export { type Usage, usageOf } from "./stats";
export { killContainer, type StopOptions, signalNumber, stopContainers } from "./stop";
export { type ProcessTable, topContainer } from "./top";
export { waitForContainer } from "./wait";
