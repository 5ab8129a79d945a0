import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { App } from "../../src/cli/app";
import { complete, directives, printCompletion } from "../../src/cli/completion";
import { completionScript, type Shell } from "../../src/cli/completion-scripts";
import { providers } from "../../src/cli/providers";
import { useEngine } from "../harness";

const engine = useEngine();
const app = {} as App; // the kinds asked for here need none of it

async function values(...words: string[]): Promise<string[]> {
  return (await complete(app, words)).candidates.map(({ value }) => value);
}

describe("complete()", () => {
  test("offers commands and nouns, those below a noun, and nothing behind what is none", async () => {
    expect(await values("")).toContain("run");
    expect(await values("")).toContain("container");
    expect(await values("ru")).toEqual(["run"]);
    expect(await values("container", "l")).toEqual(["ls", "logs"]);
    expect(await values("nope", "")).toEqual([]);
    expect(await values("")).not.toContain("__complete");
  });

  test("finds the command behind global options", async () => {
    expect(await values("-D", "--config", "/x", "container", "ru")).toEqual(["run", "runlabel"]);
    expect(await values("--storage-driver", "v")).toEqual(["vfs"]);
    expect(await values("--storage-driver=v")).toEqual(["--storage-driver=vfs"]);
  });

  test("offers long flags, and short ones only behind a single dash", async () => {
    expect(await values("run", "--net")).toEqual(["--network", "--network-alias"]);
    expect(await values("run", "-i")).toEqual(["-i"]);
    const all = await values("run", "-");
    expect(all).toContain("-i");
    expect(all).toContain("--debug");
    expect(all).toContain("--help");
  });

  test("offers the values of a flag in each way of writing it", async () => {
    expect(await values("run", "--pull", "al")).toEqual(["always"]);
    expect(await values("run", "--pull=al")).toEqual(["--pull=always"]);
    expect(await values("run", "--rm=")).toEqual(["--rm=true", "--rm=false"]);
    expect(await values("run", "-ia", "std")).toEqual(["stdin", "stdout", "stderr"]);
    expect(await values("run", "--cap-add", "NET_A")).toEqual(["NET_ADMIN"]);
    expect(await values("kill", "-s", "HU")).toEqual(["HUP"]);
  });

  test("offers no flag behind the first positional of run, behind -- and as the value of a flag", async () => {
    expect(await values("run", "img", "--")).toEqual([]);
    expect(await values("run", "--", "-")).toEqual([]);
    expect(await values("run", "--name", "-")).toEqual([]);
    expect(await values("rm", "name", "--fo")).toEqual(["--force"]);
  });

  test("leaves files and directories to the shell", async () => {
    expect((await complete(app, ["run", "--env-file", "x"])).directive).toBe(0);
    expect((await complete(app, ["--config", "x"])).directive).toBe(directives.onlyDirectories);
  });

  test("asks the provider of a kind, leaves out what does not fit or is there, and is silent when it fails", async () => {
    const original = providers.container;
    try {
      providers.container = ({ before }) => [
        { value: "web", description: `behind ${before.length}` },
        { value: "db" },
        { value: "web2" },
        { value: "web", description: "again" },
      ];
      expect((await complete(app, ["rm", "db", "w"])).candidates).toEqual([
        { value: "web", description: "behind 1" },
        { value: "web2" },
      ]);
      expect(await values("rm", "web", "")).toEqual(["db", "web2"]);
      providers.container = () => {
        throw new Error("no database");
      };
      expect(await complete(app, ["rm", ""])).toEqual({ candidates: [], directive: directives.noFiles });
    } finally {
      providers.container = original;
    }
  });

  test("never throws, whatever the words", async () => {
    for (const words of [
      [],
      ["--"],
      ["-"],
      ["--="],
      ["run", "-\u{1F600}"],
      ["container"],
      ["help", "run", ""],
    ]) {
      expect((await complete(app, words)).candidates).toBeArray();
    }
  });
});

test("printCompletion() prints a candidate a line, its description behind a tab, and the directive", () => {
  const completion = { candidates: [{ value: "a", description: "x y" }, { value: "b" }], directive: 4 };
  expect(printCompletion(completion)).toBe("a\tx y\nb\n:4\n");
  expect(printCompletion(completion, true)).toBe("a\nb\n:4\n");
});

test("printCompletion() prints no control: what has one in its value is left out, in a description it is a blank", () => {
  const print = (...candidates: { value: string; description?: string }[]) =>
    printCompletion({ candidates, directive: 4 });
  const [d, told] = [{ value: "d" }, { value: "t", description: "x" }];
  for (const control of ["\n", "\t", "\r", "\x1b", "\x7f", "\0"]) {
    expect(print({ value: `b${control}c`, description: "no line of its own" }, d)).toBe("d\n:4\n");
    expect(print({ value: `b${control}c` }, told)).toBe("t\tx\n:4\n");
    expect(print(d, { value: "a", description: `x${control}y` })).toBe("d\na\tx y\n:4\n");
  }
  expect(print({ value: "a", description: "x\ty\nz\x1b[2J" }, d)).toBe("a\tx y z [2J\nd\n:4\n");
  expect(print()).toBe(":4\n");
});

const folder = resolve(import.meta.dir, "../../completions");
const files: Record<Shell, string> = { bash: "proa.bash", zsh: "_proa", fish: "proa.fish" };

describe("completion scripts", () => {
  test("are written into a file with --file, and ask for no descriptions with --no-desc", async () => {
    const path = join(engine.sandbox.home, "script");
    expect(await engine.ok(["completion", "-f", path, "--no-desc", "bash"])).toBe("");
    const script = readFileSync(path, "utf8");
    expect(script).toBe(completionScript("bash", true));
    expect(script).toContain(" __completeNoDesc ");
    expect(await engine.ok(["__complete", "kil"])).toMatch(/^kill\t.*\n:4$/);
    expect(await engine.ok(["__completeNoDesc", "kil"])).toBe("kill\n:4");
    const { stderr, exitCode } = await engine.proa(["completion", "-f", "/nope/x", "bash"]);
    expect(stderr).toContain("/nope/x");
    expect(exitCode).toBe(125);
  });

  for (const [shell, file] of Object.entries(files) as [Shell, string][]) {
    test(`completions/${file} is what proa completion ${shell} prints`, async () => {
      expect(readFileSync(join(folder, file), "utf8")).toBe(completionScript(shell));
      expect(await engine.ok(["completion", shell])).toBe(completionScript(shell).trimEnd());
    });

    test.skipIf(Bun.which(shell) === null)(
      `completions/${file} has no error of syntax [needs ${shell}]`,
      () => {
        const result = Bun.spawnSync([shell, "-n", join(folder, file)]);
        expect(result.stderr.toString()).toBe("");
        expect(result.exitCode).toBe(0);
      },
    );
  }

  test.skipIf(Bun.which("shellcheck") === null)(
    "completions/proa.bash passes shellcheck [needs shellcheck]",
    () => {
      expect(Bun.spawnSync(["shellcheck", "-s", "bash", join(folder, files.bash)]).stdout.toString()).toBe(
        "",
      );
    },
  );
});
