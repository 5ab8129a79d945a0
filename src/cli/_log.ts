/** What --log-level tells on stderr, in the form of podman's logs: time, level, message. */
import { type TraceLevel, tracing } from "../error";
import type { Globals } from "./globals";
import type { Io } from "./io";
import { oneLine } from "./output/table";

type LogLevel = NonNullable<Globals["logLevel"]>;

const order: readonly LogLevel[] = ["trace", "debug", "info", "warn", "warning", "error", "fatal", "panic"];

/** Run a command and tell what its level asks for. Arguments are not told: passwords stand among them. */
export async function told(
  io: Io,
  level: LogLevel,
  typed: string,
  run: () => Promise<number>,
): Promise<number> {
  const least = order.indexOf(level);
  if (least > order.indexOf("info")) return run();
  const startMs = performance.now();
  const hear = (of: TraceLevel, text: string): void => {
    if (order.indexOf(of) < least) return;
    const message = JSON.stringify(oneLine(text));
    io.stderr.write(`time="${new Date().toISOString()}" level=${of} msg=${message}\n`);
  };
  tracing.hear = hear;
  hear("info", `${typed}: begun by process ${process.pid}`);
  const ended = (how: string): void =>
    hear("info", `${typed}: ${how} (${(performance.now() - startMs).toFixed(1)} ms)`);
  try {
    const status = await run();
    ended(`ended with status ${status}`);
    return status;
  } catch (error) {
    ended("failed");
    throw error;
  } finally {
    delete tracing.hear;
  }
}
