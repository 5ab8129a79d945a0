import { versionLine } from "./cli/_version";

const argv = process.argv.slice(2);

/** Scripts ask for the version again and again: nothing else is loaded for that. Where it cannot be written the usual way says so. */
async function toldVersion(): Promise<boolean> {
  try {
    const out = Bun.stdout.writer();
    out.write(`${versionLine}\n`);
    await out.flush();
    return true;
  } catch {
    return false;
  }
}

const isVersion = argv.length === 1 && (argv[0] === "--version" || argv[0] === "-v");
const isKeyPress = argv[0] === "__complete" || argv[0] === "__completeNoDesc";
const face = () => (isKeyPress ? import("./cli/key-press") : import("./cli/start"));
process.exit(isVersion && (await toldVersion()) ? 0 : await (await face()).start(argv));
