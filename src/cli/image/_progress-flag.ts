import { progressModes } from "../output/progress-modes";
import type { StringArg } from "../tree";

/** How the progress of a long command is shown. */
export const progressFlag = {
  type: "string",
  valueHint: "KIND",
  value: { oneOf: progressModes },
  default: "auto",
  description: "How progress is shown",
  details:
    "tty: lines that are redrawn. plain: a line when a layer begins and one when it is done. json: an object a line, of the Docker Engine API's shape. quiet: not at all. auto: tty on a terminal, else plain. Progress goes to stderr.",
} as const satisfies StringArg;
