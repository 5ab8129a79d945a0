/** Asking the user on the terminal, as a log-in does. */
import { closeSync, openSync, readSync } from "node:fs";
import { EngineError } from "../../error";
import type { App } from "../app";

const limitBytes = 64 << 10;

/** Everything on stdin, without the line end behind it. */
export function readSecretFromStdin(app: App): string {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for (;;) {
    const chunk = Buffer.alloc(4096);
    const count = readSync(app.io.stdin.fd, chunk);
    if (count === 0) break;
    sizeBytes += count;
    if (sizeBytes > limitBytes) {
      throw new EngineError("invalid", "read password", "stdin", `longer than ${limitBytes} bytes`, {
        exitCode: 1,
      });
    }
    chunks.push(chunk.subarray(0, count));
  }
  return Buffer.concat(chunks)
    .toString("utf8")
    .replace(/\r?\n$/, "");
}

/** One line that the user types after PROMPT; hidden, it does not appear on the terminal. */
export function ask(app: App, prompt: string, isHidden = false): string {
  if (!app.io.stdin.isTTY) {
    throw new EngineError("usage", "log in", "", "there is no terminal to ask on", {
      exitCode: 1,
      hint: "use --username and --password-stdin",
    });
  }
  app.io.stderr.write(prompt);
  const tty = openSync("/dev/tty", "r");
  const echo = (isOn: boolean) =>
    Bun.spawnSync(["stty", isOn ? "echo" : "-echo"], { stdio: [tty, "ignore", "ignore"] });
  const restore = () => {
    echo(true);
    process.exit(130);
  };
  if (isHidden) process.once("SIGINT", restore);
  try {
    if (isHidden) echo(false);
    return readLine(tty);
  } finally {
    if (isHidden) {
      echo(true);
      process.off("SIGINT", restore);
      app.io.stderr.write("\n");
    }
    closeSync(tty);
  }
}

function readLine(fd: number): string {
  const chunk = Buffer.alloc(4096); // a terminal gives a line at a time, and none is longer
  const count = readSync(fd, chunk);
  return chunk
    .subarray(0, count)
    .toString("utf8")
    .replace(/\r?\n$/, "");
}
