import { runCommandLine } from "./cli/dispatch";
import { processIo } from "./cli/io";

runCommandLine(process.argv.slice(2), processIo()).then((status) => process.exit(status));
