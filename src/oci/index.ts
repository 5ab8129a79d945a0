export { parseBytes } from "./bytes";
export { ALL_CAPABILITIES, capabilityName, grantedCapabilities } from "./capabilities";
export {
  bindMount,
  type ConfigInput,
  encodeConfig,
  type NetworkNamespace,
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
  type HistoryEntry,
  type ImageConfig,
  type ImageHealthcheck,
  type ImageRunConfig,
  readImageConfig,
} from "./image-config";
export { assertIsImage, type Index, type Manifest, readManifest } from "./manifest";
export { isBridged, type NetworkMode, parseNetworkMode } from "./network-mode";
export { type ResolvedUser, resolveUser } from "./passwd";
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
export {
  type LinuxSeccomp,
  parseSeccompProfile,
  resolveSeccomp,
  type SeccompProfile,
} from "./seccomp";
