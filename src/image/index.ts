export { embeddedImage } from "./embedded";
export { type HistoryLine, historyOf } from "./history";
export { type ImageInspect, inspectImage } from "./inspect";
export { countImages, type ImageSummary, listImages } from "./list";
export type { LayerProgress, LayerStatus, PullProgress, ResolvedProgress } from "./progress";
export { type PullOptions, type PullPolicy, pullImage, pullPolicies } from "./pull";
export { type Removed, type RemoveOptions, removeImage } from "./remove";
export { findImage, imageById, lookUpImage, type StoredImage } from "./stored";
export { tagImage } from "./tag";
