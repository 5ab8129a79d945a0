/** What a pull tells while it works. Sizes are bytes of the compressed layer. */
export type PullProgress = LayerProgress | ResolvedProgress;

export type LayerStatus = "waiting" | "downloading" | "verifying" | "extracting" | "exists" | "done";

export type LayerProgress = {
  kind: "layer";
  /** Digest of the compressed layer. */
  id: string;
  status: LayerStatus;
  current: number;
  total: number;
};

/** The registry has said what the name means; layers follow. */
export type ResolvedProgress = {
  kind: "resolved";
  /** The name in full. */
  reference: string;
  /** What the registry calls it: the digest of the index or manifest. */
  digest: string;
};
