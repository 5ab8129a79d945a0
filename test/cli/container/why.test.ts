/** `proa why`: one container for each cause, and what is said of it. */
import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeImage, missing, proaPath, pushImage, tinyLayer, useTiny, waitUntil } from "../../harness";
import { detach, inspect, printed, removeAll, SLEEP, supervisorOf } from "./_shell";

type Evidence = { Found: string; Source: string };
type Why = {
  Id: string;
  Name: string;
  Status: string;
  Summary: string;
  Claims: { Claim: string; Evidence: Evidence[]; Mend: string }[];
  Log: string[];
};

const namespaces = Bun.spawnSync(["unshare", "--user", "--map-root-user", "--mount", "true"]).exitCode === 0;

/** A program of this host's that needs a loader and a library. */
const DYNAMIC = realpathSync("/usr/bin/true");
const LOADER = /\/lib\S*\/ld-\S+\.so\.\d/.exec(readFileSync(DYNAMIC, "latin1"))?.[0] ?? "/lib/ld.so";

/** The head of a program for a processor that this is not. */
function foreignProgram(): Uint8Array {
  const bytes = new Uint8Array(128);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, 22, true); // EM_S390
  view.setUint32(20, 1, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 1, true); // PT_LOAD
  return bytes;
}

describe.skipIf(missing !== null)("proa why", () => {
  const place = useTiny();
  const { engine } = place;
  let image = "";
  let broken = "";
  beforeAll(async () => {
    const program = { content: readFileSync(DYNAMIC), mode: 0o755 };
    const base = await tinyLayer();
    const files = {
      "opt/": "",
      "opt/plain": "echo no right\n",
      "opt/owners": { content: "#!/bin/sh\n", mode: 0o744 },
      "opt/closed/": { type: "directory", mode: 0o700 },
      "opt/closed/tool": { content: "#!/bin/sh\n", mode: 0o755 },
      "opt/secret": { content: "echo secret\n", mode: 0o600 },
      "opt/server": { content: "#!/bin/sh\necho served\n", mode: 0o755 },
      "opt/windows": { content: "#!/bin/sh\r\necho hi\r\n", mode: 0o755 },
      "opt/python": { content: "#!/usr/bin/python3 -u\nprint()\n", mode: 0o755 },
      "opt/env": { content: "#!/bin/env ruby\n", mode: 0o755 },
      "opt/nothing": { content: "", mode: 0o755 },
      "opt/text": { content: "hello\n", mode: 0o755 },
      "opt/foreign": { content: foreignProgram(), mode: 0o755 },
      "opt/dangling": { type: "symlink", target: "../srv/gone" },
      "opt/dynamic": program,
      "opt/out": { type: "symlink", target: "../../../../../../usr/bin/env" },
    } as const;
    const loader = { [LOADER.slice(1)]: { content: readFileSync(LOADER), mode: 0o755 } };
    const config = { Cmd: ["sh"], Env: ["PATH=/bin:/sbin"] };
    const push = async (name: string, layers: Parameters<typeof makeImage>[0]["layers"]) =>
      pushImage(
        `${place.registry.host}/${name}:latest`,
        await makeImage({ layers: [base, ...layers], config }),
      );
    image = await push("why", [files, { "lib/": "", "lib/ld-musl-x86_64.so.1": "" }]);
    broken = await push("why-loader", [files, loader]);
    for (const each of [image, broken]) await engine.ok(["pull", "-q", each]);
  });
  afterEach(() => removeAll(place));

  const why = async (name = "web"): Promise<Why> =>
    JSON.parse(await engine.ok(["why", "--format", "json", name]))[0];
  /** Start one that fails or ends at once, and ask why. */
  const after = async (command: string[], options: string[] = [], of = image): Promise<Why> => {
    await engine.proa(["run", "--name", "web", ...options, of, ...command]);
    return why();
  };
  const first = ({ Claims }: Why) => Claims[0] ?? { Claim: "", Evidence: [], Mend: "" };
  const seen = (found: Why) => first(found).Evidence.map(({ Found, Source }) => `${Found} (${Source})`);

  describe("of a container that lives in another runtime directory:", () => {
    test("it runs, says where, and is reached from there", async () => {
      const id = await detach(place, "web");
      const other = join(engine.sandbox.home, "other-runtime");
      mkdirSync(other, { mode: 0o700 });
      const there = { env: { XDG_RUNTIME_DIR: other } };
      expect(await engine.ok(["ps", "-a", "--format", "{{.Names}} {{.State}}"], there)).toBe("web running");
      const found: Why = JSON.parse(await engine.ok(["why", "--format", "json", "web"], there))[0];
      expect(first(found)).toEqual({
        Claim: "it was started with another XDG_RUNTIME_DIR than this command has",
        Evidence: [
          {
            Found: "its supervisor holds the lock there",
            Source: join(engine.sandbox.runtimeDir, "proa/containers", id),
          },
        ],
        Mend: `export XDG_RUNTIME_DIR=${engine.sandbox.runtimeDir}`,
      });
      expect(await engine.ok(["exec", "web", "echo", "hi"], there)).toBe("hi");
      expect(await engine.ok(["inspect", "-f", "{{.State.Status}}", "web"])).toBe("running");
      const supervisor = supervisorOf(place, id);
      await engine.ok(["start", "web"], there); // runs already: there is no second one
      expect(supervisorOf(place, id)).toBe(supervisor);
      process.kill(supervisor, "SIGKILL");
      await waitUntil(
        async () => (await engine.ok(["inspect", "-f", "{{.State.Status}}", "web"], there)) === "exited",
        { what: "the end of what was killed" },
      );
    });
  });

  describe("of what is mounted from the host:", () => {
    test("a file without x is made executable there", async () => {
      const tool = join(engine.sandbox.home, "tool");
      writeFileSync(tool, "#!/bin/sh\n", { mode: 0o644 });
      const found = await after(["/tool"], ["-v", `${tool}:/tool`]);
      expect(first(found).Mend).toBe(`on the host: chmod +x ${tool}`);
    });

    test("a file that is gone has become a directory", async () => {
      const file = join(engine.sandbox.home, "file");
      writeFileSync(file, "");
      await after(["true"], ["-v", `${file}:/x`]);
      rmSync(file);
      expect((await engine.proa(["start", "-a", "web"])).stderr).toContain("create mount point: /x");
      expect(first(await why())).toMatchObject({
        Claim: `${file} is a directory, and /x in the container is a file`,
        Mend: expect.stringContaining(`rmdir ${file}`),
      });
    });
  });

  test("breaks its sentences between words on a terminal, and nowhere else", async () => {
    await engine.proa(["run", "--name", "web", image, "slep"]);
    const wide = await engine.ok(["why", "web"]);
    const pty = engine.pty(["why", "web"], { cols: 40, env: { NO_COLOR: "1" } });
    await pty.exited;
    const lines = pty.output.replaceAll("\r", "").split("\n");
    expect(lines[0]).toBe("web does not run: its start failed:");
    for (const line of lines.filter((each) => !each.startsWith("  mend")))
      expect(line.length <= 40 || !line.trimStart().includes(" ")).toBe(true);
    expect(lines.join(" ").replace(/\s+/g, " ").trim()).toBe(wide.replace(/\s+/g, " ").trim());
  });

  test("refuses a table", async () => {
    await engine.proa(["run", "--name", "web", image, "true"]);
    const { stderr, exitCode } = await engine.proa(["why", "--format", "table {{.Name}}", "web"]);
    expect([exitCode, stderr]).toEqual([125, expect.stringContaining("is no list")]);
  });

  describe("of a program that cannot be executed:", () => {
    test("its name is in no directory of PATH", async () => {
      const found = await after(["slep", "1"]);
      expect(found.Summary).toBe(
        "web does not run: its start failed: execute: slep: command not found in the container",
      );
      expect(found.Status).toBe("created");
      expect(first(found)).toMatchObject({
        Claim: "there is no program slep in the container's PATH",
        Mend: expect.stringMatching(/^did you mean .*sleep/),
      });
      expect(seen(found)[0]).toBe("PATH=/bin:/sbin (environment of the container)");
    });

    test("the failure of its start says where to look, unless the container goes with it", async () => {
      const started = await engine.proa(["run", "--name", "web", image, "/opt/plain"]);
      expect(started.stderr).toBe(
        "Error: execute: /opt/plain: permission denied\nhint: proa why web says more\n",
      );
      expect(started.exitCode).toBe(126);
      expect((await engine.proa(["run", "--rm", image, "/opt/plain"])).stderr).toBe(
        "Error: execute: /opt/plain: permission denied\n",
      );
    });

    test("its path is not there, and what looks like it is named", async () => {
      expect(first(await after(["/opt/sever"]))).toEqual({
        Claim: "the program /opt/sever is not there",
        Evidence: [{ Found: "/opt has no sever", Source: "in the container" }],
        Mend: "did you mean /opt/server?",
      });
    });

    test("its directory is not there", async () => {
      expect(first(await after(["/srv/app/bin/x"])).Evidence).toEqual([
        { Found: "/ has no srv", Source: "in the container" },
      ]);
    });

    test("it is a link that leads nowhere", async () => {
      const found = await after(["/opt/dangling"]);
      expect(first(found).Claim).toBe("the program /opt/dangling is not there");
      expect(seen(found)).toEqual(["/ has no srv, to which /opt/dangling leads (in the container)"]);
    });

    test("nobody may execute it", async () => {
      expect(first(await after(["/opt/plain"]))).toEqual({
        Claim: "the program /opt/plain may not be executed: x is missing for everybody",
        Evidence: [{ Found: "mode 0644, owner 0:0", Source: "in the container: /opt/plain" }],
        Mend: "in the image: chmod +x /opt/plain",
      });
    });

    test("its user may not, not even before it is executed, when proa has still more rights", async () => {
      expect(first(await after(["/opt/owners"], ["-u", "1000"]))).toMatchObject({
        Claim: "the program /opt/owners may not be executed: x is missing for the user 1000",
        Mend: "in the image: chmod a+x /opt/owners",
      });
    });

    test("its user may not pass through a directory on the way", async () => {
      expect(first(await after(["/opt/closed/tool"], ["-u", "app"]))).toEqual({
        Claim: "the user 1000 may not pass through /opt/closed, on the way to /opt/closed/tool",
        Evidence: [{ Found: "mode 0700, owner 0:0", Source: "in the container: /opt/closed" }],
        Mend: "in the image: chmod a+x /opt/closed",
      });
    });

    test("its interpreter may not read it", async () => {
      const found = await after(["sh", "/opt/closed/tool"], ["-u", "app"]);
      expect(found.Log[0]).toContain("can't open '/opt/closed/tool'");
      expect(first(found).Claim).toBe(
        "the user 1000 may not pass through /opt/closed, on the way to /opt/closed/tool",
      );
      await engine.ok(["rm", "web"]);
      const closed = await after(["sh", "/opt/secret"], ["-u", "app"]);
      expect(first(closed)).toMatchObject({
        Claim: "the user 1000 may not read /opt/secret",
        Mend: "in the image: chmod a+r /opt/secret",
      });
    });

    test("it is a directory", async () => {
      expect(first(await after(["/opt"])).Claim).toBe("the program /opt is a directory");
    });

    test("it lies where nothing is executed", async () => {
      const directory = join(engine.sandbox.home, "tools");
      mkdirSync(directory, { recursive: true });
      writeFileSync(join(directory, "tool"), "#!/bin/sh\n", { mode: 0o755 });
      const found = await after(["/tools/tool"], ["-v", `${directory}:/tools:noexec`]);
      expect(first(found)).toMatchObject({
        Claim: "the program lies below /tools, where nothing may be executed",
        Mend: "mount /tools with the option exec",
      });
    });

    test("it lay in memory where nothing is executed, and is gone", async () => {
      const script = "cp /bin/sh /t/x; exec /t/x";
      const found = await after(["sh", "-c", script], ["--tmpfs", "/t:noexec"]);
      expect(first(found)).toMatchObject({
        Claim: "the program lies below /t, where nothing may be executed",
        Mend: "mount /t with the option exec",
      });
    });

    test("a file system in memory is mounted over it", async () => {
      const found = await after(["/t/tool"], ["--tmpfs", "/t:exec"]);
      expect(first(found)).toMatchObject({
        Claim: "the program /t/tool would have to be put into /t by the container itself, which is a tmpfs",
        Mend: "put it elsewhere in the image, or mount a volume at /t",
      });
    });

    test("it wanted to write to a root that is read-only", async () => {
      const found = await after(["sh", "-c", "echo x >/file"], ["--read-only"]);
      expect(first(found)).toMatchObject({
        Claim: "it wanted to write where nothing can be written: its root file system is read-only",
        Mend: "give it a place to write (--tmpfs PATH, or -v VOLUME:PATH), or run it without --read-only",
      });
      expect(JSON.stringify(found)).toContain("/file: Read-only file system");
    });

    test("it has Windows line ends", async () => {
      const found = await after(["/opt/windows"]);
      expect(first(found).Claim).toContain(
        'Windows line ends: the interpreter that is looked for is "/bin/sh\\r"',
      );
      expect(seen(found)).toEqual(['"#!/bin/sh\\r" (in the container: /opt/windows, line 1)']);
    });

    test("its interpreter is not there", async () => {
      const found = await after(["/opt/python"]);
      expect(first(found).Claim).toBe("the interpreter /usr/bin/python3 is not there");
      expect(seen(found)).toEqual([
        "#!/usr/bin/python3 -u (in the container: /opt/python, line 1)",
        "/ has no usr (in the container)",
      ]);
      expect(first(found).Mend).toBe("put /usr/bin/python3 into the image");
    });

    test("what env is to look for is not there", async () => {
      const found = await after(["/opt/env"]);
      expect(found.Summary).toStartWith("web has ended with exit status 127");
      expect(first(found).Claim).toBe("there is no program ruby in the container's PATH");
      expect(seen(found)[0]).toBe("#!/bin/env ruby (in the container: /opt/env, line 1)");
    });

    test("it is empty, or neither a program nor a script", async () => {
      expect(first(await after(["/opt/nothing"]))).toMatchObject({
        Claim: "the program /opt/nothing is empty",
      });
      await engine.ok(["rm", "web"]);
      const found = await after(["/opt/text"]);
      expect(first(found).Claim).toBe("the program /opt/text is neither a program nor begins with #!");
      expect(seen(found)).toEqual(['it begins with "hello\\n" (in the container: /opt/text)']);
    });

    test("it is for another processor", async () => {
      const found = await after(["/opt/foreign"]);
      expect(first(found).Claim).toBe("the program /opt/foreign is for another processor: s390x");
      expect(seen(found)[0]).toBe("ELF, 64 bits, s390x (in the container: /opt/foreign)");
    });

    test("its loader is not in the image, which is one of musl", async () => {
      const found = await after(["/opt/dynamic"]);
      expect(first(found).Claim).toBe(`the loader of /opt/dynamic is not in the image: ${LOADER}`);
      expect(seen(found)).toEqual([
        `PT_INTERP ${LOADER} (in the container: /opt/dynamic)`,
        "an image of musl, as Alpine (in the container: /lib/ld-musl-x86_64.so.1)",
      ]);
      expect(first(found).Mend).toStartWith("it was built for glibc");
    });

    test("a library of it is not in the image", async () => {
      const found = await after(["/opt/dynamic"], [], broken);
      expect(found.Summary).toStartWith("web has ended with exit status 127");
      expect(found.Claims.map(({ Claim }) => Claim)).toEqual(["a library is missing: libc.so.6"]);
      expect(seen(found)[0]).toBe("needs libc.so.6 (in the container: /opt/dynamic)");
      expect(found.Log.join("\n")).toContain("error while loading shared libraries: libc.so.6");
    });

    test("a shell of the container looks for it", async () => {
      const found = await after(["sh", "-c", "echo first; serverd --now"]);
      expect(first(found).Claim).toBe("there is no program serverd in the container's PATH");
      expect(seen(found)[0]).toMatch(/^sh: .*serverd: not found \(the log\)$/);
      expect(found.Log[0]).toBe("first");
      expect(found.Claims).toHaveLength(1);
    });

    test("links that lead out of the root are followed within it", async () => {
      expect(first(await after(["/opt/out"])).Evidence[0]?.Found).toBe(
        "/ has no usr, to which /opt/out leads",
      );
    });
  });

  describe("of a start that fails:", () => {
    test("the working directory is a file", async () => {
      const found = await after(["true"], ["-w", "/etc/passwd"]);
      expect(first(found).Claim).toBe(
        "the working directory /etc/passwd cannot be: /etc/passwd is no directory",
      );
      expect(seen(found)[0]).toStartWith("enter working directory: /etc/passwd: ENOTDIR (");
    });

    test("the user is not in the image; inspect has the reason, too", async () => {
      await engine.ok(["create", "--name", "web", "-u", "nobdy", image, "true"]);
      const started = await engine.proa(["start", "web"]);
      expect(started.exitCode).not.toBe(0);
      const found = await why();
      expect(found.Summary).toStartWith("web does not run: its start failed: ");
      expect(first(found)).toMatchObject({
        Claim: "its user nobdy is not in the image",
        Mend: "did you mean nobody?",
      });
      expect(seen(found)[1]).toBe("users: root, app, nobody (in the image: /etc/passwd)");
      expect(started.stderr).toContain(await inspect(place, "web", "{{.State.Error}}"));
    });

    test("what it mounts is gone; when it is there again, so is the container, and no error is left", async () => {
      const source = join(engine.sandbox.home, "data");
      mkdirSync(source);
      await engine.ok([
        "run",
        "--name",
        "web",
        "--mount",
        `type=bind,src=${source},dst=/data`,
        image,
        "true",
      ]);
      rmSync(source, { recursive: true });
      expect((await engine.proa(["start", "web"])).exitCode).not.toBe(0);
      const found = await why();
      expect(found.Summary).toStartWith(
        "web does not run: it has ended with exit status 0, and its start failed: ",
      );
      expect(first(found)).toMatchObject({ Claim: "what is mounted at /data is gone from the host" });
      expect(seen(found)[1]).toBe(`nothing is there (${source})`);
      mkdirSync(source);
      await engine.ok(["start", "-a", "web"]);
      expect(await inspect(place, "web", "{{.State.Error}}")).toBe("");
    });

    test("its port is another container's, or a program's", async () => {
      const server = Bun.serve({ port: 0, hostname: "0.0.0.0", fetch: () => new Response() });
      const port = server.port;
      const ofProgram = await after(SLEEP, ["-d", "-p", `${port}:80`]);
      expect(first(ofProgram).Claim).toMatch(
        new RegExp(`^the port .*:${port}/tcp is held by process ${process.pid} `),
      );
      await server.stop(true);
      await engine.ok(["rm", "web"]);
      await detach(place, "first", SLEEP, ["-p", `${port}:80`]);
      const ofContainer = await after(SLEEP, ["-d", "-p", `${port}:80`]);
      expect(first(ofContainer).Claim).toMatch(
        new RegExp(`^the port .*:${port}/tcp is held by container first$`),
      );
      expect(first(ofContainer).Mend).toBe("proa stop first");
    });

    test.skipIf(!namespaces)("the disk is full", async () => {
      const full = join(engine.sandbox.home, "full");
      mkdirSync(full);
      const runtime = join(engine.sandbox.home, "runtime");
      mkdirSync(runtime, { mode: 0o700 });
      const empty = join(engine.sandbox.home, "no-ids");
      writeFileSync(empty, "");
      const script = `mount -t tmpfs -o size=12m,mode=700 none ${full}; mount --bind ${empty} /etc/subuid
        exec unshare --user --map-user=$0 --map-group=$0 sh -c '
          "$0" run --name web hello >/dev/null 2>&1
          dd if=/dev/zero of=$XDG_DATA_HOME/y bs=1k count=512 2>/dev/null
          dd if=/dev/zero of=$XDG_DATA_HOME/x bs=4k 2>/dev/null
          rm $XDG_DATA_HOME/y
          "$0" why web -f json' "$1"`;
      const child = Bun.spawnSync(
        [
          "unshare",
          "--user",
          "--map-root-user",
          "--mount",
          "sh",
          "-c",
          script,
          `${process.getuid?.()}`,
          proaPath,
        ],
        { env: { ...engine.sandbox.env, XDG_DATA_HOME: full, XDG_RUNTIME_DIR: runtime } },
      );
      const [found]: Why[] = JSON.parse(child.stdout.toString());
      const claim = found?.Claims.find(({ Claim }) => Claim.startsWith("the disk is full"));
      expect(claim?.Claim).toMatch(/^the disk is full: \d{1,3} KiB are free$/);
      expect(claim?.Mend).toBe("proa system prune");
      expect(claim?.Evidence.at(-1)?.Source).toBe(`${full}/proa`);
    });

    test("its files are gone", async () => {
      await after(["true"]);
      const directory = join(engine.sandbox.dataHome, "proa/containers", (await why()).Id);
      renameSync(directory, `${directory}.away`);
      expect(first(await why())).toMatchObject({ Claim: "its files are gone" });
      renameSync(`${directory}.away`, directory);
    });
  });

  describe("of an end:", () => {
    test("by itself, with what it printed last", async () => {
      const found = await after(["sh", "-c", "for i in $(seq 20); do echo line $i; done; exit 3"]);
      expect(found.Summary).toBe(
        "web has ended with exit status 3: the program ended with an error of its own",
      );
      expect(seen(found)[0]).toMatch(/^exitCode: 3, signal: 0 \(\/.*\/exit\.json\)$/);
      expect(found.Log).toEqual(Array.from({ length: 10 }, (_, i) => `line ${i + 11}`));
    });

    test("without an error", async () => {
      expect((await after(["true"])).Summary).toBe(
        "web has ended with exit status 0: it came to its end without an error",
      );
    });

    test("of a process that a shell waited for", async () => {
      const found = await after(["sh", "-c", "sh -c 'kill -9 $$'; exit $?"]);
      expect(found.Summary).toContain("a process that it waited for was ended by SIGKILL (128 + 9");
    });

    test("by stop, by stop that had to kill, and by kill", async () => {
      await detach(place, "web", [
        "sh",
        "-c",
        "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done",
      ]);
      await printed(place, "web", "ready");
      await engine.ok(["stop", "web"]);
      const stopped = await why();
      expect(first(stopped).Claim).toBe("`proa stop` ended it, by SIGTERM");
      expect(seen(stopped)[0]).toMatch(/^\S+Z kill, signal 15 \(SIGTERM\) \(.*\/events\.jsonl\)$/);
      await engine.ok(["rm", "web"]);

      await detach(place, "web", SLEEP);
      await engine.ok(["stop", "-t", "1", "web"]);
      expect(first(await why()).Claim).toMatch(
        /^`proa stop` ended it: it did not heed SIGTERM, and was killed \d+ s later$/,
      );
      expect(first(await why()).Mend).toContain("--init");
      await engine.ok(["rm", "web"]);

      await detach(place, "web", SLEEP);
      await engine.ok(["kill", "web"]);
      await engine.ok(["wait", "web"]);
      expect(first(await why()).Claim).toBe("`proa kill` ended it, by SIGKILL");
    });

    test("by a signal that is not proa's", async () => {
      await detach(place, "web", SLEEP);
      process.kill(Number(await inspect(place, "web", "{{.State.Pid}}")), "SIGKILL");
      await engine.ok(["wait", "web"]);
      const found = await why();
      expect(found.Summary).toBe("web has ended with exit status 137: it was ended by SIGKILL");
      expect(first(found).Claim).toStartWith("SIGKILL ended it, which no command of proa has sent: ");
      expect(seen(found)[0]).toMatch(/^exitCode: 137, signal: 9 /);
    });

    test("by --timeout", async () => {
      const found = await after(SLEEP, ["--timeout", "1"]);
      expect(first(found).Claim).toBe("its time was over: --timeout 1 ended it");
    });

    test("by its health check", async () => {
      const health = [
        "--health-cmd",
        "echo it hurts; exit 7",
        "--health-interval",
        "100ms",
        "--health-retries",
        "1",
      ];
      await detach(place, "web", SLEEP, [...health, "--health-on-failure", "kill"]);
      await engine.ok(["wait", "web"]);
      const found = await why();
      expect(first(found).Claim).toBe("it was unhealthy, and --health-on-failure kill ended it");
      expect(seen(found).join("\n")).toContain("exit status 7: it hurts (");
    });

    test("of its supervisor", async () => {
      const id = await detach(place, "web", SLEEP, ["--restart", "always"]);
      process.kill(supervisorOf(place, id), "SIGKILL");
      await waitUntil(async () => (await why()).Status === "exited");
      const found = await why();
      expect(found.Summary).toBe("web has ended, and nobody saw how");
      expect(found.Claims.map(({ Claim }) => Claim)).toEqual([
        "its supervisor was killed, and the kernel ended the container with it",
        "it is not started again: who does that, its supervisor, is gone",
      ]);
    });

    test("that is not the last, and of one that is", async () => {
      await detach(place, "again", ["sh", "-c", "sleep 0.1; exit 4"], ["--restart", "always"]);
      await waitUntil(async () => (await why("again")).Status === "restarting");
      const waiting = await waitUntil(async () => {
        const found = await why("again");
        return found.Status === "restarting" ? found : null;
      });
      expect(waiting?.Summary).toMatch(
        /^again waits for its next start: it has ended with exit status 4 after \d+ restarts$/,
      );
      const policy = waiting?.Claims.find(({ Claim }) => Claim.startsWith("it is started again and again"));
      expect(policy?.Evidence[0]).toEqual({ Found: "--restart always", Source: "settings of the container" });

      await detach(place, "enough", ["false"], ["--restart", "on-failure:1"]);
      await waitUntil(async () => (await why("enough")).Status === "exited");
      expect((await why("enough")).Claims.at(-1)?.Claim).toBe(
        "it is not started again: it has been, 1 times",
      );

      await detach(place, "content", ["true"], ["--restart", "on-failure"]);
      await waitUntil(async () => (await why("content")).Status === "exited");
      expect((await why("content")).Claims.at(-1)?.Claim).toBe(
        "it is not started again: it has ended without an error",
      );

      await detach(place, "stopped", SLEEP, ["--restart", "always"]);
      await engine.ok(["stop", "-t", "0", "stopped"]);
      expect((await why("stopped")).Claims.at(-1)?.Claim).toBe(
        "it is not started again: its end was asked for",
      );
    });
  });

  describe("of one that is well:", () => {
    test("it runs, is paused, has never been started", async () => {
      await detach(place, "web", SLEEP);
      const runs = await why();
      expect(runs.Summary).toMatch(/^web runs, since \d{4}-\d\d-\d\dT[\d:]+Z$/);
      expect(runs).toMatchObject({ Status: "running", Claims: [], Log: [] });
      await engine.ok(["pause", "web"]);
      expect(first(await why())).toMatchObject({ Claim: "somebody has paused it", Mend: "proa unpause web" });
      await engine.ok(["unpause", "web"]);
      await engine.ok(["create", "--name", "made", image, "true"]);
      const made = await why("made");
      expect(made.Summary).toBe("made has been created, and never started");
      expect(first(made).Mend).toBe("proa start made");
    });

    test("its health, with the last check that has failed", async () => {
      const times = ["--health-interval", "100ms", "--health-retries", "1"];
      await detach(place, "web", SLEEP, ["--health-cmd", "echo no answer; exit 1", ...times]);
      await waitUntil(async () => first(await why()).Claim.startsWith("it is unhealthy"));
      expect(seen(await why())[1]).toMatch(/^check at .*: exit status 1: no answer \(.*\/health\.json\)$/);
    });
  });

  test("without --format is read by people, and what a container says is not for the terminal to obey", async () => {
    await engine.proa(["run", "--name", "web", image, "printf", "\\033]0;owned\\007a\\n"]);
    const text = await engine.ok(["why", "web"]);
    expect(text).toStartWith(
      "web has ended with exit status 0: it came to its end without an error\n\nnobody asked it to: it has ended by itself\n",
    );
    expect(text).toMatch(/\n {2}seen {2}exitCode: 0, signal: 0 {2}\(\/.*exit\.json\)\n/);
    expect(text).toEndWith("the last lines of its log:\n  \\u001b]0;owned\\u0007a");
    expect(await engine.ok(["container", "why", "-l", "-f", "{{.Name}} {{.Status}}"])).toBe("web exited");
  });

  test("needs a container", async () => {
    expect(await engine.proa(["why", "nothing"])).toMatchObject({ stdout: "", exitCode: 1 });
    expect((await engine.proa(["why"])).exitCode).toBe(125);
  });
});
