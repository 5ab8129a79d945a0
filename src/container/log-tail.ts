/** The last lines of a container's log, for those who look at it beside other things. */
import { logText } from "../helper";
import type { ContainerRow, Context } from "../state";
import { logSource } from "./logs";

const LINE_LIMIT = 1000; // characters that are kept of a line

/** None where nothing is logged, or it cannot be read: who asks has something else to tell, too. */
export async function lastLogLines(context: Context, row: ContainerRow, count: number): Promise<string[]> {
  try {
    const text = await logText(context.paths.cache, {
      proa: process.execPath,
      sources: [logSource(context, row, "")],
      follow: false,
      tail: count,
      since: null,
      until: null,
      timestamps: false,
      details: false,
    });
    return text
      .split("\n")
      .map((line) => line.replace(/\r$/, "").slice(0, LINE_LIMIT))
      .filter((line) => line !== "")
      .slice(-count);
  } catch {
    return [];
  }
}
