/** Signals by name and number. */
import { constants } from "node:os";
import { EngineError } from "../error";

const SIGNALS = constants.signals as Record<string, number>;
const REALTIME = { RTMIN: 34, RTMAX: 64 }; // signal(7), as glibc numbers them

/** A signal by number or name, with or without SIG, `RTMIN+1` included. Throws `invalid`. */
export function signalNumber(text: string): number {
  if (/^\d{1,2}$/.test(text)) {
    const number = Number(text);
    if (number >= 1 && number <= REALTIME.RTMAX) return number;
  }
  const name = text.toUpperCase().replace(/^SIG/, "");
  const known = SIGNALS[`SIG${name}`];
  if (known !== undefined) return known;
  const realtime = /^(RTMIN|RTMAX)([+-]\d{1,2})?$/.exec(name);
  if (realtime) {
    const number = REALTIME[realtime[1] as keyof typeof REALTIME] + Number(realtime[2] ?? 0);
    if (number >= REALTIME.RTMIN && number <= REALTIME.RTMAX) return number;
  }
  throw new EngineError("invalid", "signal", text, "no such signal", {
    hint: "for example TERM, SIGKILL or 15",
  });
}
