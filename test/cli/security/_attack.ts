/** Hostile images, and the program that tries things from inside (attack.c). */
import { beforeAll, expect } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Engine,
  type ImageConfig,
  makeImage,
  makeLayer,
  missing as missingTiny,
  type ProaResult,
  proaPath,
  pushImage,
  type Tree,
  tinyLayer,
  useEngine,
  useRegistry,
} from "../../harness";
import { printed, SLEEP } from "../container/_shell";

/** Null where these tests work, otherwise what is missing. */
export const missing: string | null =
  missingTiny ?? (Bun.which("gcc") === null ? "gcc is not installed" : null);

let program: Uint8Array | undefined;

/** attack.c as a static program. Compiled once a process. */
function attackProgram(): Uint8Array {
  if (program !== undefined) return program;
  const directory = mkdtempSync(join(process.env["PROA_TEST_TMP"] ?? tmpdir(), "attack-"));
  const path = join(directory, "attack");
  const source = join(import.meta.dir, "attack.c");
  const made = Bun.spawnSync(["gcc", "-O1", "-static", "-o", path, source], { stderr: "inherit" });
  if (made.exitCode !== 0) throw new Error(`compile ${source}: exit ${made.exitCode}`);
  program = readFileSync(path);
  rmSync(directory, { recursive: true });
  return program;
}

export type Attacker = {
  readonly engine: Engine;
  /** An image of busybox with /bin/attack in it. */
  readonly tiny: string;
  /** Pull an image of that and this on top; returns its reference. */
  image(tree: Tree, config?: ImageConfig): Promise<string>;
  /** A file of the host, mode 0644, in a directory that everybody may enter: what an escape would read or change. */
  victim(name: string): { path: string; isUntouched(): boolean };
};

const SECRET = "the host's\n";

export function useAttacker(): Attacker {
  const registry = useRegistry();
  const engine = useEngine();
  let tiny = "";
  let count = 0;
  const image = async (tree: Tree, config: ImageConfig = {}): Promise<string> => {
    const attack = await makeLayer({ "bin/attack": { content: attackProgram(), mode: 0o755 } });
    const layers = [await tinyLayer(), attack, await makeLayer(tree)];
    const made = await makeImage({
      layers,
      config: { Cmd: ["sh"], ...config, Env: ["PATH=/bin:/sbin", ...(config.Env ?? [])] },
    });
    const reference = await pushImage(`${registry.host}/attack${count++}:latest`, made);
    await engine.ok(["pull", "--quiet", reference]);
    return reference;
  };
  beforeAll(async () => {
    tiny = await image({ "stop.d/": "" });
  });
  return {
    engine,
    get tiny() {
      return tiny;
    },
    image,
    victim(name) {
      const path = join(engine.sandbox.home, name);
      writeFileSync(path, SECRET, { mode: 0o644 });
      return { path, isUntouched: () => existsSync(path) && readFileSync(path, "utf8") === SECRET };
    },
  };
}

const digest = (path: string): string =>
  new Bun.CryptoHasher("sha256").update(readFileSync(path)).digest("hex");

/** A digest of every executable of proa's on this host: the one under test, and what it has put into its cache. */
export function executables({ engine }: Pick<Attacker, "engine">): Record<string, string> {
  const cache = join(engine.sandbox.cacheHome, "proa");
  const extracted = existsSync(cache)
    ? [...new Bun.Glob("proa-helper*").scanSync({ cwd: cache, absolute: true })]
    : [];
  return Object.fromEntries([proaPath, ...extracted].map((path) => [path, digest(path)]));
}

/** Start `attack VERB…` as a container, do the work beside it, then let it end; returns what it printed. */
export async function beside(
  place: Attacker,
  verb: string[],
  work: (name: string) => Promise<unknown>,
  options: string[] = [],
): Promise<string> {
  const name = `attack-${crypto.randomUUID().slice(0, 8)}`;
  await place.engine.ok(["run", "-d", "--name", name, ...options, place.tiny, "attack", ...verb]);
  await printed(place, name, "ready");
  await work(name);
  await place.engine.proa(["exec", name, "touch", "/stop"]); // may itself be ended by it
  await place.engine.ok(["wait", name]);
  const log = await place.engine.ok(["logs", name]);
  await place.engine.ok(["rm", name]);
  return log.replace("ready", "").trim();
}

/** The command did not start, and says why. */
export function expectRefused({ stdout, stderr, exitCode }: ProaResult): void {
  expect(stdout).toBe("");
  expect(stderr).toStartWith("Error: ");
  expect(stderr).not.toMatch(/internal| {4}at /);
  expect(exitCode).toBe(125);
}

export type Box = AsyncDisposable & {
  readonly id: string;
  /** `proa exec OPTIONS BOX WORDS`, which has to succeed. */
  exec(words: string[], options?: string[]): Promise<string>;
};

/** A container that sleeps until the end of the block. */
export async function startBox({ engine, tiny }: Attacker, options: string[] = []): Promise<Box> {
  const id = await engine.ok(["run", "-d", ...options, tiny, ...SLEEP]);
  return {
    id,
    exec: (words, more = []) => engine.ok(["exec", ...more, id, ...words]),
    async [Symbol.asyncDispose]() {
      await engine.ok(["rm", "-f", id]);
    },
  };
}
