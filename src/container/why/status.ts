/** Exit statuses and signals in words. */
import { constants } from "node:os";

const SIGNALS: Readonly<Record<string, string>> = {
  HUP: "its terminal went away, or somebody asked it to read its settings again",
  INT: "Ctrl-C, or `proa kill -s INT`",
  QUIT: "Ctrl-\\, or a stop signal of the image's (nginx has this one)",
  ILL: "an instruction that this processor does not have: a program built for another CPU",
  TRAP: "a breakpoint or an assertion of the program's",
  ABRT: "the program gave itself up: an assertion, a failed check of memory, an uncaught exception",
  BUS: "memory behind a file was not there: a file that was cut, a full disk or a full /dev/shm",
  FPE: "a division by zero",
  KILL: "`proa kill`, `proa stop` when its time is over, or the kernel when memory runs out",
  USR1: "somebody meant it to do something, and it does not know the signal",
  SEGV: "a bug: the program used memory that it does not have",
  USR2: "somebody meant it to do something, and it does not know the signal",
  PIPE: "nobody read its output any more",
  ALRM: "a timer of the program's own",
  TERM: "`proa stop`, or the machine going down",
  XCPU: "its limit of CPU time (--ulimit cpu)",
  XFSZ: "its limit of a file's size (--ulimit fsize)",
  SYS: "a system call that its seccomp profile does not allow",
};

/** `KILL` for 9; the number where it has no name. */
export function signalName(number: number): string {
  const found = Object.entries(constants.signals).find(([, value]) => value === number);
  return found
    ? found[0].replace(/^SIG/, "")
    : number > 33 && number < 65
      ? `RTMIN+${number - 34}`
      : String(number);
}

/** Who usually sends it, or what it says. */
export function signalCause(number: number): string {
  return SIGNALS[signalName(number)] ?? "a signal that somebody sent to it";
}

/**
 * @param signal the signal that ended it; 0 where it ended by itself
 * @returns what stands behind "exit status N: "
 */
export function statusWords(code: number, signal: number): string {
  if (signal > 0) return `it was ended by SIG${signalName(signal)}`;
  switch (code) {
    case 0:
      return "it came to its end without an error";
    case 1:
      return "the program ended with its usual status for an error";
    case 2:
      return "the program ended with an error, often one of its options or arguments";
    case 125:
      return "the program ended with a status that proa itself has for its own failures";
    case 126:
      return "a command was found and could not be executed";
    case 127:
      return "a command was not found";
    case 255:
      return "the program ended with -1, its status for an error";
  }
  const held = code - 128;
  if (held > 0 && held <= 64)
    return `a process that it waited for was ended by SIG${signalName(held)} (128 + ${held}, as shells have it)`;
  return "the program ended with an error of its own";
}
