export type { RegistryFlags } from "../registry";
export type { LazyRequest } from "../storage";
export { fetchLazily, pullImage, pullLazily, pushImage } from "./_lazy";
export {
  type Artifact,
  artifactName,
  findArtifact,
  listArtifacts,
  lookUpArtifact,
  removeArtifact,
} from "./artifact";
export { type AddOptions, addArtifact } from "./artifact-add";
export { extractArtifact } from "./artifact-extract";
export { pullArtifact, pushArtifact } from "./artifact-transfer";
export { type Checked, type CheckOptions, checkImages, type Problem, tidyStore } from "./check";
export { dropBlobs } from "./drop-blobs";
export { embeddedImage } from "./embedded";
export { receiveImage, sendImage } from "./exchange";
export { familiarName } from "./familiar";
export { changesOfImage, type FileChange } from "./files";
export { EXCHANGE_GREETING } from "./greeting";
export { type HistoryLine, historyOf } from "./history";
export { type ImportOptions, importImage } from "./import";
export { type ImageInspect, inspectImage } from "./inspect";
export { type LayerTree, layerTree, namesOfTop } from "./layer-tree";
export type { LazyPull } from "./lazy";
export {
  countImages,
  type ImageSummary,
  isBelowAnother,
  listImages,
  listNamedImages,
  type NamedImage,
  namesOfImage,
} from "./list";
export { fetchLocal, type LoadedImage, type LoadOptions, loadImages } from "./load";
export {
  addToList,
  annotateEntry,
  annotateList,
  createList,
  type EntryWishes,
  fetchDocument,
  findList,
  indexDocument,
  lookUpList,
  type ManifestList,
  removeEntry,
  removeList,
  verboseDocument,
} from "./manifest-list";
export { pushList } from "./manifest-push";
export { mountedImages, mountImage, unmountImage } from "./mount";
export { policyPath, readPolicy } from "./policy";
export type { LayerProgress, LayerStatus, PullProgress, ResolvedProgress } from "./progress";
export { pruneImages } from "./prune";
export type { PullOptions, PullPolicy } from "./pull";
export { type Pushed, type PushOptions, type PushProgress, tagsOfRepository } from "./push";
export { completeImage, type RefetchOptions, refetchBlob } from "./refetch";
export { type RemoteTagsOptions, remoteTags } from "./remote-tags";
export { type Removed, type RemoveOptions, removeImage } from "./remove";
export { type SaveFormat, type SaveOptions, saveArchive, saveDirectory } from "./save";
export { type Hit, type SearchOptions, searchImages, tagsInRegistry } from "./search";
export { digestsToSign, readSigningKey, type SigningKey, signImage } from "./sign";
export {
  configOf,
  findImage,
  imageById,
  isForeign,
  lookUpImage,
  type StoredImage,
  usableImage,
} from "./stored";
export { storedBytesOf } from "./stored-bytes";
export { tagImage, untagImage } from "./tag";
export { hasTransport, type LocalTransport, parseTransport, type Transport } from "./transport";
export { setTrust, type TrustLine, trustLines } from "./trust";
export { type ImagesUse, type ImageUse, imagesUse } from "./usage";
export { type NewImage, type NewLayer, newName, writeImage } from "./write";
