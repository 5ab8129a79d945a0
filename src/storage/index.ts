export { compressStream, zstdVersion } from "./compression";
export {
  BlobWriter,
  blobPath,
  ensureLayout,
  hasBlob,
  hintForSpace,
  projectIndex,
  readBlob,
  writeBlob,
} from "./content";
export type { Driver, DriverName, RootOptions, RootSource } from "./driver";
export { driverName } from "./driver-name";
export { announceContent, collectGarbage, removeAbandoned, whileKept } from "./garbage";
export { readInside } from "./inside";
export { receiveBlob } from "./layer-blob";
export { type LayerToUnpack, LayerWriter, layerKind, layerPath, unpackBlob, unpackedSize } from "./layers";
export { findInStack, readFromStack, readRootFile } from "./lookup";
export { forgetMappedLayers } from "./mapped";
export { layerDirectories, prepareRootfs, rootLayers } from "./rootfs";
export { type Selected, selectDriver } from "./select";
