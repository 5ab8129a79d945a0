import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { createEngine, makeImage, missing, pushImage, tinyLayer, useTiny } from "../../harness";

const here = useTiny();
let service = "";

/** What is offered, each with its description behind a tab; the directive last. */
async function lines(words: readonly string[], after: readonly string[] = []): Promise<string[]> {
  const env = { PROA_COMPLETE_AFTER: after.join("\n"), FRONT_DOOR: "1", SHELL: "/bin/zsh" };
  const { stdout, stderr, exitCode } = await here.engine.proa(["__complete", ...words], { env });
  expect([stderr, exitCode]).toEqual(["", 0]);
  return stdout.trimEnd().split("\n");
}

async function values(...words: string[]): Promise<string[]> {
  return (await lines(words)).slice(0, -1).map((line) => line.split("\t")[0] ?? "");
}

/** Of a flag or a positional that stands in front of what it is for. */
async function before(after: string, ...words: string[]): Promise<string[]> {
  return (await lines(words, [after])).slice(0, -1).map((line) => line.split("\t")[0] ?? "");
}

describe.skipIf(missing !== null)(`values [${missing ?? "ready"}]`, () => {
  beforeAll(async () => {
    const { engine, registry, tiny } = here;
    service = await pushImage(
      `${registry.host}/service:1`,
      await makeImage({
        layers: [await tinyLayer()],
        config: {
          Env: ["PATH=/opt/bin:/bin"],
          Cmd: ["sh"],
          ExposedPorts: { "80/tcp": {}, "53/udp": {} },
        },
      }),
    );
    await engine.ok(["pull", "-q", service]);
    await engine.ok([
      "run",
      "-d",
      "--name",
      "web",
      "--label",
      "tier=front",
      "--label",
      "a:b=c d",
      tiny,
      "sleep",
      "1000",
    ]);
    await engine.ok(["run", "-d", "--name", "nap", tiny, "sleep", "1000"]);
    await engine.ok(["pause", "nap"]);
    await engine.ok(["run", "--name", "done", tiny, "true"]);
    await engine.ok(["create", "--name", "db", "-v", "data:/data", tiny]);
    await engine.ok(["network", "create", "front"]);
    await engine.ok(["secret", "create", "key", "-"], { stdin: "k" });
    await engine.ok(["tag", tiny, "localhost/app:one"]);
    await engine.ok(["manifest", "create", "list", tiny]);
    await engine.ok([
      "exec",
      "web",
      "sh",
      "-c",
      "mkdir -p /srv/site; echo x >/srv/site/index; chmod 700 /srv; touch '/srv/a b' \"$(printf '/srv/l\\nn')\" /srv/.hidden; ln -s / /srv/up; mkfifo /srv/pipe",
    ]);
  });

  test("containers are those that the command is for, with image and status", async () => {
    const of = async (command: string) => (await values(command, "")).sort();
    for (const command of ["stop", "kill", "exec", "attach", "top", "port"])
      expect([command, ...(await of(command))]).toEqual([command, "nap", "web"]);
    expect(await of("stats")).toEqual(["nap", "web"]);
    expect(await of("pause")).toEqual(["web"]);
    expect(await of("unpause")).toEqual(["nap"]);
    expect(await of("start")).toEqual(["db", "done"]);
    for (const command of ["rm", "logs", "rename", "commit", "diff", "export", "wait"])
      expect([command, ...(await of(command))]).toEqual([command, "db", "done", "nap", "web"]);
    expect(await lines(["rm", "w"])).toEqual([`web\t${here.tiny}, running`, ":4"]);
    expect(await lines(["rm", "do"])).toEqual([`done\t${here.tiny}, exited`, ":4"]);
  });

  test("containers that were started with another XDG_RUNTIME_DIR are known to run, among few and among many", async () => {
    const { engine, tiny } = here;
    const env = { XDG_RUNTIME_DIR: join(engine.sandbox.directory, "other") };
    mkdirSync(env.XDG_RUNTIME_DIR, { mode: 0o700 });
    await engine.ok(["run", "-d", "--name", "away", tiny, "sh", "-c", "echo >/made; exec sleep 1000"], {
      env,
    });
    await engine.ok(["run", "-d", "--name", "away-paused", tiny, "sleep", "1000"], { env });
    await engine.ok(["pause", "away-paused"], { env });
    expect(await values("stop", "aw")).toEqual(["away-paused", "away"]);
    expect(await values("pause", "aw")).toEqual(["away"]);
    expect(await values("unpause", "")).toEqual(["away-paused", "nap"]);
    expect(await values("start", "aw")).toEqual([]);
    expect(await lines(["rm", "away"])).toEqual([
      `away-paused\t${tiny}, running`,
      `away\t${tiny}, running`,
      ":4",
    ]);
    await engine.ok(["exec", "away", "sh", "-c", "until test -e /made; do :; done"], { env });
    expect(await values("cp", "away:/ma")).toEqual(["away:/made"]);
    // as ps has it, which mends what it finds
    expect(await engine.ok(["ps", "--format", "{{.Names}}", "-f", "name=away"])).toBe("away-paused\naway");
    const many = Array.from({ length: 33 }, (_, at) => `many-${at}`);
    for (const name of many) await engine.ok(["create", "--name", name, tiny]);
    expect(await lines(["rm", ""])).toContain(`away\t${tiny}, running`);
    expect(await values("start", "")).not.toContain("away");
    expect((await values("start", "")).length).toBe(33 + 2);
    await engine.ok(["rm", "-f", "away", "away-paused", ...many]);
  });

  test("containers are offered by id where only an id begins so, short and long", async () => {
    const id = await here.engine.ok(["inspect", "-f", "{{.Id}}", "web"]);
    expect(await values("rm", id.slice(0, 6))).toEqual([id.slice(0, 12)]);
    expect(await values("rm", id.slice(0, 20))).toEqual([id]);
  });

  test("images are offered with their tags, by short names and by ids", async () => {
    const all = await values("rmi", "");
    expect(all).toContain(here.tiny);
    expect(all).toContain("localhost/app:one");
    expect(await values("run", "ap")).toEqual(["app:one"]);
    const id = (await here.engine.ok(["inspect", "--type", "image", "-f", "{{.Id}}", here.tiny])).replace(
      "sha256:",
      "",
    );
    expect(await values("rmi", id.slice(0, 6))).toEqual([id.slice(0, 12)]);
    expect(await values("image", "inspect", `sha256:${id.slice(0, 6)}`)).toEqual([`sha256:${id}`]);
    for (const command of [["push"], ["tag"], ["history"], ["save"], ["create"], ["image", "inspect"]])
      expect(await values(...command, "localhost/a")).toEqual(["localhost/app:one"]);
  });

  test("other things are offered by their names", async () => {
    expect(await values("network", "rm", "")).toContain("front");
    expect(await values("network", "rm", "ho")).toEqual([]); // which cannot be removed
    expect(await values("network", "inspect", "ho")).toEqual(["host"]);
    expect(await lines(["volume", "rm", ""])).toEqual(["data\tlocal, of 1 container", ":4"]);
    expect(await values("secret", "rm", "")).toEqual(["key"]);
    expect(await values("manifest", "push", "li")).toEqual(["list:latest"]);
    const [digest = ""] = await values("manifest", "remove", "list", "");
    expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(await values("login", "")).toContain("docker.io");
    expect(await values("inspect", "--type", "volume", "")).toEqual(["data"]);
    expect(await lines(["inspect", here.tiny])).toEqual([`${here.tiny}\timage`, ":4"]);
    expect((await lines(["inspect", "--type", "image", here.tiny]))[0]).toMatch(/\t[\d.]+[kM]?B$/);
    expect(await values("inspect", "dat")).toEqual(["data"]); // no id begins so
  });

  test("a mount is offered piece by piece", async () => {
    expect(await values("run", "-v", "")).toEqual(["data:", "/", "./", "~/"]);
    expect(await values("run", "-v", "/etc/hostn")).toEqual(["/etc/hostname:"]);
    expect(await before(here.tiny, "run", "-v", "data:/et")).toEqual(["data:/etc/"]);
    expect(await values("run", "-v", "data:/x:rsl")).toEqual(["data:/x:rslave"]);
    expect(await values("run", "-v", "data:/x:ro,noc")).toEqual(["data:/x:ro,nocopy"]);
    expect(await values("run", "--mount", "type=t")).toEqual(["type=tmpfs"]);
    expect(await values("run", "--mount", "type=volume,so")).toEqual(["type=volume,source="]);
    expect(await values("run", "--mount", "type=volume,src=")).toEqual(["type=volume,src=data"]);
    expect(await values("run", "--mount", "type=bind,src=/etc/hostn")).toEqual([
      "type=bind,src=/etc/hostname",
    ]);
    expect(await before(here.tiny, "run", "--mount", "type=bind,src=/x,dst=/et")).toEqual([
      "type=bind,src=/x,dst=/etc/",
    ]);
    expect(await values("run", "--mount", "type=bind,src=/x,bind-prop")).toEqual([
      "type=bind,src=/x,bind-propagation=",
    ]);
    expect(await values("run", "--mount", "type=image,src=localhost/")).toEqual([
      "type=image,src=localhost/app:one",
    ]);
    expect(await values("run", "--mount", "type=bind,ro,tar")).toEqual(["type=bind,ro,target="]);
    expect(await values("run", "--mount", "type=bind,target=/x,tar")).toEqual([]);
    expect(await before(here.tiny, "run", "--tmpfs", "/et")).toEqual(["/etc/"]);
    expect(await values("run", "--tmpfs", "/x:si")).toEqual(["/x:size="]);
    expect(await values("run", "--volumes-from", "do")).toEqual(["done"]);
    expect(await values("run", "--volumes-from", "done:r")).toEqual(["done:ro", "done:rw"]);
    expect(await values("run", "--device", "/dev/nul")).toEqual(["/dev/null"]);
    expect(await values("run", "--device", "/dev/null:/dev/x:rw")).toEqual([
      "/dev/null:/dev/x:rw",
      "/dev/null:/dev/x:rwm",
    ]);
  });

  test("networks, ports and namespaces are offered with what they can have", async () => {
    expect(await values("run", "--network", "fr")).toEqual(["front"]);
    expect(await values("run", "--network", "container:we")).toEqual(["container:web"]);
    expect(await values("run", "--network", "front:al")).toEqual(["front:alias="]);
    expect(await values("run", "--network", "front:ip=10.0.0.1,al")).toEqual(["front:ip=10.0.0.1,alias="]);
    expect(await values("run", "--network", "name=fr")).toEqual(["name=front"]);
    expect(await before(service, "run", "-p", "")).toEqual([
      "80:80",
      "80",
      "53/udp",
      "127.0.0.1:",
      "0.0.0.0:",
      "[::1]:",
    ]);
    expect(await before(service, "run", "-p", "8080:")).toEqual(["8080:80", "8080:53/udp"]);
    expect(await values("run", "-p", "8080:80/")).toEqual(["8080:80/tcp", "8080:80/udp"]);
    expect(await before(service, "run", "--expose", "8")).toEqual(["80/tcp"]);
    expect(await values("run", "--pid", "container:n")).toEqual(["container:nap"]);
    expect(await values("run", "--ipc", "sh")).toEqual(["shareable"]);
    expect(await values("run", "--userns", "keep-id:u")).toEqual(["keep-id:uid="]);
    expect(await values("run", "--uts", "h")).toEqual(["host"]);
    expect(await values("run", "--link", "we")).toEqual(["web:"]);
    expect(await values("run", "--requires", "web,do")).toEqual(["web,done"]);
    expect(await values("run", "--add-host", "x:ho")).toEqual(["x:host-gateway"]);
    expect(await values("run", "--secret", "ke")).toEqual(["key"]);
    expect(await values("run", "--secret", "key,ty")).toEqual(["key,type="]);
    expect(await values("run", "--secret", "key,type=")).toEqual(["key,type=mount", "key,type=env"]);
  });

  test("published ports of a container are offered with where they lead", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await here.engine.ok(["run", "-d", "--name", "open", "-p", "127.0.0.1::80", here.tiny, "sleep", "1000"]);
    const [line] = await lines(["port", "open", ""]);
    expect(line).toMatch(/^80\/tcp\t127\.0\.0\.1:\d+$/);
    server.close();
  });

  test("options about logs, limits and security know their values", async () => {
    expect(await values("run", "--log-driver", "jo")).toEqual(["journald"]);
    expect(await values("run", "--log-opt", "max-f")).toEqual(["max-file="]);
    expect(await values("run", "--log-driver", "journald", "--log-opt", "max-f")).toEqual([]);
    expect(await values("run", "--log-opt", "mode=n")).toEqual(["mode=non-blocking"]);
    expect(await values("run", "--restart", "on")).toEqual(["on-failure", "on-failure:"]);
    expect(await values("run", "--cap-add", "net_a")).toEqual(["net_admin"]);
    expect(await values("run", "--cap-add", "CAP_NET_A")).toEqual(["CAP_NET_ADMIN"]);
    expect(await values("run", "--cap-drop", "ALL,SYS_PT")).toEqual(["ALL,SYS_PTRACE"]);
    expect(await values("run", "--security-opt", "seccomp=un")).toEqual(["seccomp=unconfined"]);
    expect(await values("run", "--security-opt", "seccomp=/etc/hostn")).toEqual(["seccomp=/etc/hostname"]);
    expect(await values("run", "--security-opt", "no-new-privileges:t")).toEqual(["no-new-privileges:true"]);
    expect(await values("run", "--ulimit", "nof")).toEqual(["nofile="]);
    expect(await values("run", "--sysctl", "net.ipv4.ip_forw")).toContain("net.ipv4.ip_forward=");
    expect(await values("run", "--sysctl", "kernel.msgmax")).toEqual(["kernel.msgmax="]);
    expect(await values("run", "--platform", "linux/arm/v7")).toEqual(["linux/arm/v7"]);
    expect(await values("run", "--stop-signal", "SIGWIN")).toEqual(["SIGWINCH"]);
    expect(await values("kill", "-s", "hu")).toEqual(["hup"]);
    expect(await values("run", "--tz", "UT")).toEqual(["UTC"]);
    expect(await values("run", "-e", "FRONT_")).toEqual(["FRONT_DOOR"]);
    expect(await values("run", "--env=FRONT_")).toEqual(["--env=FRONT_DOOR"]);
    expect(await values("run", "-eFRONT_")).toEqual(["-eFRONT_DOOR"]);
    expect(await values("commit", "-c", "ENTRY")).toEqual(["ENTRYPOINT"]);
  });

  test("a filter has keys, and each its values", async () => {
    expect(await values("ps", "--filter", "anc")).toEqual(["ancestor="]);
    expect(await values("ps", "--filter", "ancestor=localhost/")).toEqual(["ancestor=localhost/app:one"]);
    expect(await values("ps", "--filter", "name=w")).toEqual(["name=web"]);
    expect(await values("ps", "--filter", "volume=")).toEqual(["volume=data"]);
    expect(await values("ps", "--filter", "network=fr")).toEqual(["network=front"]);
    expect(await values("ps", "--filter", "status=ru")).toEqual(["status=running"]);
    expect(await values("ps", "--filter", "label=")).toEqual(["label=a:b=", "label=tier="]);
    expect(await values("ps", "--filter", "label=tier=")).toEqual(["label=tier=front"]);
    expect(await values("ps", "--filter", "label=a:b=")).toEqual(["label=a:b=c d"]);
    expect(await values("images", "--filter", "dangling=")).toEqual(["dangling=true", "dangling=false"]);
    expect(await values("images", "--filter", "before=localhost/")).toEqual(["before=localhost/app:one"]);
    expect(await values("network", "ls", "-f", "name=fr")).toEqual(["name=front"]);
    expect(await values("volume", "ls", "-f", "name=")).toEqual(["name=data"]);
    expect(await values("events", "--filter", "type=n")).toEqual(["type=network"]);
    expect(await values("events", "--filter", "container=w")).toEqual(["container=web"]);
    expect(await values("rm", "--filter", "status=ex")).toEqual(["status=exited"]);
    expect(await values("ps", "--filter", "nope=")).toEqual([]);
  });

  test("a format has the fields of what is printed", async () => {
    expect(await values("ps", "--format", "")).toContain("{{.Names}}");
    expect(await values("ps", "--format", "js")).toEqual(["json"]);
    expect(await values("ps", "--format", "{{.Na")).toEqual(["{{.Names}}"]);
    expect(await values("ps", "--format", "table {{.ID}}\\t{{.Na")).toEqual(["table {{.ID}}\\t{{.Names}}"]);
    expect(await values("images", "--format", "{{.Reposi")).toEqual(["{{.Repository}}"]);
    expect(await values("inspect", "-f", "{{.Stat")).toEqual(["{{.State.", "{{.StaticDir}}"]);
    expect(await values("inspect", "-f", "{{json .State.Runn")).toEqual(["{{json .State.Running}}"]);
    expect(await values("inspect", "-f", "{{if (eq .State.Stat")).toEqual(["{{if (eq .State.Status"]);
    expect(await values("inspect", "-f", "{{js")).toEqual(["{{json ."]);
    expect(await values("ps", "--format", "{{.Names | up")).toEqual(["{{.Names | upper}}"]);
    expect(await values("inspect", "-f", "{{if e")).toEqual(["{{if eq ."]);
    expect(await values("network", "inspect", "-f", "{{.IPAM.Dr")).toEqual(["{{.IPAM.Driver}}"]);
    expect(await values("inspect", "-f", "{{.Id}} ")).toEqual([]);
  });

  test("the fields of documents are those that inspect prints", async () => {
    const documents: [words: string[], json: string[]][] = [
      [
        ["container", "inspect"],
        ["container", "inspect", "web"],
      ],
      [
        ["image", "inspect"],
        ["image", "inspect", here.tiny],
      ],
      [
        ["network", "inspect"],
        ["network", "inspect", "front"],
      ],
      [
        ["volume", "inspect"],
        ["volume", "inspect", "data"],
      ],
      [
        ["secret", "inspect"],
        ["secret", "inspect", "key"],
      ],
      [["info"], ["info", "--format", "json"]],
      [["version"], ["version", "--format", "json"]],
    ];
    for (const [words, print] of documents) {
      const parsed = JSON.parse(await here.engine.ok(print));
      const document = Array.isArray(parsed) ? parsed[0] : parsed;
      const offered = (await values(...words, "-f", "{{.")).map((value) =>
        value.replace(/^\{\{\.|\}\}$|\.$/g, ""),
      );
      const printed = Object.keys(document);
      expect([...words, ...printed.filter((name) => !offered.includes(name))]).toEqual(words);
      const [nested = ""] = words[0] === "container" ? ["State"] : [];
      if (nested === "") continue;
      const below = (await values(...words, "-f", `{{.${nested}.`)).map((value) =>
        value.replace(/^.*\.|\}\}$/g, ""),
      );
      expect(below).toEqual(expect.arrayContaining(Object.keys(document[nested])));
    }
  });

  test("users, groups and programs are those inside, of a container that runs or does not, and of an image", async () => {
    for (const name of ["web", "db"]) expect(await before(name, "exec", "-u", "a")).toEqual(["app"]);
    expect(await before(here.tiny, "run", "-u", "")).toEqual(["root", "app", "nobody"]);
    expect(await before(here.tiny, "run", "-u", "app:e")).toEqual(["app:extra"]);
    expect(await before(here.tiny, "run", "--group-add", "e")).toEqual(["extra"]);
    expect(await lines(["exec", "web", "base6"])).toEqual(["base64\t/bin", ":4"]);
    expect(await values("exec", "web", "/bin/base6")).toEqual(["/bin/base64"]);
    expect(await values("run", here.tiny, "base6")).toEqual(["base64"]);
    expect(await values("run", service, "base6")).toEqual(["base64"]);
    expect(await before(here.tiny, "run", "--entrypoint", "base6")).toEqual(["base64"]);
    expect(await values("exec", "web", "cat", "/etc/pas")).toEqual(["/etc/passwd"]);
    expect(await values("run", "--rm", here.tiny, "cat", "/etc/pas")).toEqual(["/etc/passwd"]);
    expect(await before("web", "exec", "-w", "/sr")).toEqual(["/srv/"]);
    expect(await values("run", "not-here", "ba")).toEqual([]);
    expect(await values("exec", "web", "--", "ba")).toEqual([]);
  });

  test("a look inside tries no storage driver and leaves nothing behind", async () => {
    const cache = join(here.engine.sandbox.directory, "empty-cache");
    mkdirSync(cache);
    for (const words of [
      ["run", here.tiny, "ba"],
      ["exec", "web", "ba"],
      ["cp", "db:/etc/"],
    ]) {
      const { stderr, exitCode } = await here.engine.proa(["__complete", ...words], {
        env: { XDG_CACHE_HOME: cache },
      });
      expect([stderr, exitCode]).toEqual(["", 0]);
    }
    expect(readdirSync(cache)).toEqual([]);
  });

  test("cp offers containers, paths in them, and paths of the host", async () => {
    expect(await values("cp", "we")).toEqual(["web:"]);
    expect(await values("cp", "web:")).toEqual(["web:/"]);
    expect(await values("cp", "web:/srv/")).toEqual([
      "web:/srv/a b",
      "web:/srv/pipe",
      "web:/srv/site/",
      "web:/srv/up/",
    ]);
    expect(await values("cp", "web:/srv/.")).toEqual(["web:/srv/.hidden"]);
    expect(await values("cp", "web:/srv/up/sr")).toEqual(["web:/srv/up/srv/"]); // the container's /, not the host's
    expect(await values("cp", "db:/etc/pas")).toEqual(["db:/etc/passwd"]);
    expect(await values("cp", "done:/etc/pas")).toEqual(["done:/etc/passwd"]);
    expect(await values("cp", "web:/etc/passwd", "/etc/hostn")).toEqual(["/etc/hostname"]);
    expect(await values("cp", "nope:/")).toEqual([]);
  });

  test("a link in a container leads to nothing of the host's", async () => {
    const { engine } = here;
    await engine.ok([
      "exec",
      "web",
      "sh",
      "-c",
      `ln -s ${engine.sandbox.directory} /srv/site/out; ln -s /proc/1/root /srv/site/root`,
    ]);
    expect(await values("cp", "web:/srv/site/out/")).toEqual([]);
    expect(await values("cp", "web:/srv/site/root/")).toEqual([]);
  });

  test("nothing is offered behind --, and no target twice, wherever it stands", async () => {
    expect(await lines(["rm", "--", ""])).toEqual([":4"]);
    expect(await values("rm", "web", "d")).toEqual(["db", "done"]); // the newest first
    expect(await values("rm", "web", "done", "d")).toEqual(["db"]);
    expect((await before("web", "rm", "")).includes("web")).toBe(false);
  });

  test("an argument may be a path of the host, with blanks and colons as they are", async () => {
    const place = join(here.engine.sandbox.home, "a b:c");
    mkdirSync(place);
    writeFileSync(join(place, "f=1"), "");
    expect(await values("cp", "./a b")).toEqual(["./a b:c/"]);
    expect(await values("run", "--mount", "type=bind,source=./a b:c/")).toEqual([
      "type=bind,source=./a b:c/f=1",
    ]);
    expect(await values("run", "-v", "~/a ")).toEqual(["~/a b:c/"]);
    symlinkSync(place, join(here.engine.sandbox.home, "link"));
    expect(await values("run", "-v", "./lin")).toEqual(["./link/"]);
  });
});

describe("a key press changes nothing", () => {
  const engine = createEngine();
  afterAll(() => engine.dispose());

  test("and makes no state where there is none", async () => {
    for (const words of [
      ["rm", ""],
      ["run", ""],
      ["run", "-u", ""],
      ["network", "rm", ""],
      ["cp", "x:/"],
      ["inspect", ""],
    ]) {
      const { stdout, stderr, exitCode } = await engine.proa(["__complete", ...words]);
      expect([stderr, exitCode]).toEqual(["", 0]);
      expect(stdout).toEndWith(":4\n");
    }
    expect(existsSync(join(engine.sandbox.dataHome, "proa"))).toBe(false);
  });

  test("and does not migrate the state of another proa", async () => {
    await engine.ok(["volume", "create", "data"]);
    expect(await engine.ok(["__complete", "volume", "rm", ""])).toBe("data\tlocal, unused\n:4");
    using db = new Database(join(engine.sandbox.dataHome, "proa/state.db"));
    const version = () => (db.query("PRAGMA user_version").get() as { user_version: number }).user_version;
    const ours = version();
    db.run(`PRAGMA user_version = ${ours - 1}`);
    expect(await engine.ok(["__complete", "volume", "rm", ""])).toBe(":4");
    expect(version()).toBe(ours - 1);
    db.run(`PRAGMA user_version = ${ours}`);
    expect(await engine.ok(["__complete", "volume", "rm", ""])).toBe("data\tlocal, unused\n:4");
  });

  test("and believes nothing in a runtime directory that others can write", async () => {
    const runtime = join(engine.sandbox.runtimeDir, "proa");
    mkdirSync(runtime);
    chmodSync(runtime, 0o777);
    expect(await engine.ok(["__complete", "volume", "rm", ""])).toBe(":4");
    rmSync(runtime, { recursive: true });
    expect(await engine.ok(["__complete", "volume", "rm", ""])).toBe("data\tlocal, unused\n:4");
  });

  test("and waits for no database that somebody holds", async () => {
    using db = new Database(join(engine.sandbox.dataHome, "proa/state.db"));
    db.run("PRAGMA locking_mode = EXCLUSIVE");
    db.run("BEGIN EXCLUSIVE");
    expect(await engine.ok(["__complete", "volume", "rm", ""])).toBe(":4");
    db.run("ROLLBACK");
  });

  test("and says nothing of a state that cannot be read", async () => {
    writeFileSync(join(engine.sandbox.dataHome, "proa/state.db"), "no database");
    const { stdout, stderr, exitCode } = await engine.proa(["__complete", "rm", ""]);
    expect([stdout, stderr, exitCode]).toEqual([":4\n", "", 0]);
  });
});
