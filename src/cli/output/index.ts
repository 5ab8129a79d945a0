export { type Palette, palette, usesColour } from "./colour";
export { type Filters, hasLabel, parseFilters, passesFilters } from "./filter";
export { type Field, formatDocuments, formatRows, type RowsOptions } from "./format";
export { type LayerProgress, type LayerStatus, type PullProgressView, pullProgressView } from "./progress";
export { humanSize, imageSize, memorySize } from "./size";
export { alignTabs, displayWidth, oneLine, truncateToWidth } from "./table";
export { humanDuration, localTime, timeAgo } from "./time";
