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
export { announceContent, collectGarbage, removeAbandoned, whileKept } from "./garbage";
export { readInside } from "./inside";
export { type LayerToUnpack, LayerWriter, layerKind, layerPath, unpackBlob, unpackedSize } from "./layers";
export { findInStack, readFromStack, readRootFile } from "./lookup";
export { layerDirectories, prepareRootfs } from "./rootfs";
export { type Selected, selectDriver } from "./select";
