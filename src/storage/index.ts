export {
  type CompressionKind,
  compressStream,
  type Packing,
  packingOf,
  unpacked,
  zstdVersion,
} from "./compression";
export {
  BlobWriter,
  blobPath,
  ensureLayout,
  hasBlob,
  hintForSpace,
  makeIngestFile,
  projectIndex,
  readBlob,
  sizeOf,
  writeBlob,
} from "./content";
export type { Driver, DriverName, RootOptions, RootSource } from "./driver";
export { driverName } from "./driver-name";
export { whileFetching } from "./fetching";
export { announceContent, collectGarbage, removeAbandoned, whileAlone, whileKept } from "./garbage";
export { readInside } from "./inside";
export { receiveBlob } from "./layer-blob";
export {
  type LayerToUnpack,
  LayerWriter,
  layerKind,
  layerPath,
  layersDirectory,
  unpackBlob,
  unpackedSize,
  unpackStoredLayer,
} from "./layers";
export {
  isFetching,
  type LazyAnswer,
  type LazyPlan,
  type LazyRequest,
  lazyDirectory,
  lazyFailure,
  lockLazy,
  readPlan,
  startFetcher,
} from "./lazy";
export { findInStack, listInStack, readFromStack, readRootFile, type SeenEntry } from "./lookup";
export { forgetMappedLayers } from "./mapped";
export { layerDirectories, prepareRootfs, rootLayers } from "./rootfs";
export { type Selected, selectDriver, tryFeatures } from "./select";
export { shareFresh } from "./share";
export { readPieces, type Spooled, spool } from "./spool";
export { type LayerDirectory, type StoredBlob, storedBlobs, storedLayers } from "./stored";
export { settleUnsynced, syncBlobNames } from "./unsynced";
export { blobFault, layerMatches, putLayerAside } from "./verify";
