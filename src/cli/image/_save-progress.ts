/** The progress of an archive that is written: how much there is of it. On a terminal only, where nothing else is asked for: docker's `save` says nothing. */
import { basename } from "node:path";
import type { App } from "../app";
import { type PullProgressView, pullProgressView } from "../output/progress";
import type { ProgressMode } from "../output/progress-modes";

type Write = (bytes: Uint8Array) => void;

export type SavingView = {
  /** The same function, which counts what it writes. */
  counting(write: Write): Write;
  /** The archive is whole. */
  saved(): void;
  /** The last call, after a failure too. */
  finish(): void;
};

export function savingView({ io, env }: App, path: string, mode: ProgressMode): SavingView {
  const isShown = mode === "auto" ? io.stderr.isTTY && env.TERM !== "dumb" : mode !== "quiet";
  if (!isShown) return { counting: (write) => write, saved() {}, finish() {} };
  const view: PullProgressView = pullProgressView(io.stderr, { env, mode });
  const id = basename(path);
  let current = 0;
  return {
    counting: (write) => (bytes) => {
      write(bytes);
      current += bytes.length;
      view.update({ kind: "layer", id, status: "saving", current });
    },
    saved() {
      view.update({ kind: "layer", id, status: "saved" });
    },
    finish: () => view.finish(),
  };
}
