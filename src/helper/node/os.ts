/** What a start needs of `node:os`; see `fs.ts`. */
import { ptr } from "bun:ffi";
import type * as Os from "node:os";
import { call, checked, SYS } from "../_libc";

const whole = () => require("node:os") as typeof Os;

// signal(7); every architecture that Bun runs on has the same
const signalNames =
  "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS";
const signals: Record<string, number> = { SIGIOT: 6, SIGPOLL: 29 };
for (const [at, name] of signalNames.split(" ").entries()) signals[`SIG${name}`] = at + 1;

export const constants = {
  signals: signals as typeof Os.constants.signals,
  get errno() {
    return whole().constants.errno;
  },
};

/** Of struct utsname, uname(2), whose fields have 65 bytes each. */
export function release(): string {
  const [FIELD_BYTES, RELEASE] = [65, 2];
  const names = new Uint8Array(6 * FIELD_BYTES);
  checked(call(SYS.uname, ptr(names)), "uname");
  const start = RELEASE * FIELD_BYTES;
  return new TextDecoder().decode(names.subarray(start, names.indexOf(0, start)));
}

export const arch = () => process.arch;
export const cpus = () => whole().cpus();
export const homedir = () => whole().homedir();
export const hostname = () => whole().hostname();
export const totalmem = () => whole().totalmem();
export const userInfo = () => whole().userInfo();
