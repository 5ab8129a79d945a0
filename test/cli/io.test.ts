import { expect, test } from "bun:test";
import { join } from "node:path";

/** Programs of a few lines on the real streams, in a process of their own. */
const io = join(import.meta.dir, "../../src/cli/io");
const brokenPipe = join(import.meta.dir, "../../src/cli/broken-pipe");

function script(body: string): string[] {
  return [
    process.execPath,
    "-e",
    `import { processIo } from ${JSON.stringify(io)}; import { BrokenPipe } from ${JSON.stringify(brokenPipe)}; const io = processIo(); ${body}`,
  ];
}

const quote = (words: string[]) => words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");

test("OutStream.write() loses nothing of 10 MB to a slow reader", () => {
  const writer = script('io.stdout.write("x".repeat(10_000_000)); io.stdout.write("end"); process.exit(3);');
  const result = Bun.spawnSync([
    "bash",
    "-c",
    `${quote(writer)} | { sleep 0.3; wc -c; }; echo "\${PIPESTATUS[0]}"`,
  ]);
  expect(result.stdout.toString()).toBe("10000003\n3\n");
});

test.skipIf(Bun.which("python3") === null)(
  "OutStream.write() waits where somebody made the pipe non-blocking [needs python3]",
  () => {
    const setter =
      "import fcntl, os, sys; fcntl.fcntl(1, fcntl.F_SETFL, os.O_NONBLOCK); os.execvp(sys.argv[1], sys.argv[1:])";
    const writer = script("io.stdout.write(new Uint8Array(3_000_000)); process.exit(0);");
    const result = Bun.spawnSync([
      "bash",
      "-c",
      `python3 -c ${quote([setter])} ${quote(writer)} | { sleep 0.3; wc -c; }`,
    ]);
    expect(result.stdout.toString()).toBe("3000000\n");
  },
);

test("OutStream.write() throws BrokenPipe when the reader has left", () => {
  const writer = script(`
    try { for (;;) io.stdout.write("x".repeat(100_000)); }
    catch (error) { process.exit(error instanceof BrokenPipe ? 42 : 1); }`);
  const result = Bun.spawnSync(["bash", "-c", `${quote(writer)} | head -c 10; echo " \${PIPESTATUS[0]}"`]);
  expect(result.stdout.toString()).toBe("xxxxxxxxxx 42\n");
});

test("Io.stderr drops what nobody reads", () => {
  const writer = script(`
    for (let each = 0; each < 50; each++) io.stderr.write("x".repeat(100_000));
    io.stdout.write("done");`);
  const result = Bun.spawnSync(["bash", "-c", `{ ${quote(writer)} 2>&1 >&3 | head -c 1 >/dev/null; } 3>&1`]);
  expect(result.stdout.toString()).toBe("done");
});

test("Io tells a terminal, its size and its resizing from a pipe and from /dev/null", async () => {
  const print =
    "io.stdout.write([io.stdin.isTTY, io.stdout.isTTY, io.stdout.columns, io.stdout.rows].join() + '\\n');";
  const pipe = Bun.spawnSync(script(print), { stdin: "ignore" });
  expect(pipe.stdout.toString()).toBe("false,false,,\n");

  let output = "";
  const child = Bun.spawn(
    script(`${print} setInterval(() => { if (io.stdout.columns === 33) { ${print} process.exit(); } }, 10);`),
    {
      env: { ...process.env, TERM: "xterm" },
      terminal: {
        cols: 61,
        rows: 17,
        data: (_terminal, data) => {
          output += new TextDecoder().decode(data);
        },
      },
    },
  );
  while (!output.includes("\n")) await Bun.sleep(5);
  child.terminal?.resize(33, 9);
  await child.exited;
  await Bun.sleep(20);
  expect(output.replaceAll("\r", "")).toBe("true,true,61,17\ntrue,true,33,9\n");
});
