import { createApp } from "./app";
import { complete, printCompletion, wordsAfter } from "./completion";
import { type Globals, noGlobals } from "./globals";
import { type Io, processIo } from "./io";

/**
 * What a shell asks at a press of the key: `proa __complete WORD...`, the last word being the one that is typed. It waits for it, so that no command is
 * looked for and read first.
 */
export async function start(argv: readonly string[]): Promise<number> {
  if (argv.some((word) => word.includes("\uFFFD"))) return (await import("./start")).start(argv);
  const [name, ...words] = argv;
  try {
    await answer(processIo(), noGlobals, words, name === "__completeNoDesc");
    return 0;
  } catch {
    return 1; // what has been found could not be written, and nobody is to be told
  }
}

/**
 * Print what may stand in place of the last word. Whatever goes wrong, nothing may appear on the terminal, for somebody is in the middle of typing; nor is anything
 * changed, for nobody has asked for anything yet.
 */
export async function answer(
  io: Io,
  globals: Globals,
  words: readonly string[],
  isBare: boolean,
): Promise<void> {
  const app = createApp(io, { ...globals, logLevel: "fatal" }, true);
  const completion = await complete(app, words, wordsAfter(app.env["PROA_COMPLETE_AFTER"]));
  io.stdout.write(printCompletion(completion, isBare));
}
