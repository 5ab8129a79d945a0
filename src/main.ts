import { runCommandLine } from "./cli/dispatch";
import { processIo } from "./cli/io";

// No top-level await: the bundle is CommonJS, where a lazy module's imports wait for it too. In an ES module the bundler
// lifts every `node:` and `bun:` import of every module to the top, and each start pays for all of them (3 ms).
runCommandLine(process.argv.slice(2), processIo()).then((status) => process.exit(status));
