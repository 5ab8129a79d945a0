import { describe, expect, test } from "bun:test";
import { proaPath, useEngine } from "../harness";

/** The built executable: what a wrong command line says, and how output meets what it is written to. */
const engine = useEngine();

describe("wrong command lines", () => {
  const cases: [args: string[], stderr: string][] = [
    [
      ["verison"],
      `Error: unknown command: proa verison\nhint: did you mean "proa version"?\nSee 'proa --help'.\n`,
    ],
    [
      ["container", "rnu"],
      `Error: unknown command: proa container rnu\nhint: did you mean "proa container run"?\nSee 'proa container --help'.\n`,
    ],
    [["--nope"], "Error: unknown flag: --nope\nSee 'proa --help'.\n"],
    [["container", "--nope"], "Error: unknown flag: --nope\nSee 'proa container --help'.\n"],
    [
      ["run", "--nmae", "x", "img"],
      "Error: unknown flag: --nmae\nhint: did you mean --name?\nSee 'proa run --help'.\n",
    ],
    [
      ["container", "run", "-Z"],
      "Error: unknown shorthand flag: 'Z' in -Z\nSee 'proa container run --help'.\n",
    ],
    [["toString"], "Error: unknown command: proa toString\nSee 'proa --help'.\n"],
    [["run"], `Error: "proa run" requires at least 1 argument: no IMAGE given\nSee 'proa run --help'.\n`],
    [
      ["exec", "b"],
      `Error: "proa exec" requires at least 2 arguments: no COMMAND given\nSee 'proa exec --help'.\n`,
    ],
    [[""], `Error: unknown command: proa ""\nSee 'proa --help'.\n`],
    [
      ["image", "trust", "sett"],
      `Error: unknown command: proa image trust sett\nhint: did you mean "proa image trust set"?\nSee 'proa image trust --help'.\n`,
    ],
    [
      ["system", "install", "--prefix", ""],
      `Error: invalid argument "" for --prefix: it must be a directory\nSee 'proa system install --help'.\n`,
    ],
    [["help", "nope"], "Error: no help topic: nope\nSee 'proa help --help'.\n"],
    [["help", "run", "nope"], "Error: no help topic: run nope\nSee 'proa help --help'.\n"],
  ];
  for (const [args, stderr] of cases) {
    test(`proa ${args.join(" ")} fails with 125 and says why`, async () => {
      const result = await engine.proa(args);
      expect(result.stderr).toBe(stderr);
      expect(result.stdout).toBe("");
      expect(result.exitCode).toBe(125);
    });
  }

  test("a usage error prints its stack under --debug, before or behind the verb", async () => {
    for (const args of [
      ["-D", "version", "x"],
      ["--debug", "nope"],
    ]) {
      expect((await engine.proa(args)).stderr).toContain("debug: EngineError");
    }
    expect((await engine.proa(["version", "x"])).stderr).not.toContain("debug:");
  });

  test("an argument that is not UTF-8 is refused by its position", async () => {
    const script = `exec "$0" inspect ok "$(printf 'a\\377b')"`;
    const child = Bun.spawnSync(["sh", "-c", script, proaPath], {
      env: engine.sandbox.env,
    });
    expect(child.stderr.toString()).toContain("Error: read arguments: argument 3: not valid UTF-8\n");
    expect(child.exitCode).toBe(125);
  });
});

describe("help and version", () => {
  test("a group of commands below a noun has a list of its own", async () => {
    const text = await engine.ok(["image", "trust"]);
    expect(text).toMatch(/^Usage: {2}proa image trust COMMAND\n[\s\S]*\n {2}set +\w[\s\S]*\n {2}show +\w/);
    for (const args of [
      ["image", "trust", "--help"],
      ["--help", "image", "trust"],
      ["help", "image", "trust"],
    ])
      expect(await engine.ok(args)).toBe(text);
  });

  test("a value of a flag behind --help is no topic", async () => {
    const text = await engine.ok(["--help", "--color", "never"]);
    expect(text).toBe(await engine.ok(["--help"]));
    expect(text).toContain("-l, --log-level LEVEL");
    expect(await engine.ok(["--help", "--color", "never", "ps"])).toBe(await engine.ok(["ps", "--help"]));
  });

  test("proa alone, --help, -h and help print the same on stdout", async () => {
    const text = await engine.ok([]);
    expect(text).toStartWith("Usage:  proa [OPTIONS] COMMAND");
    for (const args of [["--help"], ["-h"], ["help"]]) expect(await engine.ok(args)).toBe(text);
  });

  test("proa --help run is proa run --help", async () => {
    expect(await engine.ok(["--help", "run"])).toBe(await engine.ok(["run", "--help"]));
  });

  test("a noun alone lists its commands", async () => {
    const text = await engine.ok(["container"]);
    expect(text).toContain("\n  ls ");
    expect(await engine.ok(["container", "--help"])).toBe(text);
  });

  test("the usage line has the name that was typed", async () => {
    expect(await engine.ok(["container", "run", "--help"])).toStartWith(
      "Usage:  proa container run [OPTIONS] IMAGE",
    );
  });

  test("--version and -v print one line", async () => {
    expect(await engine.ok(["--version"])).toMatch(/^proa version \d+\.\d+\.\d+$/);
    expect(await engine.ok(["-v"])).toBe(await engine.ok(["--version"]));
  });
});

describe("where output goes", () => {
  const shell = (script: string) =>
    Bun.spawnSync(["bash", "-c", script], {
      env: { ...engine.sandbox.env, P: proaPath },
    });

  test("a reader that leaves early is a quiet end", () => {
    const result = shell(`"$P" help run | head -1; echo "\${PIPESTATUS[@]}"`);
    expect(result.stdout.toString()).toBe("NAME\n0 0\n");
    expect(result.stderr.toString()).toBe("");
  });

  test("a full device is an error", () => {
    const result = shell('"$P" help run > /dev/full');
    expect(result.stderr.toString()).toBe("Error: write: no space left on device\n");
    expect(result.exitCode).toBe(125);
  });

  test("a file is appended to", () => {
    const result = shell(
      'f=$(mktemp); echo one > "$f"; "$P" --version >> "$f"; echo three >> "$f"; cat "$f"',
    );
    expect(result.stdout.toString()).toMatch(/^one\nproa version [\d.]+\nthree\n$/);
  });

  test("no escape sequence goes to a pipe", async () => {
    for (const args of [["--help"], ["help", "run"]]) expect(await engine.ok(args)).not.toContain("\x1b");
  });
});
