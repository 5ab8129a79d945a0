/** Pulls an image in a process of its own, for tests that kill it: NAME ENV. */
import { pullImage } from "../../src/image";
import { createContext } from "../../src/state";

const [name = "", env = "{}"] = process.argv.slice(2);
await pullImage(createContext({ env: JSON.parse(env), warn: () => undefined }), name);
