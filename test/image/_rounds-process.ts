/** Pulls and removes images at random in a process of its own: ENV ROUNDS NAME…. Ends with an error that is not about being beside others. */
import { EngineError } from "../../src/error";
import { pullImage, removeImage } from "../../src/image";
import { createContext } from "../../src/state";

const [env = "{}", rounds = "1", ...names] = process.argv.slice(2);
const context = createContext({ env: JSON.parse(env), warn: () => undefined });
for (let round = 0; round < Number(rounds); round++) {
  const name = names[Math.floor(Math.random() * names.length)] ?? "";
  if (Math.random() < 0.6) {
    await pullImage(context, name);
    continue;
  }
  try {
    await removeImage(context, name);
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== "not-found") throw error; // another process was faster
  }
}
