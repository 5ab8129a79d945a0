/** Downstream closed its end of the pipe. Nobody reads what is written any more: a quiet end, no failure. */
export class BrokenPipe extends Error {
  override name = "BrokenPipe";
  constructor() {
    super("broken pipe");
  }
}
