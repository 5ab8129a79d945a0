/** What a container is told of itself and of others: hosts, zones, links, files of pids, names that are taken again. */
import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing, useTiny } from "../../harness";
import { detach, inspect, removeAll, run, SLEEP, shell, supervisorOf } from "./_shell";

describe.skipIf(missing !== null)("run", () => {
  const place = useTiny();
  const { engine } = place;
  afterEach(() => removeAll(place));

  const file = (name: string): string => join(engine.sandbox.home, name);

  test("--annotation is in config.json and in inspect", async () => {
    const id = await detach(place, "one", SLEEP, ["--annotation", "a.b=c=d", "--annotation", "e="]);
    expect(JSON.parse(await inspect(place, "one", "{{json .HostConfig.Annotations}}"))).toEqual({
      "a.b": "c=d",
      e: "",
    });
    const config = join(engine.sandbox.env["XDG_DATA_HOME"] ?? "", "proa/containers", id, "config.json");
    expect(JSON.parse(readFileSync(config, "utf8")).annotations).toMatchObject({ "a.b": "c=d", e: "" });
  });

  test("--pidfile and --conmon-pidfile name the first process and the supervisor, at every start", async () => {
    const options = ["--pidfile", "pid", "--conmon-pidfile", "conmon"];
    const id = await engine.ok(["run", "-d", "--name", "one", ...options, place.tiny, ...SLEEP]);
    expect(readFileSync(file("pid"), "utf8")).toBe(await inspect(place, "one", "{{.State.Pid}}"));
    expect(readFileSync(file("conmon"), "utf8")).toBe(String(supervisorOf(place, id)));
    await engine.ok(["restart", "-t", "0", "one"]);
    expect(readFileSync(file("pid"), "utf8")).toBe(await inspect(place, "one", "{{.State.Pid}}"));
    const nowhere = await run(place, ["--pidfile", "/nosuch/pid"], ["true"]);
    expect(nowhere.stderr).toContain("/nosuch/pid: no such file or directory");
    expect(nowhere.exitCode).toBe(125);
  });

  test("--replace removes who has the name, though it runs; without it the name is taken", async () => {
    const first = await detach(place, "one");
    const taken = await engine.proa(["run", "--name", "one", place.tiny, "true"]);
    expect(taken.stderr).toContain(`the name is used by container ${first.slice(0, 12)}`);
    expect(taken.exitCode).toBe(125);
    const second = await detach(place, "one", SLEEP, ["--replace"]);
    expect(await engine.ok(["ps", "-aq", "--no-trunc"])).toBe(second);
    const third = await engine.ok(["create", "--replace", "--name", "one", place.tiny]);
    expect(await engine.ok(["ps", "-aq", "--no-trunc"])).toBe(third);
  });

  test("--tz is the zone of the container's clock, after a zone's name or the host's own", async () => {
    const zone = existsSync("/usr/share/zoneinfo/Asia/Tokyo") ? "Asia/Tokyo" : "UTC";
    const shown = await shell(place, ["--tz", zone], "date +%z");
    expect(shown).toBe(zone === "UTC" ? "+0000" : "+0900");
    if (existsSync("/etc/localtime")) {
      const local = Bun.spawnSync(["date", "+%z"], { env: { PATH: process.env["PATH"] } })
        .stdout.toString()
        .trim();
      expect(await shell(place, ["--tz", "local"], "date +%z")).toBe(local);
    }
  });

  test("--no-hosts and --no-hostname leave the image's files, --hosts-file begins with another", async () => {
    expect(
      await shell(
        place,
        ["--no-hosts"],
        "cat /etc/hosts 2>/dev/null | grep -c $(hostname); ls /etc/hostname",
      ),
    ).toBe("0\n/etc/hostname");
    expect(await shell(place, ["--no-hostname"], "grep -c /etc/hostname /proc/self/mountinfo; true")).toBe(
      "0",
    );
    writeFileSync(file("hosts"), "9.8.7.6 somewhere");
    const text = await shell(place, ["--hosts-file", "hosts", "--add-host", "a;b:1.2.3.4"], "cat /etc/hosts");
    expect(text).toStartWith("9.8.7.6 somewhere\n1.2.3.4\ta\n1.2.3.4\tb\n");
    expect(text).not.toContain("ip6-localnet");
    expect(await shell(place, ["--hosts-file", "none"], "cat /etc/hosts")).not.toContain("localhost\n");
    const absent = await run(place, ["--hosts-file", "/nosuch"], ["true"]);
    expect(absent.stderr).toContain("hosts file: /nosuch: no such file or directory");
    expect(absent.exitCode).toBe(125);
  });

  test("--link gives a name and, on the default network, variables", async () => {
    await detach(place, "server", SLEEP, ["--expose", "5432", "--expose", "99/udp", "-e", "PASS=word"]);
    const address = await inspect(place, "server", "{{.NetworkSettings.IPAddress}}");
    const script =
      "env | grep ^DB_ | sort; grep -w db-1 /etc/hosts; ping -c 1 -W 2 db-1 > /dev/null && echo reached";
    expect((await shell(place, ["--link", "server:db-1"], script)).split("\n")).toEqual([
      "DB_1_ENV_PASS=word",
      expect.stringMatching(/^DB_1_NAME=\/server\/db-1$/) as unknown as string,
      `DB_1_PORT=udp://${address}:99`,
      `DB_1_PORT_5432_TCP=tcp://${address}:5432`,
      `DB_1_PORT_5432_TCP_ADDR=${address}`,
      "DB_1_PORT_5432_TCP_PORT=5432",
      "DB_1_PORT_5432_TCP_PROTO=tcp",
      `DB_1_PORT_99_UDP=udp://${address}:99`,
      `DB_1_PORT_99_UDP_ADDR=${address}`,
      "DB_1_PORT_99_UDP_PORT=99",
      "DB_1_PORT_99_UDP_PROTO=udp",
      `${address}\tdb-1`,
      "reached",
    ]);
  });

  test("--link follows a container that gets another address", async () => {
    await detach(place, "server");
    await detach(place, "client", SLEEP, ["--link", "server:db"]);
    const shown = () =>
      engine.ok(["exec", "client", "sh", "-c", "grep -w db /etc/hosts; grep -c client /etc/hosts"]);
    const address = () => inspect(place, "server", "{{.NetworkSettings.IPAddress}}");
    const before = await address();
    expect(await shown()).toStartWith(`${before}\tdb\n`);
    await engine.ok(["stop", "-t", "0", "server"]);
    await detach(place, "between"); // takes the next one
    await engine.ok(["start", "server"]);
    const after = await address();
    expect(after).not.toBe(before);
    expect(await shown()).toBe(`${after}\tdb\n2`);
    await engine.ok(["network", "create", "back"]);
    await engine.ok(["network", "connect", "back", "client"]);
    expect(await shown()).toStartWith(`${after}\tdb\n`);
    await engine.ok(["rm", "-f", "client"]);
    await engine.ok(["restart", "-t", "0", "server"]);
    await engine.ok(["network", "rm", "back"]);
  });

  test("--link of a container that went with --rm does not keep the other from starting", async () => {
    await detach(place, "server", SLEEP);
    expect((await run(place, ["--link", "server:db"], ["true"])).exitCode).toBe(0);
    await engine.ok(["restart", "-t", "0", "server"]);
    expect(await inspect(place, "server", "{{.State.Status}}")).toBe("running");
  });

  test("--link follows a container that is renamed, needs one that runs, and a network that both have", async () => {
    await detach(place, "server");
    await engine.ok([
      "create",
      "--name",
      "client",
      "--link",
      "server:db",
      place.tiny,
      "grep",
      "-w",
      "db",
      "/etc/hosts",
    ]);
    await engine.ok(["rename", "server", "other"]);
    expect(await inspect(place, "client", "{{json .HostConfig.Links}}")).toBe('["/other:/client/db"]');
    expect(await engine.ok(["start", "-a", "client"])).toEndWith("\tdb");
    await engine.ok(["stop", "-t", "0", "other"]);
    const stopped = await engine.proa(["start", "-a", "client"]);
    expect(stopped.stderr).toStartWith(
      "Error: link: other: cannot link to a container that is not running, as db\n",
    );
    expect(stopped.exitCode).toBe(125);
    await engine.ok(["start", "other"]);
    await engine.ok(["network", "create", "back"]);
    const apart = await run(place, ["--network", "back", "--link", "other"], ["true"]);
    expect(apart.stderr).toContain("the two containers are in no common network");
    expect(apart.exitCode).toBe(125);
    const none = await run(place, ["--network", "none", "--link", "other"], ["true"]);
    expect(none.stderr).toContain("with network none nothing is linked");
    const absent = await run(place, ["--link", "nosuch:x"], ["true"]);
    expect(absent.stderr).toStartWith("Error: link: nosuch: no such container\n");
    expect(absent.exitCode).toBe(125);
    await engine.ok(["network", "rm", "back"]);
  });

  test("--systemd sets the container up where its command is one, always or never", async () => {
    const tmpfs = "grep -cE ' (/run|/run/lock|/tmp) .* - tmpfs ' /proc/self/mountinfo; echo $container";
    expect(await shell(place, ["--systemd", "always"], tmpfs)).toBe("3\nproa");
    expect(await shell(place, [], `${tmpfs}; true`)).toBe("0");
    expect(
      await shell(
        place,
        ["--systemd=always", "--tmpfs", "/run:size=1m"],
        "df -k /run | tail -1 | tr -s ' ' | cut -d' ' -f2",
      ),
    ).toBe("1024");
    const signal = async (name: string, ...options: string[]) => {
      await engine.ok(["create", "--name", name, ...options, place.tiny, "/sbin/init"]);
      return inspect(place, name, "{{.Config.StopSignal}}");
    };
    expect(await signal("aa")).toBe("SIGRTMIN+3");
    expect(await signal("bb", "--stop-signal", "INT")).toBe("INT");
    expect((await engine.proa(["inspect", "-f", "{{.Config.StopSignal}}", "nosuch"])).exitCode).toBe(1);
    await engine.ok(["create", "--name", "cc", "--systemd", "false", place.tiny, "/sbin/init"]);
    const [{ Config }] = JSON.parse(await engine.ok(["inspect", "cc"]));
    expect(Config.StopSignal).toBeUndefined();
  });

  test("an empty --workdir is none, for run and for exec", async () => {
    expect(await shell(place, ["-w", ""], "pwd")).toBe("/");
    await detach(place, "at", SLEEP, ["-w", "/etc"]);
    expect(await engine.ok(["exec", "-w", "", "at", "pwd"])).toBe("/etc");
  });

  test("--preserve-fds and --preserve-fd pass open files on, and no other", async () => {
    const script = 'exec 3</etc/hostname 4</etc/passwd 5</etc/group; exec "$@"';
    const fds = async (...options: string[]) => {
      const command = [place.tiny, "sh", "-c", "ls /proc/self/fd | tr '\\n' ' '"];
      const child = Bun.spawnSync(
        [
          "bash",
          "-c",
          script,
          "bash",
          process.env["PROA"] ?? "dist/proa",
          "run",
          "--rm",
          ...options,
          ...command,
        ],
        { env: engine.sandbox.env, stdin: "ignore", stderr: "pipe" },
      );
      expect(child.stderr.toString()).toBe("");
      return child.stdout
        .toString()
        .trim()
        .split(" ")
        .filter((fd) => Number(fd) > 2);
    };
    const none = await fds();
    expect(await fds("--preserve-fds", "2")).toHaveLength(none.length + 2);
    expect(await fds("--preserve-fd", "3,5")).toContain("5");
    expect(await fds("--preserve-fd", "5")).toHaveLength(none.length + 1);
  });

  test("--rmi takes the image along, unless another container has it, and passes the exit status on", async () => {
    await engine.ok(["run", "--rm", "hello"]);
    expect((await engine.proa(["run", "--rmi", "hello"])).exitCode).toBe(0);
    expect(await engine.ok(["images", "-q", "hello"])).toBe("");
    await engine.ok(["create", "--name", "holder", place.tiny]);
    await engine.ok(["commit", "holder", "once:1"]);
    expect(await engine.proa(["run", "--rm", "--rmi", "once:1", "sh", "-c", "exit 7"])).toMatchObject({
      stderr: "",
      exitCode: 7,
    });
    expect(await engine.ok(["images", "-q", "once"])).toBe("");
    const kept = await engine.proa(["run", "--rmi", place.tiny, "sh", "-c", "exit 9"]);
    expect(kept.exitCode).toBe(9);
    expect(kept.stderr).toContain("Warning: the image stays: ");
    expect(await engine.ok(["ps", "-a", "--format", "{{.Names}}"])).toBe("holder");
  });

  test("-a names the streams that are shown, in any case of letters", async () => {
    const both = ["sh", "-c", "echo out; echo err >&2"];
    expect(await run(place, ["-a", "stdout"], both)).toMatchObject({ stdout: "out\n", stderr: "" });
    expect(await run(place, ["-a", "STDERR"], both)).toMatchObject({ stdout: "", stderr: "err\n" });
    expect(await run(place, ["-a", "stdout,stderr"], both)).toMatchObject({
      stdout: "out\n",
      stderr: "err\n",
    });
    const given = await run(place, ["-i", "-a", "stdin", "-a", "stdout"], ["cat"], { stdin: "in" });
    expect(given.stdout).toBe("in");
    // with neither output docker says which container it is
    const blind = await run(place, ["-i", "-a", "stdin"], ["sh", "-c", "cat; echo never; exit 3"], {
      stdin: "in",
    });
    expect(blind.stdout).toMatch(/^[0-9a-f]{64}\n$/);
    expect(blind.exitCode).toBe(3);
    await engine.ok(["create", "--name", "one", "-a", "stdin", "-i", place.tiny]);
    const shown = "{{.Config.AttachStdin}} {{.Config.AttachStdout}} {{.Config.AttachStderr}}";
    expect(await inspect(place, "one", shown)).toBe("true false false");
  });

  test("--pull never fails for an absent image, newer and missing take the one that is here", async () => {
    const absent = await engine.proa(["run", "--pull", "never", `${place.registry.host}/nosuch`, "true"]);
    expect(absent.exitCode).toBe(125);
    for (const policy of ["missing", "newer", "always", "never"])
      expect((await run(place, ["-q", "--pull", policy], ["echo", policy])).stdout).toBe(`${policy}\n`);
    const wrong = await run(place, ["--pull", "sometimes"], ["true"]);
    expect(wrong.stderr).toContain('invalid argument "sometimes" for "--pull" flag');
    const { arch } = process;
    const other = await run(
      place,
      ["--pull", "never", "--arch", arch === "x64" ? "s390x" : "amd64"],
      ["true"],
    );
    expect(other.exitCode).toBe(125);
  });
});
