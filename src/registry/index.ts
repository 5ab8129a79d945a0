export type { RetryPolicy } from "./_retry";
export { type FetchedManifest, RegistryClient, type RegistryOptions } from "./client";
export { RegistryError, type SpecError } from "./error";
