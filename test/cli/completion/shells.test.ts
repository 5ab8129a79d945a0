import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { missing, useTiny } from "../../harness";
import { type Session, type Setup, shellMissing, startShell } from "./_shells";

/** A sample of each kind of value, on the screen of each shell. `values.test.ts` has the rest. */

const here = useTiny();
const setups: Setup[] = ["bash", "bash+", "zsh", "fish"];

beforeAll(async () => {
  if (missing !== null) return;
  const { engine, tiny } = here;
  await engine.ok(["run", "-d", "--name", "web", tiny, "sleep", "1000"]);
  await engine.ok(["run", "-d", "--name", "nap", tiny, "sleep", "1000"]);
  await engine.ok(["pause", "nap"]);
  await engine.ok(["create", "--name", "db", "--label", "tier=back", "-v", "data:/data", tiny]);
  await engine.ok(["network", "create", "front"]);
  await engine.ok(["tag", tiny, "localhost/app:one"]);
});

for (const setup of setups) {
  const reason = shellMissing(setup) ?? missing;
  describe.skipIf(reason !== null)(`${setup} [${reason ?? "ready"}]`, () => {
    let session: Session;
    beforeAll(async () => {
      session = await startShell(here.engine, setup);
    });
    afterAll(() => session.terminal.kill("SIGKILL"));

    /** What was typed, and the words of the line behind the Tab; "@" at the end of a word: no blank is behind it. */
    const completed: [what: string, typed: string, words: string][] = [
      ["a command", "proa conta", "proa container @"],
      ["a command below a noun", "proa container comm", "proa container commit @"],
      ["a flag", "proa container run --read-only-", "proa container run --read-only-tmpfs @"],
      ["a flag's word", "proa run --pull al", "proa run --pull always @"],
      ["a flag's word behind =", "proa run --pull=al", "proa run --pull=always @"],
      ["a capability", "proa run --cap-add SYS_PT", "proa run --cap-add SYS_PTRACE @"],
      ["a signal", "proa -D kill -s WIN", "proa -D kill -s WINCH @"],
      ["a key of a filter", "proa ps --filter stat", "proa ps --filter status=@"],
      ["a filter's word", "proa ps --filter status=pau", "proa ps --filter status=paused @"],
      ["a filter's word behind two =", "proa ps --filter=status=pau", "proa ps --filter=status=paused @"],
      ["a filter's name", "proa ps -f network=fro", "proa ps -f network=front @"],
      ["a running container", "proa stop we", "proa stop web @"],
      ["a paused container", "proa unpause n", "proa unpause nap @"],
      ["a stopped container", "proa start ", "proa start db @"],
      ["an image with its tag, which has a colon", "proa rmi localhost/a", "proa rmi localhost/app:one @"],
      ["an image behind its colon", "proa rmi localhost/app:o", "proa rmi localhost/app:one @"],
      ["an image of this machine by its short name", "proa run app:", "proa run app:one @"],
      ["a network", "proa network rm fr", "proa network rm front @"],
      ["a volume", "proa volume rm d", "proa volume rm data @"],
      ["a volume to mount, of which the rest must follow", "proa run -v da", "proa run -v data:@"],
      ["a key of a mount", "proa run --mount ty", "proa run --mount type=@"],
      ["a mount's second key", "proa run --mount type=bind,sou", "proa run --mount type=bind,source=@"],
      [
        "a mount's path",
        "proa run --mount type=bind,source=./envi",
        "proa run --mount type=bind,source=./environment-file @",
      ],
      ["a namespace of a container", "proa run --pid container:we", "proa run --pid container:web @"],
      ["a device", "proa run --device /dev/nul", "proa run --device /dev/null @"],
      ["a file", "proa run --env-file envi", "proa run --env-file environment-file @"],
      [
        "a file of the home directory",
        "proa run --env-file ~/envi",
        "proa run --env-file ~/environment-file @",
      ],
      ["a path of the host below it", "proa cp ~/envi", "proa cp ~/environment-file @"],
      ["a container behind a cluster of flags", "proa exec -it we", "proa exec -it web @"],
      ["a file behind =", "proa run --env-file=envi", "proa run --env-file=environment-file @"],
      ["a variable", "proa run -e HOM", "proa run -e HOME @"],
      ["a path in a container", "proa cp web:/etc/pas", "proa cp web:/etc/passwd @"],
      ["a directory in a container, whose rest may follow", "proa cp web:/et", "proa cp web:/etc/@"],
      ["a program in a container", "proa exec web base64", "proa exec web base64 @"],
      ["a user of a container", "proa exec -u nob", "proa exec -u nob@"],
      ["a user of an image in front", "proa exec web hostn", "proa exec web hostname @"],
      ["nothing behind --", "proa stop -- we", "proa stop -- we@"],
      ["a word in open quotes", 'proa "conta', "proa container @"],
      ["a word in single quotes", "proa stop 'we", "proa stop web @"],
      ["a filter in open quotes", 'proa ps --filter "status=pau', "proa ps --filter status=paused @"],
      [
        "a value in open quotes behind a flag",
        'proa ps --filter="status=pau',
        "proa ps --filter=status=paused @",
      ],
      ["a path of the program", "./bin/proa conta", "./bin/proa container @"],
    ];
    for (const [what, typed, words] of completed) {
      test(`completes ${what}: ${typed}`, async () => {
        const shown = (await session.words(typed)).join(" ");
        expect(shown.replace(`${session.home}/environment`, "~/environment")).toBe(words);
      });
    }

    test("completes a path with a blank in it, typed with a backslash and in quotes", async () => {
      expect(await session.words("proa run --mount type=bind,source=./my")).toEqual([
        "proa",
        "run",
        "--mount",
        "type=bind,source=./my dir/@",
      ]);
      expect(await session.words("proa run --env-file my\\ dir/a")).toEqual([
        "proa",
        "run",
        "--env-file",
        "my dir/a file",
        "@",
      ]);
      expect(await session.words('proa run --mount "type=bind,source=./my dir/a')).toEqual([
        "proa",
        "run",
        "--mount",
        "type=bind,source=./my dir/a file",
        "@",
      ]);
      expect(await session.words("proa cp ./grö")).toEqual(["proa", "cp", "./größe", "@"]);
      expect(await session.words("proa cp ./my\\ dir/pro")).toEqual(["proa", "cp", "./my dir/program", "@"]);
    });

    test("quotes what a container calls its files, so that it is no order", async () => {
      const names = ["$(touch made)", "`touch made`", "it's;touch made", 'a"b\\c', "* ~ {a,b} !x #y"];
      for (const [at, name] of names.entries()) {
        await here.engine.ok([
          "exec",
          "web",
          "sh",
          "-c",
          'mkdir -p "/q$1"; : >"/q$1/$2"',
          "sh",
          String(at),
          name,
        ]);
        for (const quote of ["", '"', "'"]) {
          const typed = `proa cp ${quote}web:/q${at}/`;
          expect([quote, ...(await session.words(typed))]).toEqual([
            quote,
            "proa",
            "cp",
            `web:/q${at}/${name}`,
            "@",
          ]);
        }
      }
      expect(existsSync(join(session.home, "made"))).toBe(false);
    });

    test("completes a template's field between its braces", async () => {
      expect(await session.words("proa ps --format '{{.Net")).toEqual([
        "proa",
        "ps",
        "--format",
        "{{.Networks}}",
        "@",
      ]);
      expect(await session.words("proa inspect -f '{{.State.Oom", { behind: "'" })).toEqual([
        "proa",
        "inspect",
        "-f",
        "{{.State.Oom",
      ]);
      expect(await session.words("proa inspect -f '{{.State.OOM")).toEqual([
        "proa",
        "inspect",
        "-f",
        "{{.State.OOMKilled}}",
        "@",
      ]);
    });

    test("completes a template's field between braces without quotes", async () => {
      if (setup === "fish") {
        // who opens them closes them: a brace that fish adds is quoted, and then they are no word
        const screen = await session.list("proa ps --format {{.N", ["{{.Names", "{{.Networks"]);
        expect(screen).not.toContain("}");
        return;
      }
      for (const format of ["--format ", "--format="]) {
        const words = `proa ps ${format}{{.Networks}} @`.split(" ");
        expect(await session.words(`proa ps ${format}{{.Net`)).toEqual(words);
      }
      const words = ["proa", "ps", "--format", "table {{.Networks}}", "@"];
      expect(await session.words("proa ps --format table\\ {{.Net")).toEqual(words);
      expect(await session.words("proa inspect -f {{.HostConf", { behind: "x}}" })).toEqual([
        "proa",
        "inspect",
        "-f",
        "{{.HostConfig.x}}",
      ]);
    });

    test("completes in the middle of a line, knowing what is behind", async () => {
      const back = (text: string) => "\x02".repeat(text.length);
      const rest = " web date";
      expect(await session.words(`proa exec -u nob${rest}`, { keys: back(rest), behind: "" })).toEqual([
        "proa",
        "exec",
        "-u",
        "nobody",
        "web",
        "date",
      ]);
      const quoted = ` "web" 'a b' \\$x`;
      expect(await session.words(`proa exec -u nob${quoted}`, { keys: back(quoted), behind: "" })).toEqual([
        "proa",
        "exec",
        "-u",
        "nobody",
        "web",
        "a b",
        "$x",
      ]);
      expect(await session.words("proa rm we nap", { keys: back(" nap"), behind: "" })).toEqual([
        "proa",
        "rm",
        "web",
        "nap",
      ]);
    });

    test("lists what there is, with what it is", async () => {
      const screen = await session.list("proa rm ", ["web", "nap", "db", "running", "created"]);
      expect(screen).toContain("tiny");
      expect(await session.list("proa system ", ["prune", "Remove"])).toContain("prune");
    });

    test("says nothing where there is nothing", async () => {
      expect(await session.words("proa nope x")).toEqual(["proa", "nope", "x@"]);
      expect(await session.words("proa run --name x")).toEqual(["proa", "run", "--name", "x@"]);
    });
  });
}
