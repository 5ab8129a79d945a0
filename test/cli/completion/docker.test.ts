import { beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { missing, proaPath, useTiny } from "../../harness";
import { type Setup, scripts, shellMissing, shellOf, startShell } from "./_shells";

/** `docker` where it means proa, and completion as shells load it by themselves. */

const here = useTiny();
const setups: Setup[] = ["bash", "bash+", "zsh", "fish"];
const BASH_COMPLETION = "source /usr/share/bash-completion/bash_completion";

beforeAll(async () => {
  if (missing === null) await here.engine.ok(["run", "-d", "--name", "web", here.tiny, "sleep", "1000"]);
});

/** What a user types, or has in a start file. */
const evaluate: Record<Setup, string> = {
  bash: 'eval "$(proa system docker-alias bash)"',
  "bash+": `${BASH_COMPLETION}; eval "$(proa system docker-alias)"`,
  zsh: 'eval "$(proa system docker-alias zsh)"',
  fish: "proa system docker-alias fish | source",
};

describe.skipIf(missing !== null)(`docker [${missing ?? "ready"}]`, () => {
  for (const setup of setups) {
    const reason = shellMissing(setup);
    test.skipIf(reason !== null)(`is proa in ${setup}, and is completed [${reason ?? "ready"}]`, async () => {
      const session = await startShell(
        here.engine,
        setup,
        `${setup === "fish" ? "set -x" : "export"} SHELL${setup === "fish" ? " " : "="}/bin/bash; ${evaluate[setup]}`,
      );
      try {
        expect(await session.words("docker stop we")).toEqual(["docker", "stop", "web", "@"]);
        expect(await session.words("docker container comm")).toEqual(["docker", "container", "commit", "@"]);
        expect(await session.words("docker ps --filter=status=pau")).toEqual([
          "docker",
          "ps",
          "--filter=status=paused",
          "@",
        ]);
        expect(await session.words("docker exec web hostn")).toEqual([
          "docker",
          "exec",
          "web",
          "hostname",
          "@",
        ]);
        const behind = { keys: "\x02".repeat(" web id".length), behind: "" };
        expect((await session.words("docker exec -u nob web id", behind)).join(" ")).toBe(
          "docker exec -u nobody web id",
        );
        expect(await session.words("proa stop we")).toEqual(["proa", "stop", "web", "@"]);
        session.terminal.write("docker exec web echo al''ive\r");
        await session.terminal.waitFor("alive\r\n");
      } finally {
        session.terminal.kill("SIGKILL");
      }
    });
  }

  test("is proa in sh", () => {
    const script = 'eval "$(proa system docker-alias sh)"\ndocker exec web echo alive\n';
    const bin = join(here.engine.sandbox.directory, "sh-bin");
    mkdirSync(bin);
    symlinkSync(proaPath, join(bin, "proa"));
    const env = { ...here.engine.sandbox.env, PATH: `${bin}:${process.env["PATH"]}` };
    const { stdout, stderr } = Bun.spawnSync(["sh", "-c", script], { env });
    expect([stdout.toString(), stderr.toString()]).toEqual(["alive\n", ""]);
  });

  test("is proa as a link, and completes itself", async () => {
    const bin = join(here.engine.sandbox.directory, "link-bin");
    mkdirSync(bin);
    symlinkSync(proaPath, join(bin, "docker"));
    const env = { ...here.engine.sandbox.env, PATH: bin };
    const run = (...words: string[]) =>
      Bun.spawnSync([join(bin, "docker"), ...words], { env }).stdout.toString();
    expect(run("exec", "web", "echo", "alive")).toBe("alive\n");
    expect(run("__complete", "stop", "we")).toStartWith("web\t");
  });

  test("needs a shell that it knows", async () => {
    const { stderr, exitCode } = await here.engine.proa(["system", "docker-alias"], {
      env: { SHELL: "/bin/tcsh" },
    });
    expect(stderr).toContain("no SHELL given");
    expect(exitCode).toBe(125);
    expect((await here.engine.proa(["system", "docker-alias", "tcsh"])).exitCode).toBe(125);
  });
});

/** A directory that shells look into. */
const loaders: [setup: Setup, what: string, script: (home: string) => string][] = [
  [
    "bash+",
    "by bash-completion from its directory",
    (home) =>
      `mkdir -p ${home}/data/bash-completion/completions; ln -s ${scripts.bash} ${home}/data/bash-completion/completions/proa; BASH_COMPLETION_USER_DIR=${home}/data/bash-completion; ${BASH_COMPLETION}`,
  ],
  [
    "zsh",
    "by zsh from $fpath",
    (home) =>
      `mkdir -p ${home}/functions; cp ${scripts.zsh} ${home}/functions/; fpath=(${home}/functions $fpath); autoload -U compinit; compinit -u -D`,
  ],
  [
    "fish",
    "by fish from its directory",
    (home) =>
      `mkdir -p ${home}/completions; cp ${scripts.fish} ${home}/completions/; set fish_complete_path ${home}/completions $fish_complete_path`,
  ],
];

describe.skipIf(missing !== null)(`completion is loaded [${missing ?? "ready"}]`, () => {
  for (const [setup, what, script] of loaders) {
    const reason = shellMissing(setup);
    test.skipIf(reason !== null)(`${what} [${reason ?? "ready"}]`, async () => {
      const home = join(here.engine.sandbox.directory, `load-${shellOf(setup)}`);
      const session = await startShell(here.engine, setup, script(home));
      try {
        expect(await session.words("proa stop we")).toEqual(["proa", "stop", "web", "@"]);
        expect(await session.words("proa container comm")).toEqual(["proa", "container", "commit", "@"]);
      } finally {
        session.terminal.kill("SIGKILL");
      }
    });
  }
});
