import { describe, expect, test } from "bun:test";
import { readArgs } from "../../src/cli/args";
import type { Args } from "../../src/cli/tree";
import { EngineError } from "../../src/error";

const runLike = {
  interspersed: false,
  args: {
    interactive: { type: "boolean", alias: "i", description: "" },
    tty: { type: "boolean", alias: "t", description: "" },
    detach: { type: "boolean", alias: "d", description: "" },
    rm: { type: "boolean", description: "" },
    "sig-proxy": { type: "boolean", default: true, description: "" },
    name: { type: "string", valueHint: "NAME", description: "" },
    volume: { type: "string", alias: "v", multiple: true, valueHint: "V", description: "" },
    publish: { type: "string", alias: "p", multiple: true, valueHint: "P", description: "" },
    hostname: { type: "string", alias: "h", valueHint: "NAME", description: "" },
    network: { type: "string", hiddenNames: ["net"], default: "none", valueHint: "N", description: "" },
    time: { type: "int", alias: "T", min: -1, max: 100, valueHint: "S", description: "" },
    pull: { type: "string", value: { oneOf: ["always", "never"] }, valueHint: "POLICY", description: "" },
    mode: { type: "string", optional: "auto", valueHint: "MODE", alias: "M", description: "" },
    image: { type: "positional", description: "" },
    command: { type: "positional", rest: true, required: false, description: "" },
  },
} as const satisfies { interspersed: boolean; args: Args };

const globals = {
  debug: { type: "boolean", alias: "D", description: "" },
  config: { type: "string", valueHint: "DIR", description: "" },
} as const satisfies Args;

const read = (...argv: string[]) => readArgs(runLike, argv, "proa run", globals);

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    expect(error.code).toBe("usage");
    expect(error.exitCode).toBe(125);
    return error.hint === undefined ? error.message : `${error.message} | ${error.hint}`;
  }
  throw new Error("nothing was thrown");
}

describe("bad command lines", () => {
  const cases: [string[], string][] = [
    [["--nmae", "x"], "unknown flag: --nmae | did you mean --name?"],
    [["--nmae=x"], "unknown flag: --nmae | did you mean --name?"],
    [["-z"], "unknown shorthand flag: 'z' in -z"],
    [["-itz"], "unknown shorthand flag: 'z' in -itz"],
    [["-rm", "i"], "unknown shorthand flag: 'r' in -rm | did you mean --rm?"],
    [["-t="], "unknown shorthand flag: '=' in -t="],
    [["--name"], "flag needs an argument: --name | --name NAME"],
    [["-iv"], "flag needs an argument: 'v' in -iv | --volume V"],
    [["---name"], "bad flag syntax: ---name"],
    [["--=x"], "bad flag syntax: --=x"],
    [["--rm=maybe", "i"], 'invalid argument "maybe" for "--rm" flag: not true or false'],
    [["--rm=", "i"], 'invalid argument "" for "--rm" flag: not true or false'],
    [["--time", "ten", "i"], 'invalid argument "ten" for "-T, --time" flag: not a whole number'],
    [["-T101", "i"], 'invalid argument "101" for "-T, --time" flag: more than 100'],
    [["--time=-2", "i"], 'invalid argument "-2" for "-T, --time" flag: less than -1'],
    [
      ["--pull", "nevr", "i"],
      'invalid argument "nevr" for "--pull" flag: must be one of "always", "never" | did you mean never?',
    ],
    [[], '"proa run" requires at least 1 argument: no IMAGE given'],
    [["--toString"], "unknown flag: --toString"],
    [["--__proto__=x"], "unknown flag: --__proto__"],
  ];
  for (const [argv, message] of cases) {
    test(`readArgs() refuses ${JSON.stringify(argv)}`, () => {
      expect(messageOf(() => read(...argv))).toBe(message);
    });
  }

  test("readArgs() refuses words behind the last positional", () => {
    const none = { args: {} };
    const two = {
      args: { a: { type: "positional", description: "" }, b: { type: "positional", description: "" } },
    } as const;
    const open = { args: { a: { type: "positional", required: false, description: "" } } } as const;
    expect(messageOf(() => readArgs(none, ["x"], "proa version"))).toBe(
      '"proa version" accepts no arguments: "x" is one',
    );
    expect(messageOf(() => readArgs(two, ["x"], "proa t"))).toBe(
      '"proa t" requires exactly 2 arguments: no B given',
    );
    expect(messageOf(() => readArgs(two, ["x", "y", "z"], "proa t"))).toContain(
      'exactly 2 arguments: "z" is one too many',
    );
    expect(messageOf(() => readArgs(open, ["x", "y"], "proa t"))).toContain(
      'at most 1 argument: "y" is one too many',
    );
  });

  test("readArgs() checks a positional that has only some values", () => {
    const shell = {
      args: { shell: { type: "positional", value: { oneOf: ["bash", "zsh"] }, description: "" } },
    } as const;
    expect(messageOf(() => readArgs(shell, ["bsh"]))).toBe(
      'invalid argument "bsh" for SHELL: must be one of "bash", "zsh" | did you mean bash or zsh?',
    );
    expect(readArgs(shell, ["zsh"]).args.shell).toBe("zsh");
  });
});

describe("docker's grammar", () => {
  test("readArgs() gives defaults and tells what was given", () => {
    const { args, given } = read("--rm", "img");
    expect(args).toEqual({
      interactive: false,
      tty: false,
      detach: false,
      rm: true,
      "sig-proxy": true,
      name: undefined,
      volume: [],
      publish: [],
      hostname: undefined,
      network: "none",
      time: undefined,
      pull: undefined,
      mode: undefined,
      image: "img",
      command: [],
    });
    expect([...given]).toEqual(["rm", "image"]);
  });

  test("readArgs() reads clusters, and the value at the end of one", () => {
    expect(read("-it", "img").args).toMatchObject({ interactive: true, tty: true, detach: false });
    expect(read("-itd", "img").args).toMatchObject({ interactive: true, tty: true, detach: true });
    expect(read("-dp", "80:80", "img").args).toMatchObject({
      detach: true,
      publish: ["80:80"],
      image: "img",
    });
    expect(read("-dp80:80", "img").args).toMatchObject({ detach: true, publish: ["80:80"], image: "img" });
  });

  test("readArgs() reads each way of writing a value", () => {
    expect(read("-v=x", "-vy", "-v", "z", "--volume=a=b", "--volume", "c", "i").args.volume).toEqual([
      "x",
      "y",
      "z",
      "a=b",
      "c",
    ]);
    expect(read("-v=", "i").args.volume).toEqual(["="]); // as pflag has it
    expect(read("--name=", "i").args.name).toBe("");
    expect(read("-T5", "i").args.time).toBe(5);
  });

  test("readArgs() takes the next word as a value whatever it looks like", () => {
    expect(read("--name", "--rm", "i").args).toMatchObject({ name: "--rm", rm: false });
    expect(read("--name", "--", "i").args).toMatchObject({ name: "--", image: "i" });
    expect(read("--time", "-1", "i").args.time).toBe(-1);
    expect(read("-v", "-", "i").args.volume).toEqual(["-"]);
  });

  test("readArgs() takes a boolean's value only behind =", () => {
    expect(read("--rm=false", "--sig-proxy=0", "i").args).toMatchObject({ rm: false, "sig-proxy": false });
    expect(read("-t=true", "i").args.tty).toBe(true);
    expect(read("--rm", "false").args).toMatchObject({ rm: true, image: "false" });
  });

  test("readArgs() takes an optional value only behind =", () => {
    expect(read("--mode", "i").args).toMatchObject({ mode: "auto", image: "i" });
    expect(read("--mode=x", "i").args.mode).toBe("x");
    expect(read("-M", "i").args.mode).toBe("auto");
    expect(read("-M=x", "i").args.mode).toBe("x");
    expect(read("-Mt", "i").args).toMatchObject({ mode: "auto", tty: true });
  });

  test("readArgs() lets the last of repeated flags win, and collects lists", () => {
    expect(read("--name", "a", "--name=b", "i").args.name).toBe("b");
    expect(read("-p1", "-p2", "i").args.publish).toEqual(["1", "2"]);
  });

  test("readArgs() leaves all behind the first positional alone when flags are not interspersed", () => {
    const { args } = read("--rm", "img", "ls", "-l", "--rm=false", "--", "--name", "x");
    expect(args).toMatchObject({ rm: true, name: undefined, image: "img" });
    expect(args.command).toEqual(["ls", "-l", "--rm=false", "--", "--name", "x"]);
  });

  test("readArgs() ends the flags at -- and takes - as a positional", () => {
    expect(read("--rm", "--", "-img", "-x").args).toMatchObject({ image: "-img", command: ["-x"] });
    expect(read("-", "x").args).toMatchObject({ image: "-", command: ["x"] });
    expect(read("", "x").args).toMatchObject({ image: "", command: ["x"] });
  });

  test("readArgs() finds flags between and behind positionals where they are interspersed", () => {
    const rm = {
      args: {
        force: { type: "boolean", alias: "f", description: "" },
        container: { type: "positional", rest: true, description: "" },
      },
    } as const;
    expect(readArgs(rm, ["a", "-f", "b", "--", "-c"]).args).toEqual({
      force: true,
      container: ["a", "b", "-c"],
    });
  });

  test("readArgs() accepts hidden spellings", () => {
    const { args, given } = read("--net", "host", "i");
    expect(args.network).toBe("host");
    expect(given.has("network")).toBe(true);
  });

  test("readArgs() takes -h as help only where the command has no -h", () => {
    expect(read("-h", "box", "i").args.hostname).toBe("box");
    expect(read("--help").help).toBe(true);
    expect(readArgs({ args: {} }, ["-h"]).help).toBe(true);
    expect(read("img", "--help")).toMatchObject({ help: false, args: { command: ["--help"] } });
  });

  test("readArgs() takes global options behind the verb, up to the first positional", () => {
    expect(read("-D", "--config=/x", "i").behind).toEqual({ debug: true, config: "/x" });
    expect(read("i", "-D").behind).toEqual({});
    expect(read("-itD", "i").behind).toEqual({ debug: true });
  });
});

describe("any command line", () => {
  const flags = Object.entries(runLike.args).filter(([, arg]) => arg.type !== "positional");
  // A small generator with a fixed seed: the same lines on every run.
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff;
    return seed % below;
  };
  const values = ["x", "a=b", "-", "--", "-it", "", "80:80", "ü ✓", "--rm"];
  const pick = <T>(from: readonly T[]): T => from[random(from.length)] as T;

  test("readArgs() reads what a writer of flags wrote, in each spelling", () => {
    for (let round = 0; round < 2000; round++) {
      const argv: string[] = [];
      const expected: Record<string, unknown> = { volume: [], publish: [] };
      for (let count = random(6); count > 0; count--) {
        const [name, arg] = pick(flags);
        const short = "alias" in arg ? arg.alias : undefined;
        if (arg.type === "boolean") {
          const value = random(2) === 0;
          argv.push(value && short !== undefined && random(2) === 0 ? `-${short}` : `--${name}=${value}`);
          expected[name] = value;
          continue;
        }
        const text = arg.type === "int" ? String(random(100)) : name === "pull" ? "never" : pick(values);
        const spellings = [[`--${name}=${text}`]];
        if (name !== "mode") spellings.push([`--${name}`, text]);
        if (short !== undefined && name !== "mode") spellings.push([`-${short}`, text]);
        if (short !== undefined && text !== "" && !text.startsWith("=") && name !== "mode")
          spellings.push([`-${short}${text}`]);
        argv.push(...pick(spellings));
        const value = arg.type === "int" ? Number(text) : text;
        if ("multiple" in arg) (expected[name] as unknown[]).push(value);
        else expected[name] = value;
      }
      const command = Array.from({ length: random(4) }, () => pick(values));
      const { args } = read(...argv, "img", ...command);
      expect(args).toMatchObject({ ...expected, image: "img", command } as object);
    }
  });

  test("readArgs() ends in a result or a usage error, whatever the words", () => {
    const pieces = [
      "-",
      "--",
      "=",
      "i",
      "t",
      "name",
      "v",
      "x",
      "\u{1F600}",
      " ",
      "rm",
      "T",
      "9",
      "h",
      "--help",
      "-1",
    ];
    for (let round = 0; round < 5000; round++) {
      const argv = Array.from({ length: random(5) }, () =>
        Array.from({ length: random(4) }, () => pick(pieces)).join(""),
      );
      try {
        read(...argv);
      } catch (error) {
        expect(error).toBeInstanceOf(EngineError);
        expect((error as EngineError).code).toBe("usage");
      }
    }
  });
});
