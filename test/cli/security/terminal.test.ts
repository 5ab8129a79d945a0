/** The user's own terminal: nothing may be typed into it from a container, and nothing but a container's own output may steer it. */
import { describe, expect, test } from "bun:test";
import { proaPath, startPty } from "../../harness";
import { removeAll } from "../_network";
import { missing, startBox, useAttacker } from "./_attack";

/** Moves, colours, titles, a clipboard (OSC 52), and the way to make text look like another (U+202E). */
const EVIL = "\u001b[31m\u001b]0;title\u0007\u001b]52;c;ZXZpbA==\u0007\u009b2J\u202e\u0007";
const STEERING = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

describe.skipIf(missing !== null)(`the user's terminal${missing ? ` (${missing})` : ""}`, () => {
  const place = useAttacker();
  const { engine } = place;

  // TIOCSTI, as in CVE-2017-5226 (bubblewrap) and CVE-2016-2779 (runuser); TIOCLINUX, CVE-2023-28339
  test.each([
    ["run", ["run", "--rm"]],
    ["run -i", ["run", "--rm", "-i"]],
    ["run -it", ["run", "--rm", "-it"]],
    [
      "run -it without a filter",
      ["run", "--rm", "-it", "--security-opt", "seccomp=unconfined", "--cap-add", "ALL"],
    ],
    ["run -it privileged", ["run", "--rm", "-it", "--privileged"]],
  ])("%s: nothing is typed into it", async (_how, options) => {
    await typesNothing([...options, place.tiny]);
  });

  test.each([
    ["exec", ["exec"]],
    ["exec -it", ["exec", "-it"]],
    ["exec -it privileged", ["exec", "-it", "--privileged"]],
  ])("%s: nothing is typed into it", async (_how, options) => {
    await using box = await startBox(place, ["--cap-add", "ALL", "--security-opt", "seccomp=unconfined"]);
    await typesNothing([...options, box.id]);
  });

  /** Run `attack type` from a shell on a terminal, and see that the shell is not told to do anything by it. */
  async function typesNothing(command: string[]): Promise<void> {
    const words = [...command, "attack", "type", "echo $((6*7))evil\\r"].map((word) => `'${word}'`).join(" ");
    const shell = startPty(["sh", "-i"], { env: { ...engine.sandbox.env, PS1: "$ ", P: proaPath } });
    shell.write(`$P ${words.replace("\\r", "")}; echo over$((1+1))\n`);
    await shell.waitFor(/over2/);
    shell.write("echo still$((1+1))\n");
    await shell.waitFor(/still2/);
    shell.write("exit\n");
    await shell.exited;
    expect(shell.output).toMatch(/typed into [0-9]/);
    expect(shell.output).not.toContain("42evil");
    const [typed] = /typed into \d/.exec(shell.output) ?? [];
    if (!command.includes("-it")) expect(typed).toBe("typed into 0");
  }

  test("what an image and a container say of themselves does not steer it", async () => {
    const reference = await place.image(
      { x: "" },
      {
        Labels: { [`l${EVIL}`]: `v${EVIL}` },
        Env: [`E=${EVIL}`],
        Entrypoint: ["sh", "-c", "exec sleep 1000", `x${EVIL}`],
        Cmd: [EVIL],
        WorkingDir: `/w${EVIL}`,
        User: "0",
        Volumes: { [`/v${EVIL}`]: {} },
      },
    );
    const name = "steering";
    const started = await engine.proa([
      "run",
      "-d",
      "--name",
      name,
      "-l",
      `a=${EVIL}`,
      "--hostname",
      "h",
      reference,
    ]);
    if (started.exitCode !== 0)
      await engine.ok(["run", "-d", "--name", name, place.tiny, "sh", "-c", "exec sleep 1000", EVIL]);
    const commands = [
      ["ps", "-a", "--no-trunc"],
      ["ps", "-a", "--format", "table {{.Names}}\t{{.Command}}\t{{.Labels}}\t{{.Mounts}}"],
      ["top", name],
      ["top", name, "-o", "pid,args"],
      ["stats", "--no-stream", "--no-trunc", name],
      ["images", "--no-trunc"],
      ["history", "--no-trunc", reference],
      ["inspect", name],
      ["inspect", reference],
      ["volume", "ls"],
      ["port", name],
      ["diff", name],
      ["system", "df", "-v"],
      ["events", "--since", "1h", "--until", "0s"],
    ];
    for (const command of commands) {
      const pipe = await engine.proa(command);
      const screen = engine.pty(command);
      await screen.exited;
      const isBytes = command[0] === "diff"; // names of files, for programs
      const lines = [isBytes ? "" : pipe.stdout, pipe.stderr, screen.output.replaceAll("\r\n", "\n")];
      // our own colours and moves may be on a terminal
      const bare = lines.map((text) => text.replaceAll(/\u001b\[[0-9;?]*[a-zA-Z]/g, ""));
      expect([command, bare.map((text) => STEERING.exec(text)?.[0] ?? "")]).toEqual([command, ["", "", ""]]);
    }
    await engine.ok(["rm", "-f", name]);
  });

  test("what a container is called and says forges no event and no line of a log", async () => {
    const forged =
      '{"Type":"container","Action":"forged","Actor":{"ID":"x","Attributes":{}},"scope":"local","time":1,"timeNano":1}';
    const evil = `"}\n${forged}\n{"`;
    const reference = await place.image({ x: "forge" }, { Labels: { [evil]: evil } });
    const line = '{"log":"forged\\n","stream":"stdout","time":"2030-01-01T00:00:00Z"}';
    const script = `printf '%s\\n' '${line}' '","stream":"stderr"}'; exit 0`;
    await engine.ok([
      "run",
      "--name",
      "forger",
      "-l",
      `a=${evil}`,
      "-e",
      evil,
      reference,
      "sh",
      "-c",
      script,
    ]);
    const events = (await engine.ok(["events", "--since", "1h", "--until", "0s", "--format", "json"])).split(
      "\n",
    );
    const actions = events.map((event) => (JSON.parse(event) as { Action: string }).Action);
    expect(actions).toContain("die");
    expect(actions).not.toContain("forged");
    expect((await engine.proa(["logs", "forger"])).stdout).toBe(`${line}\n","stream":"stderr"}\n`);
    expect((await engine.proa(["logs", "--until", "2029-01-01T00:00:00Z", "forger"])).stdout).toContain(
      "forged",
    );
    await engine.ok(["rm", "forger"]);
  });

  test("an error that names what an image says does not steer it", async () => {
    const images = [
      await place.image({ x: "1" }, { Entrypoint: [`/no${EVIL}`] }),
      await place.image({ x: "2" }, { User: `u${EVIL}` }),
      await place.image({ x: "3" }, { WorkingDir: `/bin/sh/${EVIL}` }),
      await place.image(
        { [`bin/x${EVIL}`]: { content: "#!/nothing\n", mode: 0o755 } },
        { Entrypoint: [`/bin/x${EVIL}`] },
      ),
    ];
    for (const reference of images) {
      const result = await engine.proa(["run", "--rm", reference, "true"]);
      expect(result.stderr).toStartWith("Error: ");
      expect(result.stderr).not.toMatch(STEERING);
      const screen = engine.pty(["run", "--rm", reference, "true"]);
      expect(await screen.exited).toBeGreaterThan(0);
      expect(screen.output.replaceAll("\r\n", "\n").replaceAll(/\u001b\[[0-9;]*m/g, "")).not.toMatch(
        STEERING,
      );
    }
  });

  test("names that would steer it are not taken", async () => {
    for (const args of [
      ["create", "--name", `n${EVIL}`, place.tiny],
      ["create", "--hostname", `h${EVIL}`, place.tiny],
      ["tag", place.tiny, `t${EVIL}`],
      ["network", "create", `n${EVIL}`],
      ["volume", "create", `v${EVIL}`],
      ["pull", `x${EVIL}`],
    ]) {
      const result = await engine.proa(args);
      expect(result.stdout).toBe("");
      expect(result.stderr).toStartWith("Error: ");
      expect(result.stderr).not.toMatch(STEERING);
      expect(result.exitCode).toBeGreaterThan(0);
    }
  });

  test("a container's own output is passed on as it is, and so is its log", async () => {
    const bytes = `${EVIL}\u0000\u0001\u001bc`;
    const made = await engine.proa([
      "run",
      "--name",
      "raw",
      place.tiny,
      "printf",
      bytes.replaceAll("\u0000", "\\0"),
    ]);
    expect(made.stdout).toBe(bytes);
    expect((await engine.proa(["logs", "raw"])).stdout).toBe(bytes);
    await engine.ok(["rm", "raw"]);
  });

  test("nothing is left of all these", () => removeAll(place));
});
