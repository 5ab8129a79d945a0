export { notRunning, openAlive } from "./alive";
export { attachToContainer } from "./attach";
export { containersToBoot, startsAtBoot } from "./boot";
export { bootUnit, disableBoot, enableBoot } from "./boot-unit";
export { hastenJoin } from "./cgroup";
export { type CgroupFacts, cgroupFacts } from "./cgroup-facts";
export { type Change, changesOf } from "./changes";
export { type CommitOptions, commitContainer } from "./commit";
export { connectContainer, disconnectContainer, followNetwork, reloadNetworks } from "./connect";
export { askSupervisor, FRAME } from "./control";
export { copyFiles, type Place, textOfPlace } from "./copy";
export {
  type AskedSpec,
  createContainer,
  type EnvironmentRules,
  type ImageDefaults,
  type NewContainer,
  withImageDefaults,
} from "./create";
export { diagnose } from "./doctor/diagnose";
export type { Finding } from "./doctor/finding";
export { foundNearby, placesOf } from "./elsewhere";
export { type ExecOptions, execInContainer } from "./exec";
export { exportContainer } from "./export";
export { findContainer, newestContainer } from "./find";
export { checkHealthNow, type Health, healthOf } from "./health";
export { forgetUnusedMaps } from "./id-mappings";
export { inspectContainer } from "./inspect";
export { tell } from "./journal";
export { removeLink } from "./links";
export { type ListedContainer, listContainers } from "./list";
export { type LiveState, liveState, type ShownStatus, shownStatus } from "./live";
export { type LogOf, type LogOptions, lostBytes, showLogs } from "./logs";
export { type Look, lookIntoContainer, lookIntoImage } from "./look";
export { lostContainers } from "./lost";
export { initContainer, mountContainer, mountedContainers, unmountContainer } from "./mount";
export { type NetworkDriver, selectNetworkDriver } from "./network-driver";
export { describeNetwork } from "./networks";
export { checkNotPaused, pauseContainer } from "./pause";
export { logFile, runDirectory } from "./places";
export { parseHeldPort, portHolder } from "./port-holder";
export { describePorts, lowPortHint, type OpenPort, openPorts, portLine } from "./ports";
export { pruneContainers } from "./prune";
export { removeContainers } from "./remove";
export { renameContainer } from "./rename";
export { dependentsOf } from "./required";
export { resetStore } from "./reset";
export { storedSecurityOptions } from "./security";
export { type ExecSession, execIds, execSessions, forgetExecSession } from "./sessions";
export { EXIT_UNKNOWN } from "./settle";
export { signalNumber } from "./signal";
export { type ContainerSize, containerSize } from "./size";
export { specOf } from "./spec";
export { runContainer, type StartOptions, startContainer, startDetached } from "./start";
export { listWithUsage, type Usage, type Usages, usageOf } from "./stats";
export { killContainer, restartInPlace, type StopOptions, stopContainers, waitForKilled } from "./stop";
export { tellOnce } from "./told";
export { type ProcessTable, topContainer } from "./top";
export { type Changes, updateContainer } from "./update";
export {
  CONDITIONS,
  type Condition,
  NO_EXIT_STATUS,
  parseCondition,
  type WaitOptions,
  waitForCondition,
  waitForContainer,
} from "./wait";
export type { Claim, Explanation } from "./why/claim";
export { explainContainer } from "./why/explain";
