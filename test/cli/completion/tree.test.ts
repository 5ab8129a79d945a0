import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type App, createApp } from "../../../src/cli/app";
import { loadCommands, shownFlags, shownName } from "../../../src/cli/catalogue";
import { completionOf, directives } from "../../../src/cli/completion";
import type { Io } from "../../../src/cli/io";
import { providers } from "../../../src/cli/providers";
import type { Arg, Args } from "../../../src/cli/tree";
import { missing, useTiny } from "../../harness";
import { type Session, type Shell, scripts, shellMissing, startShell } from "./_shells";

/** The whole tree: whatever a command takes is known to completion. */

const here = useTiny();
const all = (await loadCommands()).filter(({ definition }) => definition.parsed !== false);
const shownArgs = (args: Args): [string, Arg][] =>
  Object.entries(args).filter(([, arg]) => arg.type === "positional" || arg.hidden !== true);

/** An app that works on the engine's state. */
function app(): App {
  const io = {
    env: here.engine.sandbox.env,
    stderr: { write: () => {} },
    stdout: { write: () => {} },
  } as unknown as Io;
  return createApp(io, {} as App["globals"]);
}

beforeAll(async () => {
  if (missing !== null) return;
  await here.engine.ok([
    "run",
    "-d",
    "--name",
    "web",
    "--label",
    "tier=front",
    "-p",
    "80",
    here.tiny,
    "sleep",
    "1000",
  ]);
  await here.engine.ok(["create", "--name", "db", "-v", "data:/data", here.tiny]);
  await here.engine.ok(["network", "create", "front"]);
  await here.engine.ok(["secret", "create", "key", "-"], { stdin: "k" });
  await here.engine.ok(["manifest", "create", "list", here.tiny]);
});

describe("each argument has a kind", () => {
  for (const { entry, definition } of all) {
    test(`of ${entry.path}`, () => {
      const without = shownArgs(definition.args)
        .filter(([, arg]) => arg.type !== "boolean" && arg.type !== "int" && arg.value === undefined)
        .map(([name]) => name);
      expect(without).toEqual([]); // value: "none" says that nothing can be offered
    });
  }
});

test("each command that takes a template names the fields that it knows", () => {
  const without = all.filter(({ definition }) => {
    const kinds = Object.values(definition.args as Args).map((arg) =>
      arg.type === "boolean" ? "" : arg.value,
    );
    return (
      kinds.some((kind) => kind === "format" || kind === "row-format") && definition.fields === undefined
    );
  });
  expect(without.map(({ entry }) => entry.path)).toEqual([]);
});

test("each kind is that of an argument", () => {
  const used = new Set(
    all
      .flatMap(({ definition }) => Object.values(definition.args as Args))
      .map((arg) => (arg.type === "boolean" ? "" : arg.value)),
  );
  expect(Object.keys(providers).filter((kind) => !used.has(kind as never))).toEqual([]);
});

describe.skipIf(missing !== null)("each value is asked for without a fault", () => {
  for (const { entry, definition } of all) {
    test(`of ${entry.path}`, async () => {
      const path = entry.path.split(" ");
      const args = definition.args as Args;
      const image = ["container run", "container create"].includes(entry.path) ? [here.tiny] : ["web"];
      for (const [name, arg] of shownArgs(args)) {
        if (arg.type === "boolean" || arg.type === "positional") continue;
        for (const begun of ["", "x", "/", "a=", "type=bind,", "a:", "{{."]) {
          const { candidates, directive } = await completionOf(app(), [...path, `--${name}=${begun}`], image);
          expect(candidates.filter(({ value }) => !value.startsWith(`--${name}=${begun}`))).toEqual([]);
          expect(directive & directives.error).toBe(0);
        }
      }
      const positionals = shownArgs(args).filter(([, arg]) => arg.type === "positional");
      for (let at = 0; at < positionals.length; at++)
        await completionOf(app(), [
          ...path,
          ...image.slice(0, at),
          ...Array(Math.max(0, at - 1)).fill("x"),
          "",
        ]);
    });
  }

  test("and an argument that has names of what there is has some", async () => {
    const kinds: [kind: string, name: string][] = [
      ["container", "web"],
      ["running-container", "web"],
      ["stopped-container", "db"],
      ["image", here.tiny],
      ["network", "front"],
      ["volume", "data"],
      ["secret", "key"],
      ["manifest", "list:latest"],
    ];
    for (const [kind, name] of kinds) {
      const of = all.filter(({ definition }) => {
        const [first] = Object.values(definition.args as Args).filter((arg) => arg.type === "positional");
        return first?.value === kind;
      });
      expect(of.length).toBeGreaterThan(0);
      for (const { entry } of of) {
        const { candidates } = await completionOf(app(), [...entry.path.split(" "), ""]);
        expect(`${entry.path}: ${candidates.map(({ value }) => value).join(" ")}`).toContain(name);
      }
    }
  });
});

/** What each shell makes of an answer, taken from its function without a terminal. */
const loops: Record<Shell, string> = {
  bash: `set -u; source ${scripts.bash}
compopt() { :; }
while read -r line; do
  COMP_LINE="proa $line --" COMP_WORDS=(proa $line --) COMP_TYPE=9
  COMP_POINT=\${#COMP_LINE} COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
  __proa_complete proa -- "\${COMP_WORDS[COMP_CWORD-1]}"
  echo "$line:" "\${COMPREPLY[@]}"
done <commands`,
  zsh: `compdef() { : }
source ${scripts.zsh}
_describe() { local each; for each in \${(P)@[-1]}; do print -rn -- " \${each%%:*}"; done }
while read -r line; do
  words=(proa \${=line} --) CURRENT=$#words PREFIX=--
  print -rn -- "$line:"; _proa; print
done <commands`,
  fish: `source ${scripts.fish}
while read -l line
  echo "$line:" (complete -C "proa $line --" | string replace -r '\\t.*' '')
end <commands`,
};

describe("each flag of each command is offered by the completion", () => {
  for (const shell of Object.keys(loops) as Shell[]) {
    const reason = shellMissing(shell);
    test.skipIf(reason !== null)(
      `of ${shell} [${reason ?? "ready"}]`,
      async () => {
        const session = await startShell(here.engine, shell);
        session.terminal.kill("SIGKILL");
        writeFileSync(join(session.home, "commands"), all.map(({ entry }) => `${entry.path}\n`).join(""));
        const flags = { bash: ["--norc", "--noprofile"], zsh: ["-f"], fish: ["--no-config"] }[shell];
        const child = Bun.spawn([shell, ...flags, "-c", loops[shell]], {
          cwd: session.home,
          env: {
            ...here.engine.sandbox.env,
            HOME: session.home,
            PATH: `${session.home}/bin:${process.env["PATH"]}`,
          },
          stderr: "pipe",
        });
        const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
        expect(stderr).toBe("");
        const offered = new Map(
          stdout
            .split("\n")
            .map((line): [string, string[]] => [line.split(":")[0] ?? "", line.split(/[: ]+/)]),
        );
        for (const { entry, definition } of all) {
          const wanted = shownFlags(definition.args).map(([name]) => `--${name}`);
          expect([entry.path, ...wanted.filter((flag) => !offered.get(entry.path)?.includes(flag))]).toEqual([
            entry.path,
          ]);
        }
      },
      120_000,
    );
  }
});

describe("each command is completed on the screen", () => {
  for (const shell of ["bash", "zsh", "fish"] as const) {
    const reason = shellMissing(shell);
    describe.skipIf(reason !== null)(`of ${shell} [${reason ?? "ready"}]`, () => {
      let session: Session;
      beforeAll(async () => {
        session = await startShell(here.engine, shell);
      });
      afterAll(() => session.terminal.kill("SIGKILL"));
      for (const { entry } of all) {
        // the names that help shows, which of bash are all
        for (const name of shell === "bash" ? [entry.path, ...entry.aliases] : [shownName(entry)]) {
          test(name, async () => {
            expect(await session.words(`proa ${name} --hel`)).toEqual([
              "proa",
              ...name.split(" "),
              "--help",
              "@",
            ]);
          });
        }
      }
    });
  }
});
