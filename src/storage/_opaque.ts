import { lgetxattr } from "../helper";

/** Overlay in a user namespace marks a directory that hides what is below it (mount option userxattr). */
export function isOpaque(path: string): boolean {
  try {
    return lgetxattr(path, "user.overlay.opaque")?.toString("latin1") === "y";
  } catch {
    return false; // not ours to read, then not ours to look behind either
  }
}
