/** `-it`: a real terminal in, a real terminal inside. */
import { afterEach, describe, expect, test } from "bun:test";
import { missing, useTiny, waitUntil } from "../../harness";

describe.skipIf(missing !== null)("proa run -it", () => {
  const place = useTiny();
  const { engine } = place;
  const shell = (...options: string[]) =>
    engine.pty(["run", "-it", ...options, place.tiny, "sh"], { cols: 101, rows: 31 });

  afterEach(async () => {
    const ids = (await engine.ok(["ps", "-aq"])).split("\n").filter(Boolean);
    if (ids.length > 0) await engine.ok(["rm", "-f", ...ids]);
    await engine.assertNothingLeft();
  });

  test("is a terminal of the size of ours, follows its resizing, and exits with the shell's status", async () => {
    const pty = shell("--rm");
    await pty.waitFor("/ # ");
    pty.write("tty; stty size\n");
    await pty.waitFor("/dev/pts/0");
    await pty.waitFor("31 101");
    pty.resize(77, 22);
    pty.write("sleep 0.1; stty size\n");
    await pty.waitFor("22 77");
    pty.write("exit 42\n");
    expect(await pty.exited).toBe(42);
  });

  test("Ctrl-C interrupts the program in the container, not proa", async () => {
    const pty = shell("--rm");
    await pty.waitFor("/ # ");
    pty.write("sleep 1000\n");
    await pty.waitFor("sleep 1000");
    await Bun.sleep(100); // the program reads the terminal
    pty.write("\x03");
    await pty.waitFor("/ # ");
    pty.write("echo status $?\n");
    await pty.waitFor("status 130");
    pty.write("exit\n");
    await pty.exited;
  });

  test("has job control: Ctrl-Z, jobs, fg", async () => {
    const pty = shell("--rm");
    await pty.waitFor("/ # ");
    pty.write("sleep 1000\n");
    await pty.waitFor("sleep 1000");
    await Bun.sleep(100);
    pty.write("\x1a");
    await pty.waitFor("Stopped");
    pty.write("jobs\n");
    await pty.waitFor(/\[1\].*Stopped.*sleep 1000/);
    pty.write("fg\n");
    await pty.waitFor("sleep 1000");
    await Bun.sleep(100);
    pty.write("\x03");
    await pty.waitFor("/ # ");
    pty.write("exit 0\n");
    expect(await pty.exited).toBe(0);
  });

  test("Ctrl-P Ctrl-Q detaches, attach comes back to the same shell", async () => {
    const pty = shell("--name", "kept");
    await pty.waitFor("/ # ");
    pty.write("X=remembered\n");
    await pty.waitFor("/ # ");
    pty.write("\x10\x11");
    expect(await pty.exited).toBe(0);
    expect(await engine.ok(["ps", "--format", "{{.Names}}"])).toBe("kept");

    const again = engine.pty(["attach", "kept"]);
    await Bun.sleep(200);
    again.write("echo got $X\n");
    await again.waitFor("got remembered");
    again.write("exit 6\n");
    expect(await again.exited).toBe(6);
  });

  test("the container ends when the terminal goes away", async () => {
    const pty = shell("--name", "gone");
    await pty.waitFor("/ # ");
    pty.hangUp();
    await waitUntil(async () => (await engine.ok(["ps", "-q"])) === "", { what: "the container's end" });
  });

  test("exec -it is a terminal beside it", async () => {
    await engine.ok(["run", "-d", "--name", "web", place.tiny, "sleep", "1000"]);
    const pty = engine.pty(["exec", "-it", "web", "sh"], { cols: 64, rows: 16 });
    await pty.waitFor("/ # ");
    pty.write("stty size; exit 4\n");
    await pty.waitFor("16 64");
    expect(await pty.exited).toBe(4);
  });

  test("a terminal of two columns and rows is terminal enough", async () => {
    const pty = engine.pty(["run", "-it", "--rm", place.tiny, "sh", "-c", "stty size; exit 3"], {
      cols: 2,
      rows: 2,
    });
    expect(await pty.exited).toBe(3);
    expect(pty.output.replaceAll(/\s+/g, " ")).toContain("2 2");
    expect(await engine.pty(["ps", "-a"], { cols: 1, rows: 1 }).exited).toBe(0);
  });

  test("-t without a terminal on our side is refused or runs without, and never hangs", async () => {
    const result = await engine.proa(["run", "-it", "--rm", place.tiny, "echo", "x"], { stdin: "" });
    expect(result.exitCode === 0 ? result.stdout : result.stderr).toMatch(/x|terminal|TTY/i);
  });
});
