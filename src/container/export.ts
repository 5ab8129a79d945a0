/** The whole root of a container as one archive. */
import { closeSync, constants, openSync, renameSync, statSync, unlinkSync } from "node:fs";
import { EngineError } from "../error";
import type { Packed } from "../helper";
import type { ContainerRow, Context } from "../state";
import { tell } from "./journal";
import { openContainerFiles } from "./root-files";

/** Write it to PATH, or to stdout. A file has its name only when it is complete. */
export async function exportContainer(
  context: Context,
  row: ContainerRow,
  path: string | null,
): Promise<void> {
  if (path === null || !isPlainFile(path)) {
    const fd = path === null ? 1 : openOutput(path, constants.O_WRONLY | constants.O_TRUNC);
    try {
      await packRoot(context, row, fd);
    } finally {
      if (path !== null) closeSync(fd);
    }
  } else {
    await writeWhole(context, row, path);
  }
  tell(context, row, "export");
}

async function writeWhole(context: Context, row: ContainerRow, path: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  const fd = openOutput(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, path);
  let isDone = false;
  try {
    await packRoot(context, row, fd);
    renameSync(temporary, path);
    isDone = true;
  } finally {
    closeSync(fd);
    if (!isDone) unlinkSync(temporary);
  }
}

/** A pipe, a device or a link's target is written to as it is. */
function isPlainFile(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined || stat.isFile();
}

function openOutput(path: string, flags: number, asked = path): number {
  try {
    return openSync(path, flags, 0o600);
  } catch (error) {
    throw new EngineError("io", "export", asked, error, { exitCode: 1 });
  }
}

/** The container's own root, without its mounts, as a tar archive on FD. */
export async function packRoot(
  context: Context,
  row: ContainerRow,
  fd: number,
  options: { gzip?: boolean; digests?: boolean } = {},
): Promise<Packed> {
  const opened = await openContainerFiles(context, row, { dataFd: fd, onlyRoot: true });
  try {
    opened.files.ask({ do: "pack", path: "/", base: "", follow: false, owners: "keep", ...options });
    return opened.files.hear<Packed>();
  } finally {
    opened.close();
  }
}
