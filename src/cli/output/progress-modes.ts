/** What --progress takes. Apart from the views, which a definition has no use for. */
export const progressModes = ["auto", "tty", "plain", "json", "quiet"] as const;
export type ProgressMode = (typeof progressModes)[number];
