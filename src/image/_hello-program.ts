import { readFileSync } from "node:fs";
import path from "../../native/build/hello" with { type: "file" };

/** The program of the embedded image, as the build made it. In a module of its own, loaded only when that image is made. */
export function helloProgram(): Uint8Array {
  return readFileSync(path);
}
