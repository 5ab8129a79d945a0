export { type AskedNetwork, createNetwork, pairSubnets } from "./create";
export { DEFAULT_NETWORK, defaultNetwork } from "./default";
export {
  addEndpoint,
  completeEndpoints,
  type Endpoint,
  endpointsOf,
  keepEndpoints,
  removeEndpoint,
  reserveEndpoints,
  restoreEndpoint,
  type WantedEndpoint,
} from "./endpoints";
export { findNetwork, listNetworks } from "./find";
export { endpointId, inspectNetwork } from "./inspect";
export { tellNetwork } from "./journal";
export { hostBindingOf, optionNames } from "./options";
export {
  type EndpointPlan,
  endpointPlans,
  gatewayOf,
  HOST_V4,
  HOST_V6,
  type NetworkPlan,
  prefixOf,
  usedNetworkPlans,
} from "./plan";
export { isPermanent, pruneNetworks, removeNetwork } from "./remove";
export { deniedSubnets } from "./settings";
export { netdStatus } from "./status";
export { updateResolvers } from "./update";
export { usersOf } from "./users";
