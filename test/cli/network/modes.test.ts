/** Networks that are not netd's: another container's, a namespace's, slirp4netns', pasta's; and what takes the default network's place. */
import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing, proaPath, useTiny, waitUntil } from "../../harness";
import { removeAll, SLEEP } from "../_network";
import { inspect, run, shell, supervisorOf } from "../container/_shell";

/** Pids of these programs: pasta hides its environment, and names the run directory; slirp4netns the other way round. */
function programsOf(directory: string, program: string): string[] {
  const textOf = (path: string): string => {
    try {
      return readFileSync(path, "utf8");
    } catch {
      return "";
    }
  };
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid) || !textOf(`/proc/${pid}/cmdline`).startsWith(program)) return false;
    return [`/proc/${pid}/cmdline`, `/proc/${pid}/environ`].some((path) => textOf(path).includes(directory));
  });
}

const SERVER = ["sh", "-c", "mkdir /www; echo served >/www/index.html; exec httpd -f -p 80 -h /www"];

describe.skipIf(missing !== null)("network modes", () => {
  const place = useTiny();
  const { engine } = place;
  const detach = (name: string, options: string[], command = SLEEP) =>
    engine.ok(["run", "-d", "--name", name, ...options, place.tiny, ...command]);
  const served = async (port: number): Promise<string> => {
    let text = "";
    const ask = async () => {
      text = (await (await fetch(`http://127.0.0.1:${port}/`).catch(() => null))?.text())?.trim() ?? "";
      return text !== "";
    };
    await waitUntil(ask, { what: "an answer" });
    return text;
  };
  afterEach(async () => {
    if (missing === null) await removeAll(place);
  });

  describe("--network container:NAME", () => {
    test("shares interfaces, names and files of a container that runs", async () => {
      await detach("web", ["-h", "front", "--add-host", "a:1.2.3.4"], SERVER);
      const script =
        "ip -o -4 addr show eth0 | awk '{print $4}'; hostname; cat /etc/hosts /etc/hostname /etc/resolv.conf";
      const inside = await engine.ok(["exec", "web", "sh", "-c", script]);
      expect(await shell(place, ["--network", "container:web"], script)).toBe(inside);
      expect(await shell(place, ["--network", "container:web"], "wget -qO- http://127.0.0.1/")).toBe(
        "served",
      );
      const id = await inspect(place, "web", "{{.Id}}");
      await detach("side", ["--network", "container:web"]);
      expect(await inspect(place, "side", "{{.HostConfig.NetworkMode}} {{.Config.Hostname}}")).toBe(
        `container:${id} front`,
      );
      expect(await inspect(place, "side", "{{.HostsPath}}")).toBe(
        await inspect(place, "web", "{{.HostsPath}}"),
      );
      expect(await inspect(place, "side", "{{json .NetworkSettings.Networks}}")).toBe("{}");
      expect(await engine.ok(["exec", "side", "hostname"])).toBe("front");
    });

    test("keeps the processes and the files apart", async () => {
      await detach("web", []);
      expect(
        await shell(
          place,
          ["--network", "container:web"],
          "echo $$; touch /here; ls -d /proc/[0-9]* | wc -l",
        ),
      ).toMatch(/^1\n[1-3]$/);
      expect((await engine.proa(["exec", "web", "ls", "/here"])).exitCode).not.toBe(0);
    });

    test("removes what its ids wrote, with --rm and with rm", async () => {
      await detach("web", []);
      const write = ["sh", "-c", "mkdir -p /d/e; chown -R 7:8 /d; chmod 700 /d"];
      expect((await run(place, ["--network", "container:web"], write)).exitCode).toBe(0);
      await engine.ok(["run", "--name", "side", "--network", "container:web", place.tiny, ...write]);
      await engine.ok(["rm", "side"]);
    });

    test("is refused where it does not run, is not there, or is a circle", async () => {
      await engine.ok(["create", "--name", "still", place.tiny, "true"]);
      const refusal = async (name: string) => await run(place, ["--network", `container:${name}`], ["true"]);
      const still = await refusal("still");
      expect(still.stderr).toBe(
        "Error: join network of container: still: it is not running\nhint: start it first: proa start still\n",
      );
      expect((await refusal("nope")).stderr).toContain("join network of container: nope: no such container");
      await engine.ok(["create", "--name", "side", "--network", "container:still", place.tiny, "true"]);
      expect((await engine.proa(["start", "side"])).stderr).toContain(
        "join network of container: still: it is not running",
      );
    });

    test("is refused together with what is the other container's to say", async () => {
      await detach("web", []);
      for (const [options, word] of [
        [["-h", "x"], "hostname"],
        [["--domainname", "x"], "domainname"],
        [["--add-host", "a:1.2.3.4"], "add-host"],
        [["--dns", "1.1.1.1"], "dns"],
        [["-p", "8080:80"], "publish port"],
      ] as const) {
        const result = await run(place, ["--network", "container:web", ...options], ["true"]);
        expect(result.stderr).toStartWith(`Error: ${word}: with network container:web: `);
        expect(result.exitCode).toBe(125);
      }
    });

    test.skipIf(Bun.which("crun") === null)("is refused with a runtime of its own", async () => {
      await detach("web", []);
      const result = await run(place, ["--network", "container:web", "--runtime", "crun"], ["true"]);
      expect(result.stderr).toStartWith(
        "Error: runtime: with network container:web: proa has another runtime make",
      );
    });

    test("outlives its end with loopback only", async () => {
      await detach("web", []);
      await detach("side", ["--network", "container:web"]);
      await engine.ok(["rm", "-f", "web"]);
      const interfaces = () => engine.ok(["exec", "side", "sh", "-c", "ip -o link | wc -l"]);
      await waitUntil(async () => (await interfaces()) === "1", { what: "the end of the interface" });
    });
  });

  describe("--network ns:PATH", () => {
    test("joins a network namespace of the user's", async () => {
      await detach("web", [], SERVER);
      const pid = await inspect(place, "web", "{{.State.Pid}}");
      const options = ["--network", `ns:/proc/${pid}/ns/net`];
      expect(await shell(place, options, "wget -qO- http://127.0.0.1/; readlink /proc/self/ns/net")).toBe(
        `served\n${await engine.ok(["exec", "web", "readlink", "/proc/self/ns/net"])}`,
      );
      expect(await inspect(place, "web", "{{.NetworkSettings.SandboxKey}}")).toBe(`/proc/${pid}/ns/net`);
    });

    test("is the host's network where that is meant", async () => {
      const own = (
        await engine.ok(["run", "--rm", "--network", "host", place.tiny, "readlink", "/proc/self/ns/net"])
      ).trim();
      expect(await shell(place, ["--network", "ns:/proc/self/ns/net"], "readlink /proc/self/ns/net")).toBe(
        own,
      );
    });

    test("is refused where there is none", async () => {
      const refusal = async (path: string) =>
        (await run(place, ["--network", `ns:${path}`], ["true"])).stderr;
      expect(await refusal("/nope")).toContain("join network namespace: /nope: no such file or directory");
      expect(await refusal("/etc/passwd")).toContain(
        "join network namespace: /etc/passwd: it is no namespace",
      );
      expect(await refusal("/proc/self/ns/uts")).toContain("it is no network namespace");
    });
  });

  for (const program of ["slirp4netns", "pasta"] as const) {
    const path = Bun.which(program);
    describe.skipIf(path === null)(
      `--network ${program}${path === null ? " (it is not installed)" : ""}`,
      () => {
        const programs = () => programsOf(engine.sandbox.directory, program);

        test("has a way out and its own resolver, and ends with the container", async () => {
          const script = "ip route | grep -c ^default; grep -c ^nameserver /etc/resolv.conf";
          expect(await shell(place, ["--network", program], script)).toBe("1\n1");
          await detach("web", ["--network", program]);
          expect(programs().length).toBe(1);
          await engine.ok(["rm", "-f", "web"]);
          expect(programs()).toEqual([]);
        });

        test("forwards published ports, which ps and port show", async () => {
          await detach("web", ["--network", program, "-p", "127.0.0.1::80"], SERVER);
          const place80 = await engine.ok(["port", "web", "80"]);
          const port = Number(/^127\.0\.0\.1:(\d+)$/.exec(place80)?.[1]);
          expect(await served(port)).toBe("served");
          expect(await engine.ok(["ps", "--format", "{{.Ports}} {{.Networks}}"])).toBe(
            `127.0.0.1:${port}->80/tcp ${program}`,
          );
        });

        test("ends when the supervisor is killed", async () => {
          const id = await detach("web", ["--network", program]);
          process.kill(supervisorOf(place, id), "SIGKILL");
          await waitUntil(() => programs().length === 0, { what: `the end of ${program}` });
        });

        test("has its words reported where it fails", async () => {
          const bad = program === "pasta" ? "pasta:--bogus" : "slirp4netns:outbound_addr=nosuchdevice";
          const result = await run(place, ["--network", bad], ["true"]);
          expect(result.stderr).toStartWith(`Error: start network program: ${path}: `);
          expect(result.exitCode).toBe(125);
        });

        test.skipIf(Bun.which("crun") === null)("with a runtime of its own, crun, works too", async () => {
          expect(
            await shell(place, ["--network", program, "--runtime", "crun"], "ip route | grep -c ^default"),
          ).toBe("1");
        });
      },
    );

    test(`--network ${program} is refused with a hint where the program is not installed`, async () => {
      const bin = join(engine.sandbox.home, "bin");
      mkdirSync(bin, { recursive: true });
      const result = await run(place, ["--network", program], ["true"], { env: { PATH: bin } });
      expect(result.stderr).toContain(
        `Error: network: ${program}: the program is not installed\nhint: install it (Debian: apt-get install `,
      );
    });
  }

  const noSlirp = Bun.which("slirp4netns") === null;
  test.skipIf(noSlirp)(
    "slirp4netns reaches the host's loopback only where it is allowed, and takes mtu and cidr",
    async () => {
      const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("host") });
      const get = (gateway: string) =>
        `timeout 3 wget -qO- http://${gateway}:${server.port}/ 2>/dev/null || echo none`;
      expect(await shell(place, ["--network", "slirp4netns"], get("10.0.2.2"))).toBe("none");
      const options = "slirp4netns:allow_host_loopback=true,cidr=10.9.8.0/24,mtu=1400";
      expect(
        await shell(
          place,
          ["--network", options],
          `${get("10.9.8.2")}; cat /sys/class/net/tap0/mtu; grep -c host.docker /etc/hosts`,
        ),
      ).toBe("host1400\n1");
      server.stop(true);
    },
  );

  describe("the default network", () => {
    /** Have this choice remembered for this boot. */
    const remember = (name: string, reason: string) => {
      const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
      mkdirSync(join(engine.sandbox.env["XDG_CACHE_HOME"] ?? "", "proa"), { recursive: true });
      writeFileSync(
        join(engine.sandbox.env["XDG_CACHE_HOME"] ?? "", "proa/network-driver.json"),
        JSON.stringify({ key: `1 ${boot}`, name, reason }),
      );
    };

    test("is netd's, and info says so", async () => {
      const info = JSON.parse(await engine.ok(["info", "--format", "json"]));
      expect(info.Proa.Network.Driver).toBe("netd");
      expect(info.Plugins.Network.slice(0, 5)).toEqual(["bridge", "host", "none", "container", "ns"]);
      expect(await engine.ok(["info"])).toContain("Network driver: netd");
      expect(await shell(place, [], "ip -o link show eth0 | wc -l")).toBe("1");
    });

    for (const program of ["slirp4netns", "pasta"] as const) {
      test.skipIf(Bun.which(program) === null)(
        `is ${program}'s where netd cannot work, with the reason in info`,
        async () => {
          remember(program, "nf_tables: tproxy is missing");
          await detach("web", []);
          expect(programsOf(engine.sandbox.directory, program).length).toBe(1);
          expect(await engine.ok(["info"])).toContain(
            `Warning: network by ${program}: nf_tables: tproxy is missing`,
          );
          remember("netd", "");
        },
      );
    }

    test.skipIf(Bun.which("strace") === null)(
      "is nobody's where nothing works: info and run say why, and nothing is remembered",
      async () => {
        const path = join(engine.sandbox.env["XDG_CACHE_HOME"] ?? "", "proa/network-driver.json");
        rmSync(path, { force: true });
        const bin = join(engine.sandbox.home, "nothing");
        mkdirSync(bin, { recursive: true });
        const failing = async (...args: string[]) => {
          const inject = ["-e", "trace=unshare", "-e", "inject=unshare:error=EPERM", "env", `PATH=${bin}`];
          const child = Bun.spawn(
            [Bun.which("strace") ?? "", "-f", "-qq", "-o", "/dev/null", ...inject, proaPath, ...args],
            {
              env: engine.sandbox.env,
              stdio: ["ignore", "pipe", "pipe"],
            },
          );
          const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
          return { stdout, stderr, exitCode: await child.exited };
        };
        const why =
          "create user namespace: operation not permitted; and neither pasta nor slirp4netns is installed";
        expect((await failing("info")).stdout).toContain(`Warning: no default network: ${why}\n`);
        expect(await failing("run", "--rm", place.tiny, "true")).toEqual({
          stdout: "",
          stderr: `Error: choose network: ${why}\nhint: install passt or slirp4netns, or start the container with --network none or host\n`,
          exitCode: 125,
        });
        expect(existsSync(path)).toBe(false);
      },
    );

    test("of a broken memory is tried anew", async () => {
      remember("netd", "");
      const path = join(engine.sandbox.env["XDG_CACHE_HOME"] ?? "", "proa/network-driver.json");
      for (const text of ["", "{", "null", "[]", '{"key":"1 x","name":"pasta"}']) {
        writeFileSync(path, text);
        expect(JSON.parse(await engine.ok(["info", "--format", "json"])).Proa.Network.Driver).toBe("netd");
      }
    });
  });
});
