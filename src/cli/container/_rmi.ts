/** `run --rmi`: the image goes with the container. */
import { constants } from "node:os";
import { listContainers } from "../../container";
import { EngineError } from "../../error";
import { lookUpImage, removeImage } from "../../image";
import type { App } from "../app";

const PASSED_ON = ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGCONT"] as const;

/**
 * Run the same command line beside this process, without the option; then remove the image, unless another container has it. Resolves with
 * the exit status of the run.
 */
export async function runThenRemoveImage(app: App, image: string, isDetached: boolean): Promise<number> {
  if (isDetached)
    throw new EngineError(
      "unsupported",
      "option",
      "--rmi with --detach",
      "nobody is there at the end to remove the image",
      {
        hint: `leave --detach out, or remove it later: proa rmi ${image}`,
      },
    );
  const argv = process.argv.slice(2);
  const at = argv.findIndex((word) => /^--rmi(=.*)?$/.test(word));
  const child = Bun.spawn([process.execPath, ...argv.with(at, "--rm")], {
    stdio: ["inherit", "inherit", "inherit"],
    env: process.env,
  });
  process.on("SIGINT", () => {}).on("SIGQUIT", () => {}); // the terminal sends them to both
  for (const signal of PASSED_ON) process.on(signal, () => child.kill(signal));
  await child.exited;
  const status = child.signalCode
    ? 128 + constants.signals[child.signalCode as NodeJS.Signals]
    : (child.exitCode ?? 125);
  if (lookUpImage(app.context, image) !== null) await removeUnused(app, image);
  return status;
}

async function removeUnused(app: App, image: string): Promise<void> {
  await listContainers(app.context, false); // the one that has just ended holds no image
  try {
    await removeImage(app.context, image, { isForced: false });
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    app.context.warn(`the image stays: ${error.message}`);
  }
}
