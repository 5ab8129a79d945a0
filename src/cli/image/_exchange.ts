/** Both ends of `image scp` and what goes between them: each end is proa, here or at the other side of ssh. */
import { existsSync } from "node:fs";
import { EngineError } from "../../error";
import { EXCHANGE_GREETING } from "../../image";
import { selectDriver } from "../../storage";
import type { App } from "../app";
import type { Io } from "../io";

/** `[USER@]HOST[:PORT]` for ssh, or undefined for this one. */
export type Host = string | undefined;

const NO_COMMAND = 127; // of a shell
const SSH_FAILED = 255;

/** What to execute so that proa does WORDS there. Nothing in them may mean anything to a shell. */
export async function proaAt({ context }: App, host: Host, words: string[]): Promise<string[]> {
  if (host !== undefined) return ssh(host, ["proa", ...words]);
  const { driver } = await selectDriver(context);
  const config = existsSync(context.paths.config) ? ["--config", context.paths.config] : [];
  return [process.execPath, ...config, "--storage-driver", driver.name, ...words];
}

/** The same, where there may be no proa, but another engine that knows these words, too. */
export async function anyEngineAt(app: App, host: Host, words: string[]): Promise<string[]> {
  if (host === undefined) return proaAt(app, host, words);
  const find = 'for e in proa podman docker; do command -v $e >/dev/null 2>&1 && exec $e "$@"; done';
  const none = "echo there is neither proa nor podman nor docker >&2";
  return ssh(host, ["sh", "-c", `'${find}; ${none}; exit ${NO_COMMAND}'`, "sh", ...words]);
}

function ssh(host: string, words: string[]): string[] {
  const port = /:(\d+)$/.exec(host)?.[1];
  const name = port === undefined ? host : host.slice(0, -port.length - 1);
  return ["ssh", ...(port === undefined ? [] : ["-p", port]), "--", name, ...words];
}

export function started<
  In extends Bun.SpawnOptions.Writable,
  Err extends Bun.SpawnOptions.Readable = "inherit",
>(words: string[], stdin: In, stderr: Err) {
  try {
    return Bun.spawn<In, "pipe", Err>(words, { stdin, stdout: "pipe", stderr, env: process.env });
  } catch (error) {
    throw new EngineError("io", "start program", words[0] ?? "", error);
  }
}

/** @throws EngineError where STATUS is not 0 */
export function check(words: readonly string[], status: number): void {
  if (status === 0) return;
  const [program = ""] = words;
  const name =
    program === "ssh" ? words.slice(words.indexOf("--") + 1).join(" ") : `proa ${words.slice(1).join(" ")}`;
  throw new EngineError("io", "image scp", name, `it failed with status ${status}`, {
    hint: program === "ssh" && status === NO_COMMAND ? "is proa installed there?" : undefined,
  });
}

/**
 * Bring an image from one proa to the other, its layers only where they are missing.
 *
 * @param sending, receiving: `__send` and `__receive` at their hosts, as `proaAt()` says
 * @returns what the receiving one says of the image; null where one of the two cannot do it
 */
export async function exchange(io: Io, sending: string[], receiving: string[]): Promise<string | null> {
  const from = new End(io, sending);
  const to = new End(io, receiving);
  try {
    const greeted = await Promise.all([from.isGreeting(), to.isGreeting()]);
    if (greeted.includes(false)) return null;
    from.showErrors();
    to.showErrors();
    const offer = await from.line();
    if (offer === undefined) return await from.failed();
    await to.say(offer);
    const answer = await to.line();
    if (answer === undefined) return await to.failed();
    await from.say(answer);
    from.closeInput();
    if (!(await from.pourInto(to))) return await to.failed();
    check(from.words, await from.exited);
    to.closeInput();
    const said = await to.rest();
    check(to.words, await to.exited);
    return said;
  } finally {
    await Promise.all([from.end(), to.end()]);
  }
}

/** A process that is spoken with. What it writes to stderr is held back until it is known to be what it should be. */
class End {
  readonly #child;
  readonly #reader;
  readonly #errors: Promise<void>;
  #held: Uint8Array[] | undefined = [];
  #come: Uint8Array = new Uint8Array(0);

  constructor(
    readonly io: Io,
    readonly words: string[],
  ) {
    this.#child = started(words, "pipe", "pipe");
    this.#reader = this.#child.stdout.getReader();
    this.#errors = this.#passErrors(this.#child.stderr);
  }

  get exited(): Promise<number> {
    return this.#child.exited;
  }

  async #passErrors(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const bytes of stream) {
      if (this.#held === undefined) this.io.stderr.write(bytes);
      else this.#held.push(bytes);
    }
  }

  showErrors(): void {
    for (const bytes of this.#held ?? []) this.io.stderr.write(bytes);
    this.#held = undefined;
  }

  /** False: the program there does not know how. @throws EngineError where it could not be asked */
  async isGreeting(): Promise<boolean> {
    const line = await this.line();
    if (line === EXCHANGE_GREETING) return true;
    if (this.words[0] !== "ssh") return this.failed();
    if (line !== undefined) return false; // it may wait for what it never gets
    this.closeInput();
    return (await this.exited) === SSH_FAILED ? this.failed() : false;
  }

  /** @throws EngineError with the status that it ended with */
  async failed(): Promise<never> {
    this.closeInput();
    const status = await this.exited;
    await this.#errors;
    this.showErrors();
    check(this.words, status === 0 ? 1 : status);
    throw new Error("unreachable");
  }

  async say(line: string): Promise<void> {
    await this.#write(new TextEncoder().encode(`${line}\n`));
  }

  /** Returns false where it listens no more. */
  async #write(bytes: Uint8Array): Promise<boolean> {
    try {
      this.#child.stdin.write(bytes);
      await this.#child.stdin.flush();
      return true;
    } catch {
      return false;
    }
  }

  closeInput(): void {
    void Promise.resolve(this.#child.stdin.end()).catch(() => undefined);
  }

  /** What it says next; undefined where it says no more. */
  async line(): Promise<string | undefined> {
    for (;;) {
      const end = this.#come.indexOf(10);
      if (end >= 0) {
        const line = new TextDecoder().decode(this.#come.subarray(0, end));
        this.#come = this.#come.subarray(end + 1);
        return line;
      }
      if (this.#come.length > 2 << 20) return undefined;
      const { done, value } = await this.#reader.read();
      if (done) return undefined;
      this.#come = Buffer.concat([this.#come, value]);
    }
  }

  /** Everything that it writes from here on. Returns false where the other one has stopped reading. */
  async pourInto(to: End): Promise<boolean> {
    if (this.#come.length > 0 && !(await to.#write(this.#come))) return false;
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done) return true;
      if (!(await to.#write(value))) return false;
    }
  }

  async rest(): Promise<string> {
    const parts = [this.#come];
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done) return Buffer.concat(parts).toString();
      parts.push(value);
    }
  }

  async end(): Promise<void> {
    this.closeInput();
    void this.#reader.cancel().catch(() => undefined);
    this.#child.kill();
    await this.exited;
    if (this.#held === undefined) await this.#errors;
  }
}
