export { type ArchivedImage, archiveManifestLimitBytes, readArchiveManifest } from "./archive-manifest";
export { parseBytes } from "./bytes";
export { ALL_CAPABILITIES, capabilityName, grantedCapabilities } from "./capabilities";
export { type CdiName, cdiName, isCdiDevice } from "./cdi-name";
export { checkResources, type HostResources, listMembers } from "./check-resources";
export {
  type ConfigInput,
  encodeConfig,
  type JoinedNamespaces,
  type NetworkNamespace,
  type OciMount,
  processBase,
  type RuntimeConfig,
  rlimitsOf,
  runtimeConfig,
} from "./config";
export type { ContainerSpec, EndpointSettings, HostConfig } from "./container-spec";
export { defaultSeccomp, defaultSeccompProfile, type ResolvedSeccomp } from "./default-seccomp";
export {
  type Descriptor,
  isIndexType,
  isLayerType,
  manifestTypes,
  mediaTypes,
} from "./descriptor";
export {
  algorithmOf,
  chainIdOf,
  chainIdsOf,
  type Digest,
  type DigestAlgorithm,
  Digester,
  digestOf,
  hexOf,
  isDigest,
  mismatch,
  parseDigest,
  shortDigest,
  verifyBytes,
} from "./digest";
export {
  checkHealth,
  checkProgram,
  type HealthAction,
  type HealthConfig,
  type Healthcheck,
  healthTimes,
  mergeHealthcheck,
} from "./health";
export {
  hostLines,
  type IdRange,
  type IdRanges,
  idCount,
  isIdentity,
  keepIdRanges,
  mapLineRanges,
  mergeRanges,
  nomapRanges,
  parentOf,
  rangesOf,
} from "./id-maps";
export { type ConfigDocument, changedConfig } from "./image-change";
export {
  type HistoryEntry,
  type ImageConfig,
  type ImageHealthcheck,
  type ImageRunConfig,
  readImageConfig,
} from "./image-config";
export {
  type DeviceMapping,
  type DeviceRequest,
  type IsolationConfig,
  isolationDefaults,
  isolationOf,
} from "./isolation";
export {
  isSettable,
  type LinuxResources,
  linuxResources,
} from "./linux-resources";
export {
  checkLogConfig,
  type LogConfig,
  type LogLimits,
  logAttributes,
  logDrivers,
  logLimits,
  logOptionNames,
  renderTag,
  type TagField,
} from "./log-config";
export { assertIsImage, type Index, type Manifest, readManifest } from "./manifest";
export {
  checkTmpfsOptions,
  checkVolumeName,
  cleanTarget,
  type MountPoint,
  type MountSpec,
  parseBind,
  readMountWords,
} from "./mount-point";
export { type NamespaceKind, type NamespaceMode, parseNamespace } from "./namespace-mode";
export { isBridged, type NetworkMode, parseNetworkMode } from "./network-mode";
export { KEEP_GROUPS, parseGroup, parsePasswd, type ResolvedUser, resolveUser } from "./passwd";
export {
  choosePlatform,
  formatPlatform,
  hostPlatform,
  type Platform,
  parsePlatform,
  runsOn,
} from "./platform";
export {
  formatPlace,
  isAddress,
  type PortBinding,
  type PortMap,
  type PortProtocol,
  type PortRange,
  parseExposed,
  parseHostPort,
  parsePort,
  parsePublish,
  parsePublished,
} from "./ports";
export { appliedPaths, hasWritableCgroups, type ProtectedPaths, protectedPaths } from "./protected-paths";
export {
  familiarReference,
  familiarRepository,
  formatReference,
  hasDomain,
  parseReference,
  type Reference,
  repositoryOf,
  withDefaultTag,
} from "./reference";
export type { Resources, ThrottleDevice } from "./resources";
export {
  NO_RESTART,
  POLICIES,
  parseRestartPolicy,
  type RestartPolicy,
  restartPolicyText,
} from "./restart-policy";
export {
  type LinuxSeccomp,
  parseSeccompProfile,
  resolveSeccomp,
  type SeccompProfile,
} from "./seccomp";
export type { SecretUse } from "./secret-use";
export { parseUserNamespace, type UserNamespaceMode } from "./userns-mode";
