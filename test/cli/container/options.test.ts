/** What the options of `run` make of the container's process; and docker's grammar for them. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeImage, missing, proaPath, pushImage, tinyLayer, useTiny } from "../../harness";
import { inspect, removeAll, run, shell } from "./_shell";

describe.skipIf(missing !== null)("the options of run", () => {
  const place = useTiny();
  const { engine } = place;

  const file = (name: string, content: string | Uint8Array): string => {
    const path = join(engine.sandbox.home, name);
    writeFileSync(path, content);
    return path;
  };

  /** An image with an entrypoint, a user, a directory, variables and labels of its own. */
  async function imageWithDefaults(): Promise<string> {
    const image = await makeImage({
      layers: [await tinyLayer()],
      config: {
        Entrypoint: ["echo", "entry"],
        Cmd: ["cmd"],
        Env: ["PATH=/bin:/sbin", "FROM=image", "BOTH=image"],
        User: "app",
        WorkingDir: "/home/app",
        Labels: { from: "image", both: "image" },
        StopSignal: "SIGUSR1",
      },
    });
    const name = await pushImage(`${place.registry.host}/defaults:latest`, image);
    await engine.ok(["pull", "-q", name]);
    return name;
  }

  test.each([
    [["--nosuch"], "unknown flag: --nosuch"],
    [["--nosuch=5m"], "unknown flag: --nosuch"],
    [["-y", "80"], "unknown shorthand flag: 'y' in -y"],
    [["-itZ"], "unknown shorthand flag: 'Z' in -itZ"],
    [["--"], '"proa run" requires at least 1 argument: no IMAGE given'],
    [["--name"], "flag needs an argument: --name"],
    [["--rm=perhaps"], 'invalid argument "perhaps" for "--rm" flag: not true or false'],
  ])("%p is refused before anything is made", async (options, message) => {
    const result = await engine.proa(["run", ...options]);
    expect(result.stderr).toStartWith(`Error: ${message}\n`);
    expect(result.stderr).toEndWith("See 'proa run --help'.\n");
    expect(result.exitCode).toBe(125);
    await engine.assertNothingLeft();
  });

  test.each([
    ["--nmae", "--name"],
    ["--volums", "--volume"],
    ["--read-onyl", "--read-only"],
    ["-rm", "--rm"],
  ])("%s brings the hint %s", async (typed, meant) => {
    const result = await engine.proa(["run", typed, "x", place.tiny]);
    expect(result.stderr).toContain(`hint: did you mean ${meant}?\n`);
  });

  test("options end at the image's name, `--` ends them before it, and one behind it is the command's", async () => {
    expect((await run(place, [], ["echo", "--rm", "--", "-x"])).stdout).toBe("--rm -- -x\n");
    expect((await engine.proa(["run", "--rm", "--", place.tiny, "echo", "x"])).stdout).toBe("x\n");
    expect((await run(place, [], ["--", "x"])).exitCode).toBe(127);
  });

  test("-e A=1 -e=B=2 -eC=3 --env D=4 --env=E=5: every spelling and every repetition counts", async () => {
    const options = ["-e", "A=1", "-e=B=2", "-eC=3", "--env", "D=4", "--env=E=5", "-e", "A=6"];
    expect(await shell(place, options, "echo $A $B $C $D $E")).toBe("6 2 3 4 5");
  });

  test("-e NAME takes the value of proa's environment, or nothing where that has none", async () => {
    const script = 'echo "$GIVEN"; env | grep -c ABSENT; true';
    expect(await shell(place, ["-e", "GIVEN", "-e", "ABSENT"], script, { env: { GIVEN: "a  b" } })).toBe(
      "a  b\n0",
    );
  });

  test("--env-file takes lines, leaves comments out, and -e comes on top", async () => {
    const path = file("env", "# comment\n\nA=1\nB=two words # no comment\nC='quoted'\nGIVEN\nD=1\n");
    const script = 'echo "$A|$B|$C|$GIVEN|$D"';
    expect(await shell(place, ["--env-file", path, "-e", "D=2"], script, { env: { GIVEN: "given" } })).toBe(
      "1|two words # no comment|'quoted'|given|2",
    );
    const missingFile = await run(place, ["--env-file", `${path}.not`], ["true"]);
    expect(missingFile.stderr).toBe(`Error: env file: ${path}.not: no such file or directory\n`);
    expect(missingFile.exitCode).toBe(125);
  });

  test("bytes that are no UTF-8 are refused by name: in an env file, in -e NAME, in an argument", async () => {
    const path = file("latin1", new Uint8Array([0x41, 0x3d, 0xe4, 0x0a]));
    const result = await run(place, ["--env-file", path], ["true"]);
    expect(result.stderr).toBe(`Error: env file: ${path}: it is not valid UTF-8\n`);
    const script =
      'X=$(printf "\\344"); export X; "$0" run --rm -e X "$1" true; "$0" run --rm "$1" echo "$X"';
    const both = Bun.spawnSync(["sh", "-c", script, proaPath, place.tiny], {
      env: { ...engine.sandbox.env },
    });
    expect(both.stderr.toString()).toContain(
      "Error: environment variable: X: its value is not valid UTF-8\n",
    );
    expect(both.stderr.toString()).toContain("Error: read arguments: argument 5: not valid UTF-8\n");
    expect(both.exitCode).toBe(125);
    await engine.assertNothingLeft();
  });

  test("a variable of proa's own that is no UTF-8 is nobody's business", async () => {
    const script = 'X=$(printf "\\344"); export X; "$0" run --rm "$1" sh -c "echo ok \\$X"';
    const result = Bun.spawnSync(["sh", "-c", script, proaPath, place.tiny], {
      env: { ...engine.sandbox.env },
    });
    expect(result.stdout.toString()).toBe("ok\n");
  });

  test("an image's defaults hold where nothing else is asked for", async () => {
    const image = await imageWithDefaults();
    expect((await engine.proa(["run", "--rm", image])).stdout).toBe("entry cmd\n");
    expect((await engine.proa(["run", "--rm", image, "mine"])).stdout).toBe("entry mine\n");
    const script = "echo $FROM $BOTH; id -un; pwd";
    const options = ["-e", "BOTH=mine", "--entrypoint", "sh"];
    expect((await engine.proa(["run", "--rm", ...options, image, "-c", script])).stdout).toBe(
      "image mine\napp\n/home/app\n",
    );
  });

  test("--entrypoint drops the image's command with its entrypoint, and an empty one clears both", async () => {
    const image = await imageWithDefaults();
    expect((await engine.proa(["run", "--rm", "--entrypoint", "pwd", image])).stdout).toBe("/home/app\n");
    const array = ["--entrypoint", '["echo", "two words"]'];
    expect((await engine.proa(["run", "--rm", ...array, image, "end"])).stdout).toBe("two words end\n");
    expect((await engine.proa(["run", "--rm", "--entrypoint", "", image, "echo", "bare"])).stdout).toBe(
      "bare\n",
    );
    const nothing = await engine.proa(["run", "--rm", "--entrypoint=", image]);
    expect(nothing.stderr).toContain(`Error: create container: ${image}: no command specified\n`);
    expect(nothing.exitCode).toBe(125);
  });

  test("labels are the image's, a file's and the command line's, later ones on top", async () => {
    const image = await imageWithDefaults();
    const path = file("labels", "# comment\nboth=file\nfile=1\n");
    await engine.ok([
      "create",
      "--name",
      "labelled",
      "--label-file",
      path,
      "-l",
      "file=2",
      "--label",
      "bare",
      image,
    ]);
    expect(JSON.parse(await inspect(place, "labelled", "{{json .Config.Labels}}"))).toEqual({
      from: "image",
      both: "file",
      file: "2",
      bare: "",
    });
    expect(await inspect(place, "labelled", "{{.Config.StopSignal}}")).toBe("SIGUSR1");
    await engine.ok(["rm", "labelled"]);
  });

  test.each([
    ["app", "1000 1000 1000 2000"],
    ["1000", "1000 1000 1000 2000"],
    ["app:nogroup", "1000 65534 65534"],
    ["app:12", "1000 12 12"],
    ["77", "77 0 0"],
    ["77:88", "77 88 88"],
    ["nobody", "65534 65534 65534"],
  ])("-u %s runs as %s", async (user, ids) => {
    expect(await shell(place, ["-u", user], "echo $(id -u) $(id -g) $(id -G)")).toBe(ids);
  });

  test("--group-add adds groups by name and by number", async () => {
    const options = ["-u", "nobody", "--group-add", "extra", "--group-add", "55"];
    expect(await shell(place, options, "id -G")).toBe("65534 55 2000");
  });

  test.each([
    [["-u", "nosuch"], "find user: nosuch: no such user in the image's /etc/passwd"],
    [["-u", "app:nosuch"], "find group: app:nosuch: no such group in the image's /etc/group"],
    [["-u", "99999999999"], "find user: 99999999999: no such user in the image's /etc/passwd"],
    [["--group-add", "nosuch"], "find group: nosuch: no such group in the image's /etc/group"],
    [["-w", "relative"], "working directory: relative: it must be an absolute path"],
    [
      ["--name", "-"],
      'container name: "-": use letters, digits, _ . and -, two or more, a letter or digit first',
    ],
    [["--add-host", "nocolon"], "extra host: nocolon: expected NAME:ADDRESS"],
    [["--stop-signal", "NOSUCH"], "signal: NOSUCH: no such signal"],
    [["--cap-add", "NOSUCH"], "capability: NOSUCH: no such capability"],
    [["--ulimit", "nosuch=1"], 'ulimit: nosuch=1: unknown limit "nosuch"'],
    [["--ulimit", "nofile=9:3"], "ulimit: nofile=9:3: the soft limit is above the hard one"],
    [
      ["--sysctl", "vm.swappiness=1"],
      "set sysctl: vm.swappiness: it belongs to no namespace, but to the host",
    ],
    [["--security-opt", "nosuch"], "security option: nosuch: unknown option"],
    [["--log-opt", "max-size=0"], "log option max-size: 0: max-size should be a positive number"],
    [["--tmpfs", "relative"], "tmpfs: relative: the target must be an absolute path"],
    [["-v", "/a:/b:nosuch"], 'volume: /a:/b:nosuch: unknown option "nosuch"'],
    [["-v", "/etc:/a", "--tmpfs", "/a/"], "mount: /a: several mounts have this target"],
    [["-v", "/etc:/"], "mount: /: the root itself cannot be mounted over"],
    [["-w", "/etc/passwd"], "enter working directory: /etc/passwd: not a directory"],
    [["--tmpfs", "/t:nosuch=1"], 'tmpfs: /t:nosuch=1: unknown option "nosuch=1"'],
    [["--runtime", "nosuch"], "runtime: nosuch: no such program in PATH"],
    [["--detach-keys", "ctrl-1"], 'detach keys: ctrl-1: "ctrl-1" is neither a character nor ctrl-X'],
  ])("%p is refused, and leaves nothing", async (options, message) => {
    const result = await run(place, options, ["true"]);
    expect(result.stderr).toStartWith(`Error: ${message}\n`);
    expect(result.exitCode).toBe(125);
    await engine.assertNothingLeft();
    expect(await engine.ok(["ps", "-aq"])).toBe("");
  });

  test("a working directory that the image does not have is made", async () => {
    expect(await shell(place, ["-w", "/made/deep"], "pwd; stat -c %a .")).toBe("/made/deep\n755");
    expect(await shell(place, ["-w", "/made/deep", "-u", "app"], "pwd")).toBe("/made/deep");
  });

  test("--cidfile gets the id, is never overwritten, and the refusal makes no container", async () => {
    const path = join(engine.sandbox.home, "cid");
    const id = await engine.ok(["run", "-d", "--cidfile", path, place.tiny, "true"]);
    expect(readFileSync(path, "utf8")).toBe(id);
    const again = await engine.proa(["run", "-d", "--cidfile", path, place.tiny, "true"]);
    expect(again.stderr).toBe(`Error: cidfile: ${path}: it is there already\nhint: remove it first\n`);
    expect(again.exitCode).toBe(125);
    expect(await engine.ok(["ps", "-aq", "--no-trunc"])).toBe(id);
    await engine.ok(["wait", id]);
    await engine.ok(["rm", id]);
  });

  test("an empty --cidfile, as of a script's variable that is not set, is none", async () => {
    expect(await run(place, ["--cidfile="], ["echo", "x"])).toMatchObject({ stdout: "x\n", exitCode: 0 });
  });

  test("--cidfile in a directory that is not there starts nothing", async () => {
    const path = join(engine.sandbox.home, "no/cid");
    const result = await engine.proa(["run", "--cidfile", path, place.tiny, "touch", "/x"]);
    expect(result.stderr).toStartWith("Error: ");
    expect(result.stderr).toContain(path);
    expect(result.exitCode).toBe(125);
    expect(await engine.ok(["ps", "-aq"])).toBe("");
    await engine.assertNothingLeft();
    expect(existsSync(path)).toBe(false);
  });

  test.each(["a directory", "a file that is no program", "a script without its interpreter"])(
    "%s as the command is exit status 126 or 127, and leaves nothing",
    async (what) => {
      const directory = engine.sandbox.home;
      writeFileSync(join(directory, "noprogram"), "\u007fELF and then nothing", { mode: 0o755 });
      writeFileSync(join(directory, "script"), "#!/no/such/interpreter\n", { mode: 0o755 });
      const [path, status] =
        what === "a directory"
          ? ["/tmp", 126]
          : what.startsWith("a file")
            ? ["/v/noprogram", 126]
            : ["/v/script", 127];
      const result = await run(place, ["-v", `${directory}:/v`], [String(path)]);
      expect(result.stderr).toStartWith(`Error: execute: ${path}: `);
      expect(result.exitCode).toBe(Number(status));
      await engine.assertNothingLeft();
    },
  );

  test("a command that never started is no --rm container that is left, and without --rm says why", async () => {
    const result = await engine.proa(["run", "--name", "never", place.tiny, "nothere"]);
    expect(result.exitCode).toBe(127);
    expect(await inspect(place, "never", "{{.State.Status}} {{.State.ExitCode}}")).toBe("created 127");
    expect(await inspect(place, "never", "{{.State.Error}}")).toContain("nothere");
    await engine.ok(["rm", "never"]);
  });

  test("--hostname and --domainname are in uname, /etc/hostname and /etc/hosts", async () => {
    const script =
      "hostname; cat /etc/hostname; echo $HOSTNAME; hostname -d; grep box /etc/hosts | head -n 1 | cut -f2";
    expect(await shell(place, ["-h", "box", "--domainname", "example.org", "--name", "box"], script)).toBe(
      "box\nbox\nbox\nexample.org\nbox.example.org box",
    );
  });

  test("the hostname is the short id where none is given", async () => {
    const path = join(engine.sandbox.home, "cid2");
    const name = await shell(place, ["--cidfile", path], "hostname");
    expect(readFileSync(path, "utf8").slice(0, 12)).toBe(name);
  });

  test("--add-host adds lines to /etc/hosts, IPv6 ones too", async () => {
    const options = ["--add-host", "db:10.1.2.3", "--add-host=six:::1", "--add-host", "other=10.1.2.4"];
    expect(await shell(place, ["--network", "none", ...options], "sed -n 7,9p /etc/hosts")).toBe(
      "10.1.2.3\tdb\n::1\tsix\n10.1.2.4\tother",
    );
  });

  test("the environment is PATH, HOSTNAME, HOME and what was asked for, nothing of proa's", async () => {
    const text = await shell(place, ["-h", "box", "-e", "A=1"], "env | sort", {
      env: { SECRET: "x", BUN_OPTIONS: "--smol" },
    });
    const names = text.split("\n").map((line) => line.split("=")[0]);
    expect(names.filter((name) => !["PWD", "SHLVL", "_"].includes(name ?? ""))).toEqual([
      "A",
      "HOME",
      "HOSTNAME",
      "PATH",
    ]);
  });

  test("--rm and --name: the name is free as soon as run has ended", async () => {
    for (let i = 0; i < 5; i++) expect(await shell(place, ["--name", "again"], "echo $0")).toBe("sh");
  });

  test("nothing is left of all these", () => removeAll(place));
});
