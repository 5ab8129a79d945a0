export { Access, type Credentials, type RegistryOptions } from "./_access";
export type { RetryPolicy } from "./_retry";
export {
  type AuthPlace,
  type FoundAuthFile,
  findCredentials,
  foundAuthFiles,
  knownRegistries,
  registryKey,
  removeAllCredentials,
  removeCredentials,
  storeCredentials,
  usualAuthFile,
} from "./auth-files";
export { type SearchHit, searchRegistry } from "./catalog";
export { type FetchedManifest, RegistryClient } from "./client";
export {
  type Connecting,
  candidatesOf,
  pullSources,
  pushTarget,
  type RegistryFlags,
  registryOptions,
  type Source,
} from "./connect";
export { download } from "./download";
export { RegistryError, type SpecError } from "./error";
export { entryFor, readRegistriesConf } from "./registries-conf";
export { type BlobToUpload, RegistryUploader, type Upload, type Uploaded } from "./uploader";
