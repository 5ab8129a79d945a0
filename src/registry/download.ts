import { EngineError } from "../error";
import { readBody } from "./_body";
import { proxyFor } from "./_proxy";

/**
 * The bytes of a file on the web as they come; redirects are followed.
 *
 * @throws EngineError `registry` for an answer that is not 200, and where nobody answers; `invalid` for what is no http or https URL
 */
export async function* download(
  env: Record<string, string | undefined>,
  url: string,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  const shown = url.replace(/\/\/[^/@]*@/, "//"); // without a password
  const fail = (why: unknown) => new EngineError("registry", "download", shown, why, { exitCode: 1 });
  if (!URL.canParse(url)) throw new EngineError("invalid", "download", shown, "not a URL", { exitCode: 1 });
  const parsed = new URL(url);
  if (!/^https?:$/.test(parsed.protocol))
    throw new EngineError("invalid", "download", shown, "only http and https are known", { exitCode: 1 });
  const proxy = proxyFor(parsed, env);
  let response: Response;
  try {
    response = await fetch(url, {
      ...(signal === undefined ? {} : { signal }),
      ...(proxy === undefined ? {} : { proxy }),
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw fail(error);
  }
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw fail(`the server answers ${response.status} ${response.statusText}`.trim());
  }
  const announced = Number(response.headers.get("content-length") ?? Number.NaN);
  const isEncoded = response.headers.get("content-encoding") !== null;
  let sizeBytes = 0;
  try {
    for await (const chunk of readBody(response, signal)) {
      sizeBytes += chunk.length;
      yield chunk;
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof EngineError) throw error;
    throw fail(error);
  }
  if (!isEncoded && Number.isFinite(announced) && sizeBytes !== announced)
    throw fail(`${sizeBytes} bytes came, ${announced} were announced`);
}
