import { isAbsolute } from "node:path";
import { EngineError } from "../error";

/** The program of `--runtime`: null is proa's own. Throws `not-found` where it is not installed. */
export function runtimeProgram(name: string): string | null {
  if (name === "" || name === "proa") return null;
  const path = isAbsolute(name) ? name : Bun.which(name);
  if (path) return path;
  throw new EngineError("not-found", "runtime", name, "no such program in PATH", {
    hint: "install it, or leave --runtime out: proa needs none",
  });
}
