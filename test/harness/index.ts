/** What tests are made with. */
export {
  type Background,
  createEngine,
  type Engine,
  type ProaOptions,
  type ProaResult,
  type PtyOptions,
  useEngine,
} from "./engine";
export { type GatedRegistry, startGatedRegistry } from "./gated-registry";
export {
  type Blob,
  blobOf,
  type Compression,
  descriptorOf,
  digestOf,
  hostPlatform,
  type ImageConfig,
  type Layer,
  makeImage,
  makeIndex,
  makeLayer,
  type Platform,
  pushImage,
  type TestImage,
  writeLayout,
} from "./image";
export { debianImage, debianMissing, prepareDebian, tinyImage, tinyLayer, tinyMissing } from "./images";
export { netImage, netMissing, useNet } from "./net-image";
export { expectNothingLeft } from "./nothing-left";
export { cpuSeconds, pssKib } from "./process";
export { type Pty, startPty } from "./pty";
export { type Registry, registryMissing, startRegistry, useRegistry } from "./registry";
export {
  createSandbox,
  leftIn,
  proaPath,
  processesOf,
  removeSandbox,
  type Sandbox,
  testCacheDir,
} from "./sandbox";
export { type Tree, type TreeEntry, tarOf } from "./tar";
export { missing, useTiny } from "./tiny";
export { prepareVm, runInVm, useVm, type Vm, type VmResult, vmMissing, vmUnsupported } from "./vm";
export { fromNow, waitUntil } from "./wait";
