import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { waitUntil } from "../harness/wait";
import { Container, ended, helperMissing, printed, removeDirectories, run, start } from "./_container";

setDefaultTimeout(30_000);
afterAll(removeDirectories);

describe.skipIf(helperMissing !== undefined)(
  `a terminal${helperMissing ? ` (${helperMissing})` : ""}`,
  () => {
    const shell = ["sh", "-c", "stty size; echo ready; exec sh -i"];

    test("has the size of the user's, and follows it", async () => {
      const container = new Container(
        ["sh", "-c", "trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done"],
        {
          terminal: true,
        },
      );
      const screen = container.runOnTerminal({ cols: 97, rows: 31 });
      await printed(screen, "ready");
      screen.terminal.resize(61, 17);
      await printed(screen, "17 61");
      container.kill();

      expect(await screen.exited).toBe(137);
    });

    test("Ctrl-C interrupts the program in it, not the client", async () => {
      const container = new Container(shell, { terminal: true });
      const screen = container.runOnTerminal();
      await printed(screen, /ready[\s\S]*[$#] /);
      screen.terminal.write("sleep 100\n");
      await Bun.sleep(200);
      screen.terminal.write("\x03");
      screen.terminal.write("echo s$((1+1))atus $?\n");
      await printed(screen, /s2atus 130/);
      screen.terminal.write("exit 4\n");

      expect(await screen.exited).toBe(4);
    });

    test("a prompt without a newline is shown at once, and logged at the end", async () => {
      const container = new Container(["sh", "-c", "printf 'name? '; read name; echo hi $name"], {
        terminal: true,
      });
      const screen = container.runOnTerminal();
      await printed(screen, "name? ");
      screen.terminal.write("bob\n");

      expect(await screen.exited).toBe(0);
      expect(container.log.map((line) => line.log).join("")).toContain("hi bob\r\n");
      expect(container.log[0]?.log).toStartWith("name? ");
    });

    test("the detach keys leave the container running, and half of them are delivered", async () => {
      const container = new Container(["sh", "-c", "stty raw -echo; echo ready; cat"], {
        terminal: true,
      });
      const screen = container.runOnTerminal();
      await printed(screen, "ready");
      screen.terminal.write("\x10x");
      await printed(screen, "\x10x");
      screen.terminal.write("\x10\x10z");
      await printed(screen, "\x10\x10z");
      screen.terminal.write("\x10\x11");

      expect(await screen.exited).toBe(0);
      expect(screen.output).toContain("read escape sequence");
      expect(container.isLocked).toBe(true);
      const again = container.attachOnTerminal();
      await Bun.sleep(100);
      again.terminal.write("back");
      await printed(again, "back");
      container.kill();
      expect(await again.exited).toBe(137);
    });

    test("the detach keys are found where their start repeats itself", async () => {
      const container = new Container(["sh", "-c", "stty raw -echo; echo ready; cat"], {
        terminal: true,
        attach: { detachKeys: [97, 97, 98] },
      });
      const screen = container.runOnTerminal();
      await printed(screen, "ready\n");
      screen.terminal.write("xaaacaa");
      await printed(screen, "xaaac");
      screen.terminal.write("ab");

      expect(await screen.exited).toBe(0);
      expect(screen.output).toContain("read escape sequence");
      await Bun.sleep(100); // until cat has echoed the last one
      container.kill();
      await ended(container);
      expect(container.log.map((line) => line.log).join("")).toBe("ready\nxaaaca");
    });

    test("attaching has the program draw its screen again", async () => {
      const script = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done";
      const container = await start(["sh", "-c", script], { terminal: true });
      await waitUntil(() => readFileSync(container.logPath, "utf8").includes("ready"));
      const screen = container.attachOnTerminal();
      await printed(screen, "24 80");
      screen.child.kill("SIGKILL");
      await screen.exited;
      const again = container.attachOnTerminal();
      await printed(again, "24 80");
      container.kill();
      await again.exited;
    });

    test("a terminal that goes away takes the container's with it", async () => {
      const container = new Container(
        ["sh", "-c", "trap 'exit 5' HUP; echo ready; while :; do sleep 0.05; done"],
        {
          terminal: true,
        },
      );
      const screen = container.runOnTerminal();
      await printed(screen, "ready");
      screen.terminal.close();
      await ended(container);

      expect(container.exit.exitCode).toBe(5);
    });

    test("a client of attach that loses its terminal leaves the container running", async () => {
      const container = await start(["sh", "-c", "trap 'exit 5' HUP; while :; do sleep 0.05; done"], {
        terminal: true,
      });
      const screen = container.attachOnTerminal();
      await Bun.sleep(200);
      screen.terminal.close();
      await screen.exited;

      expect(container.isLocked).toBe(true);
      container.kill();
      await ended(container);
    });

    test("piped stdin is typed into it, and its end is the end of file", async () => {
      const { stdout, exitCode } = await run(
        ["sh", "-c", "stty -echo; echo ready; cat; echo over"],
        { terminal: true },
        "one\ntwo",
      );

      expect(stdout).toContain("ready\r\n");
      expect(stdout).toContain("two");
      expect(stdout).toContain("over\r\n");
      expect(exitCode).toBe(0);
    });

    test("closing every descriptor of it does not end it", async () => {
      const script =
        "exec 0<&- 1>&- 2>&-; sleep 0.3; echo still here >/dev/console 2>/dev/null || exit 3; exit 0";
      const container = new Container(["sh", "-c", script], { terminal: true });
      const screen = container.runOnTerminal();

      expect([0, 3]).toContain(await screen.exited);
    });
  },
);
