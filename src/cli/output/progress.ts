import { BrokenPipe } from "../broken-pipe";
import type { Env, OutStream } from "../io";
import type { ProgressMode } from "./progress-modes";
import { imageSize } from "./size";
import { displayWidth, truncateToWidth } from "./table";

/**
 * The progress of a pull, a push, a load, a save. On a terminal a line a layer is redrawn in place; elsewhere (a pipe, TERM=dumb) each layer gets a
 * plain line when it begins and when it is done, without any escape sequence. `json` is an object a line, of the shape that the Docker Engine API streams.
 */

export type LayerStatus =
  | "waiting"
  | "downloading"
  | "verifying"
  | "extracting"
  | "exists"
  | "done"
  | "preparing"
  | "pushing"
  | "mounted"
  | "skipped"
  | "saving"
  | "saved";

export type LayerProgress = {
  readonly kind: "layer";
  /** Digest of the layer, or any short name. */
  readonly id: string;
  readonly status: LayerStatus;
  /** Bytes of the compressed layer so far, and in all where that is known. */
  readonly current?: number | undefined;
  readonly total?: number | undefined;
};

export type PullProgressView = {
  update(progress: LayerProgress): void;
  /** Print a line of text above what is being redrawn. */
  message(text: string): void;
  /** Draw the last state and leave the cursor below it. To be called at the end, after a failure too. */
  finish(): void;
};

export type ProgressOptions = {
  env: Env;
  /** Which way the layers go. Default: pull. */
  way?: "pull" | "push" | "load";
  /** Default: auto, what suits the stream. */
  mode?: ProgressMode | undefined;
  /** Milliseconds; for tests. */
  now?: () => number;
};

const words: Record<LayerStatus, string> = {
  waiting: "Pulling fs layer",
  downloading: "Downloading",
  verifying: "Verifying checksum",
  extracting: "Extracting",
  exists: "Already exists",
  done: "Pull complete",
  preparing: "Preparing",
  pushing: "Pushing",
  mounted: "Mounted from another repository",
  skipped: "Skipped foreign layer",
  saving: "Saving",
  saved: "Saved",
};

/** What differs when layers are pushed. */
const pushWords: Record<LayerStatus, string> = {
  ...words,
  waiting: "Waiting",
  exists: "Layer already exists",
  done: "Pushed",
};

/** What differs when they come from a file. */
const loadWords: Record<LayerStatus, string> = {
  ...words,
  waiting: "Waiting",
  downloading: "Loading layer",
  done: "Loaded",
};

const redrawMs = 50;

/** The view that was asked for, or suits the stream. */
export function pullProgressView(stream: OutStream, options: ProgressOptions): PullProgressView {
  const write = writerOf(stream);
  const { mode = "auto", env } = options;
  const isDrawn = mode === "tty" || (mode === "auto" && stream.isTTY && env.TERM !== "dumb");
  if (isDrawn) return new TerminalView(stream, write, options);
  if (mode === "quiet") return silent;
  return mode === "json" ? new JsonView(write, wordsOf(options)) : new PlainView(write, wordsOf(options));
}

const silent: PullProgressView = { update() {}, message() {}, finish() {} };

type Write = (text: string) => void;
type Words = Record<LayerStatus, string>;

function wordsOf({ way }: ProgressOptions): Words {
  return way === "push" ? pushWords : way === "load" ? loadWords : words;
}

const begun: readonly LayerStatus[] = [
  "waiting",
  "downloading",
  "verifying",
  "extracting",
  "preparing",
  "pushing",
  "saving",
];

/** Writes to the stream, and no more once nobody reads it: the pull goes on. */
function writerOf(stream: OutStream): Write {
  let broken = false;
  return (text) => {
    if (broken) return;
    try {
      stream.write(text);
    } catch (error) {
      if (!(error instanceof BrokenPipe)) throw error;
      broken = true;
    }
  };
}

class PlainView implements PullProgressView {
  private readonly said = new Map<string, string>();

  constructor(
    private readonly write: Write,
    private readonly words: Words,
  ) {}

  update({ id, status }: LayerProgress): void {
    const isLoad = this.words === loadWords;
    const first = this.words === pushWords ? "preparing" : isLoad ? "downloading" : "waiting";
    const text = this.words[status === "saving" || !begun.includes(status) ? status : first];
    if (this.said.get(id) === text) return;
    this.said.set(id, text);
    this.write(`${shortName(id)}: ${text}\n`);
  }

  message(text: string): void {
    this.write(`${text}\n`);
  }

  finish(): void {}
}

/** Objects as `POST /images/create` and its like stream them: `status`, `id`, `progressDetail`. */
class JsonView implements PullProgressView {
  private readonly said = new Map<string, string>();

  constructor(
    private readonly write: Write,
    private readonly words: Words,
  ) {}

  update({ id, status, current, total }: LayerProgress): void {
    const isCounted = current !== undefined && counted.includes(status);
    const progressDetail = isCounted ? { current, ...(total === undefined ? {} : { total }) } : {};
    const line = JSON.stringify({ status: this.words[status], progressDetail, id: shortName(id) });
    if (this.said.get(id) === line) return;
    this.said.set(id, line);
    this.write(`${line}\n`);
  }

  message(text: string): void {
    this.write(`${JSON.stringify({ status: text })}\n`);
  }

  finish(): void {}
}

/** States in which bytes are moved. */
const counted: readonly LayerStatus[] = ["downloading", "extracting", "pushing", "saving"];

class TerminalView implements PullProgressView {
  private readonly layers = new Map<string, LayerProgress>();
  /** Widths of the lines on the screen now. */
  private drawn: number[] = [];
  private drawnAt = Number.NEGATIVE_INFINITY;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private finished = false;
  private readonly now: () => number;
  private readonly words: Words;

  constructor(
    private readonly stream: OutStream,
    private readonly write: Write,
    options: ProgressOptions,
  ) {
    this.words = wordsOf(options);
    this.now = options.now ?? (() => performance.now());
  }

  update(progress: LayerProgress): void {
    if (this.finished) return;
    this.layers.set(progress.id, progress);
    const due = this.drawnAt + redrawMs - this.now();
    if (due <= 0) this.draw();
    else {
      this.timer ??= setTimeout(() => this.draw(), due);
      this.timer.unref?.();
    }
  }

  message(text: string): void {
    this.write(`${this.erase()}${text}\n`);
    this.drawn = [];
    if (this.layers.size > 0 && !this.finished) this.draw();
  }

  finish(): void {
    if (this.finished) return;
    this.draw(true);
    this.finished = true;
  }

  private draw(all = false): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.drawnAt = this.now();
    // One column stays free: a full line would leave the cursor where terminals differ.
    const width = Math.max(1, (this.stream.columns ?? 80) - 1);
    const shown = all ? [...this.layers.values()] : this.fitting();
    const lines = shown.map((layer) => truncateToWidth(lineOf(layer, width, this.words), width));
    const left = this.layers.size - shown.length;
    if (left > 0) lines.push(truncateToWidth(`… and ${left} more`, width));
    this.write(this.erase() + lines.map((line) => `${line}\n`).join(""));
    this.drawn = lines.map(displayWidth);
  }

  /** The layers that fit on the screen, those at work before those that are done. */
  private fitting(): LayerProgress[] {
    const room = Math.max(1, (this.stream.rows ?? 24) - 2);
    const layers = [...this.layers.values()];
    if (layers.length <= room) return layers;
    const rank = ({ status }: LayerProgress) =>
      !begun.includes(status) ? 2 : status === "waiting" || status === "preparing" ? 1 : 0;
    return layers.toSorted((a, b) => rank(a) - rank(b)).slice(0, room);
  }

  /** Move over the lines on the screen and clear them. A terminal made narrower has wrapped them. */
  private erase(): string {
    const columns = this.stream.columns ?? 80;
    const rows = this.drawn.reduce((sum, width) => sum + Math.max(1, Math.ceil(width / columns)), 0);
    return rows === 0 ? "" : `\x1b[${rows}A\r\x1b[J`;
  }
}

/** `abc123def456: Downloading [====>     ]  12.3MB/45.6MB`; the bar goes first where the terminal is narrow. */
function lineOf(layer: LayerProgress, width: number, words: Words): string {
  const { id, status, current = 0, total } = layer;
  const head = `${shortName(id)}: ${words[status]}`;
  if (!counted.includes(status)) return head;
  const amount = total === undefined ? imageSize(current) : `${imageSize(current)}/${imageSize(total)}`;
  if (total === undefined || total <= 0) return `${head}  ${amount}`;
  const room = Math.min(50, width - head.length - amount.length - 5);
  if (room < 5) return `${head} ${amount}`;
  const full = Math.min(room, Math.floor((current / total) * room));
  const bar = full >= room ? "=".repeat(room) : `${"=".repeat(full)}>`.padEnd(room);
  return `${head} [${bar}]  ${amount}`;
}

/** The twelve letters of a digest that people use. */
function shortName(id: string): string {
  return /^[a-z0-9]+:([0-9a-f]{12})[0-9a-f]*$/.exec(id)?.[1] ?? id;
}
