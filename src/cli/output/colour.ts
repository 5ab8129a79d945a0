import type { Env, OutStream } from "../io";

/** Whether a stream gets colours: what --color says, else a terminal that can, and a user who has not said no. */
export function usesColour(stream: OutStream, env: Env): boolean {
  if (stream.colour === "always" || stream.colour === "never") return stream.colour === "always";
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== "") return false; // no-color.org
  if (env.CLICOLOR_FORCE !== undefined && env.CLICOLOR_FORCE !== "" && env.CLICOLOR_FORCE !== "0")
    return true;
  if (env.CLICOLOR === "0") return false; // bixense.com/clicolors
  return stream.isTTY && env.TERM !== "dumb";
}

export type Paint = (text: string) => string;
export type Palette = {
  readonly bold: Paint;
  readonly faint: Paint;
  readonly red: Paint;
  readonly green: Paint;
};

const paint =
  (on: number, off: number): Paint =>
  (text) =>
    `\x1b[${on}m${text}\x1b[${off}m`;

const plain: Paint = (text) => text;

/** Functions that colour a text, or leave it as it is. */
export function palette(coloured: boolean): Palette {
  if (!coloured) return { bold: plain, faint: plain, red: plain, green: plain };
  return { bold: paint(1, 22), faint: paint(2, 22), red: paint(31, 39), green: paint(32, 39) };
}
