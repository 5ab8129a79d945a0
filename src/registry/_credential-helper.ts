import { EngineError } from "../error";
import type { Credentials } from "./_access";

/**
 * Programs that keep secrets, `docker-credential-NAME`, as docker and podman call them: what they are asked for comes on their standard input, what they answer is JSON on
 * their standard output. A secret is never an argument.
 */

type Environment = Readonly<Record<string, string | undefined>>;

const tokenUser = "<token>"; // the secret is OAuth2's refresh token
const answerLimit = 1 << 20;
const timeoutMs = 60_000; // some ask their user

export async function getFromHelper(
  name: string,
  server: string,
  env: Environment,
): Promise<Credentials | undefined> {
  const { exitCode, output } = await call(name, "get", server, env);
  if (exitCode !== 0) {
    if (/credentials not found|not found in native keychain/i.test(output)) return undefined;
    throw failure(name, "get", output || `exit status ${exitCode}`);
  }
  let answer: { Username?: unknown; Secret?: unknown };
  try {
    answer = JSON.parse(output) as typeof answer;
  } catch {
    throw failure(name, "get", "its answer is not JSON");
  }
  const { Username: username, Secret: secret } = answer;
  if (typeof username !== "string" || typeof secret !== "string" || secret === "") return undefined;
  return username === tokenUser
    ? { username: "", password: "", identityToken: secret }
    : { username, password: secret };
}

export async function storeWithHelper(
  name: string,
  server: string,
  credentials: Credentials,
  env: Environment,
): Promise<void> {
  const { username, password, identityToken } = credentials;
  const isToken = identityToken !== undefined;
  const document = {
    ServerURL: server,
    Username: isToken ? tokenUser : username,
    Secret: isToken ? identityToken : password,
  };
  const { exitCode, output } = await call(name, "store", JSON.stringify(document), env);
  if (exitCode !== 0) throw failure(name, "store", output || `exit status ${exitCode}`);
}

/** Returns whether it had any. */
export async function eraseWithHelper(name: string, server: string, env: Environment): Promise<boolean> {
  const had = await getFromHelper(name, server, env).catch(() => undefined);
  const { exitCode, output } = await call(name, "erase", server, env);
  if (exitCode !== 0 && had !== undefined) throw failure(name, "erase", output || `exit status ${exitCode}`);
  return had !== undefined;
}

async function call(
  name: string,
  verb: "get" | "store" | "erase",
  input: string,
  env: Environment,
): Promise<{ exitCode: number; output: string }> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) throw failure(name, verb, "it is no name of a program");
  const program = Bun.which(`docker-credential-${name}`, { PATH: env["PATH"] ?? "" });
  if (program === null) throw failure(name, verb, `docker-credential-${name} is not in PATH`);
  const child = Bun.spawn([program, verb], {
    stdin: new TextEncoder().encode(input),
    stdout: "pipe",
    stderr: "ignore",
    env: { ...env },
    timeout: timeoutMs,
    maxBuffer: answerLimit,
  });
  const [output, exitCode] = await Promise.all([child.stdout.text(), child.exited]);
  return { exitCode, output: output.trim() };
}

function failure(name: string, verb: string, why: string): EngineError {
  const words = why.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ").slice(0, 300);
  return new EngineError("unauthorized", `credential helper "${name}"`, verb, words, { exitCode: 1 });
}
