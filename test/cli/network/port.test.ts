/** Published ports: where they are opened, how they are shown, and who is told that one is taken. */
import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { makeImage, missing, pushImage, tinyLayer, useTiny, waitUntil } from "../../harness";
import { removeAll } from "../_network";
import { inspect } from "../container/_shell";
import { freePorts } from "./_net";

const SERVER = ["sh", "-c", "mkdir /www; echo served >/www/index.html; exec httpd -f -p 80 -h /www"];

describe.skipIf(missing !== null)("published ports", () => {
  const place = useTiny();
  const { engine } = place;
  const detach = (name: string, options: string[], command = SERVER) =>
    engine.ok(["run", "-d", "--name", name, ...options, place.tiny, ...command]);
  const fetched = async (url: string): Promise<string> => {
    let text = "";
    await waitUntil(
      async () => {
        const answer = await fetch(url).catch(() => null);
        text = (await answer?.text())?.trim() ?? "";
        return text !== "";
      },
      { what: `an answer of ${url}` },
    );
    return text;
  };
  const live = async (name: string): Promise<Record<string, { HostIp: string; HostPort: string }[] | null>> =>
    JSON.parse(await inspect(place, name, "{{json .NetworkSettings.Ports}}"));
  afterEach(async () => {
    if (missing === null) await removeAll(place);
  });

  describe("are refused with the reason", () => {
    const cases: [string[], string][] = [
      [["-p", "x"], 'publish port: "x": "x" is not a port'],
      [["-p", "8080:80/sctp"], "connections of SCTP cannot be passed on"],
      [["-p", "::1:8080:80"], "an IPv6 address needs brackets"],
      [["--expose", "x"], 'expose port: "x": "x" is not a port'],
      [["--network", "ns:/proc/self/ns/net", "-p", "8080:80"], "it is for who made the network to publish"],
      [["-p", "198.51.100.7:8080:80"], "198.51.100.7:8080/tcp: this host has no such address"],
      [["-p", "8080:80", "-p", "127.0.0.1:8080:81"], "8080/tcp: it is asked for twice"],
    ];
    for (const [options, message] of cases) {
      test(options.join(" "), async () => {
        const result = await engine.proa(["run", "--rm", ...options, place.tiny, "true"]);
        expect(result.stderr).toContain(message);
        expect(result.exitCode).toBe(125);
      });
    }

    const start = Number(readFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8"));
    const allowed = start <= 80 || process.getuid?.() === 0 ? " (port 80 is allowed here)" : "";
    test.skipIf(allowed !== "")(
      `below 1024, at once, with the setting that would allow it${allowed}`,
      async () => {
        for (const command of ["run", "create"]) {
          const result = await engine.proa([command, "-p", "80:80", place.tiny]);
          expect(result.stderr).toBe(
            `Error: publish port: 80: ports below ${start} are for root only\nhint: publish a higher one (8080:80), or let an administrator allow it: sysctl -w net.ipv4.ip_unprivileged_port_start=80\n`,
          );
          expect(result.exitCode).toBe(125);
        }
      },
    );

    test("that another container has, by its name", async () => {
      const port = String(await freePorts(6));
      await detach("first", ["-p", `${port}:80`]);
      const result = await engine.proa([
        "run",
        "-d",
        "--name",
        "second",
        "-p",
        `${port}:80`,
        place.tiny,
        ...SERVER,
      ]);
      expect(result.stderr).toContain("the port is in use by container first");
      expect(result.stderr).toContain("hint: stop it (proa stop first), or publish another port");
      expect(result.exitCode).toBe(125);
      expect(await fetched(`http://127.0.0.1:${port}/`)).toBe("served"); // the first one is not harmed
      await engine.ok(["rm", "-f", "first"]);
      await engine.ok(["start", "second"]);
      expect(await fetched(`http://127.0.0.1:${port}/`)).toBe("served");
    });

    test("that another program has, by its number and name", async () => {
      const server = createServer().listen(0, "0.0.0.0");
      await new Promise((done) => server.once("listening", done));
      const { port } = server.address() as { port: number };
      const result = await engine.proa(["run", "--rm", "-p", `${port}:80`, place.tiny, "true"]);
      server.close();
      expect(result.stderr).toContain(`the port is in use by process ${process.pid} (`);
      expect(result.exitCode).toBe(125);
    });
  });

  test("-p opens a port on every address of both families; ps, port and inspect show it", async () => {
    const port = String(await freePorts(6));
    await detach("web", ["-p", `${port}:80`]);
    expect(await fetched(`http://127.0.0.1:${port}/`)).toBe("served");
    expect(await fetched(`http://[::1]:${port}/`)).toBe("served");
    expect(await engine.ok(["ps", "--format", "{{.Ports}}"])).toBe(
      `0.0.0.0:${port}->80/tcp, [::]:${port}->80/tcp`,
    );
    expect(await engine.ok(["port", "web"])).toBe(`80/tcp -> 0.0.0.0:${port}\n80/tcp -> [::]:${port}`);
    expect(await engine.ok(["port", "web", "80"])).toBe(`0.0.0.0:${port}\n[::]:${port}`);
    expect(await live("web")).toEqual({
      "80/tcp": [
        { HostIp: "0.0.0.0", HostPort: port },
        { HostIp: "::", HostPort: port },
      ],
    });
    expect(JSON.parse(await inspect(place, "web", "{{json .HostConfig.PortBindings}}"))).toEqual({
      "80/tcp": [{ HostIp: "", HostPort: port }],
    });
    await engine.ok(["stop", "-t", "0", "web"]);
    expect(await engine.ok(["port", "web"])).toBe("");
    expect(await live("web")).toEqual({});
    expect(await engine.ok(["ps", "-a", "--format", "{{.Ports}}"])).toBe("");
    await engine.ok(["start", "web"]);
    expect(await fetched(`http://127.0.0.1:${port}/`)).toBe("served");
  });

  test("an address opens a port there only", async () => {
    const port = await freePorts(6);
    await detach("web", ["-p", `127.0.0.1:${port}:80`, "-p", `[::1]:${port + 1}:80`]);
    expect(await fetched(`http://127.0.0.1:${port}/`)).toBe("served");
    expect(await fetched(`http://[::1]:${port + 1}/`)).toBe("served");
    await expect(fetch(`http://[::1]:${port}/`)).rejects.toThrow();
    expect(await engine.ok(["port", "web", "80/tcp"])).toBe(`127.0.0.1:${port}\n[::1]:${port + 1}`);
  });

  test("no port of the host takes a free one, a range its first free one", async () => {
    const first = await freePorts(6);
    const blocker = createServer().listen(first, "127.0.0.1");
    await new Promise((done) => blocker.once("listening", done));
    await detach("web", ["-p", "127.0.0.1::80", "-p", `127.0.0.1:${first}-${first + 5}:80`, "-p", "81/udp"]);
    blocker.close();
    const { "80/tcp": tcp, "81/udp": udp } = await live("web");
    expect(tcp?.length).toBe(2);
    const [random, ranged] = (tcp ?? []).map(({ HostPort }) => Number(HostPort));
    expect(random).toBeGreaterThan(1023);
    expect(ranged).toBeGreaterThan(first);
    expect(ranged).toBeLessThanOrEqual(first + 5);
    for (const port of [random, ranged]) expect(await fetched(`http://127.0.0.1:${port}/`)).toBe("served");
    expect(udp?.map(({ HostIp }) => HostIp)).toEqual(["0.0.0.0", "::"]);
    expect(await engine.ok(["port", "web", "81/udp"])).toBe(
      (udp ?? [])
        .map(({ HostIp, HostPort }) => `${HostIp === "::" ? "[::]" : HostIp}:${HostPort}`)
        .join("\n"),
    );
  });

  test("a range to a range opens one each", async () => {
    const first = await freePorts(6);
    await detach("web", ["-p", `127.0.0.1:${first}-${first + 1}:80-81`]);
    expect(await engine.ok(["port", "web"])).toBe(
      `80/tcp -> 127.0.0.1:${first}\n81/tcp -> 127.0.0.1:${first + 1}`,
    );
  });

  test("-P opens what --expose names; without it that is only shown", async () => {
    await detach("open", ["-P", "--expose", "80", "--expose", "90-91/udp"]);
    await detach("shut", ["--expose", "80", "--expose", "90-91/udp"]);
    const ports = await live("open");
    expect(Object.keys(ports)).toEqual(["80/tcp", "90/udp", "91/udp"]);
    expect(await fetched(`http://127.0.0.1:${ports["80/tcp"]?.[0]?.HostPort}/`)).toBe("served");
    expect(await live("shut")).toEqual({ "80/tcp": null, "90/udp": null, "91/udp": null });
    expect(await engine.ok(["ps", "--filter", "name=shut", "--format", "{{.Ports}}"])).toBe(
      "80/tcp, 90-91/udp",
    );
  });

  test("-P opens what the image names, and passes over what it says wrongly", async () => {
    const image = await makeImage({
      layers: [await tinyLayer()],
      config: {
        Env: ["PATH=/bin"],
        ExposedPorts: { "80/tcp": {}, "81": {}, "90/sctp": {}, none: {}, "7000-7001/udp": {} },
      },
    });
    const name = await pushImage(`${place.registry.host}/exposing:latest`, image);
    await engine.ok(["run", "-d", "--name", "web", "-P", "--pull", "always", "-q", name, ...SERVER]);
    const ports = await live("web");
    expect(Object.keys(ports).sort()).toEqual(["7000/udp", "7001/udp", "80/tcp", "81/tcp"]);
    expect(await fetched(`http://127.0.0.1:${ports["80/tcp"]?.[0]?.HostPort}/`)).toBe("served");
  });

  test("proa port refuses what is no port, is not published, or is no container", async () => {
    await detach("web", ["-p", "127.0.0.1::80"]);
    const refusal = async (...args: string[]) => (await engine.proa(["port", ...args])).stderr.split("\n")[0];
    expect(await refusal("web", "x")).toBe('Error: port: "x": "x" is not a port');
    expect(await refusal("web", "80-81")).toBe('Error: port: "80-81": it is a range');
    expect(await refusal("web", "81")).toBe("Error: port: web: 81/tcp is not published");
    expect(await refusal("web", "80/udp")).toBe("Error: port: web: 80/udp is not published");
    expect(await refusal("nope")).toBe("Error: port: nope: no such container");
  });

  test("with --network host they are left out, and the user is told", async () => {
    const result = await engine.proa([
      "run",
      "--rm",
      "--network",
      "host",
      "-p",
      "8080:80",
      place.tiny,
      "true",
    ]);
    expect(result.stderr).toBe(
      "Warning: published ports are left out: with the network of the host every port is the host's own\n",
    );
    expect(result.exitCode).toBe(0);
  });

  test("with --network none they are left out, too, and the container runs", async () => {
    const publish = ["-p", "8080:80", "-P", "--expose", "90"];
    const result = await engine.proa(["run", "--rm", "--network", "none", ...publish, place.tiny, "true"]);
    expect(result.stderr).toBe(
      "Warning: published ports are left out: with the network none nothing reaches the container\n",
    );
    expect(result.exitCode).toBe(0);
  });
});
