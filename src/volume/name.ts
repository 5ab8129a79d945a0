import { randomBytes } from "../helper";

/** The name of a volume that got none: 64 hexadecimal digits, as Docker has it. */
export function randomVolumeName(): string {
  return [...randomBytes(32)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
