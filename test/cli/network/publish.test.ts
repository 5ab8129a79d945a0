/** Published TCP ports: who the server sees, what a connection carries, and how ports are taken and given back. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer, type Server } from "node:net";
import { netMissing, useNet, waitUntil } from "../../harness";
import { removeAll } from "../_network";
import { printed } from "../container/_shell";
import { type Family, freePorts, gatewayOf, hostPort, LOOPBACK, ownAddress, start } from "./_net";
import { CASES, here, inside, peer } from "./_tcp";

const why = netMissing === null ? "" : ` (${netMissing})`;

describe.skipIf(netMissing !== null)(`published tcp ports${why}`, () => {
  const place = useNet();
  const { engine } = place;
  const servers: Server[] = [];

  const serving = async (name: string, ...options: string[]) => listening(name, "::", ...options);
  const listening = async (name: string, on: string, ...options: string[]) => {
    await start(place, name, peer("server", on, 7000), ...options);
    await printed(place, name, "7000");
  };
  /** Listen on a port of the host ourselves; returns it. */
  const taken = async (address = "127.0.0.1", port = 0): Promise<number> => {
    const server = createServer().listen(port, address);
    servers.push(server);
    await new Promise((done) => server.once("listening", done));
    return (server.address() as { port: number }).port;
  };
  const free = async (): Promise<number> => {
    const port = await taken("::");
    await new Promise((done) => servers.pop()?.close(done));
    return port;
  };
  const asked = <T>(to: string, at: number, what: string) => here<T>(peer("client", to, at, what));
  let port = 0;

  beforeAll(async () => {
    if (netMissing !== null) return;
    await serving("web", "-p", "7000");
    port = await hostPort(place, "web", 7000);
  }, 120_000);
  afterAll(() => {
    for (const server of servers) server.close();
  });

  describe.each([4, 6] as Family[])("by IPv%d", (family) => {
    test.each(CASES)("%s is what it is without a container", async (what, expected) => {
      expect(await asked<unknown>(LOOPBACK[family], port, what)).toEqual(expected);
    });

    test("a client on the host's loopback is seen as the gateway, with its own port", async () => {
      const [address, seen, , own] = await asked<[string, number, string, number]>(
        LOOPBACK[family],
        port,
        "who",
      );
      expect(address).toBe(await gatewayOf(place, family));
      expect(seen).toBe(own);
    });
  });

  test("a server that listens on IPv4 only is reached by IPv6 as well, from the gateway", async () => {
    await listening("four", "0.0.0.0", "-p", "7000");
    const at = await hostPort(place, "four", 7000);
    const [address, seen, , own] = await asked<[string, number, string, number]>("::1", at, "who");
    expect([address, seen]).toEqual([await gatewayOf(place, 4), own]);
    expect(await asked<unknown>("::1", at, "sizes")).toBe(true);
    await engine.ok(["rm", "-f", "four"]);
  });

  test.skipIf(ownAddress === undefined)("the server sees the client's own address and port", async () => {
    const [address, seen, mine, own] = await asked<[string, number, string, number]>(
      ownAddress ?? "",
      port,
      "who",
    );
    expect([address, seen]).toEqual([mine, own]);
    expect(address).toBe(ownAddress as string);
  });

  test.skipIf(ownAddress === undefined)("nginx logs the client's own address", async () => {
    const conf = `daemon off; user root root; pid /tmp/n.pid; error_log /dev/null; events {} http { access_log /dev/stdout;
client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
server { listen 80; listen [::]:80; location / { return 200 "served\\n"; } } }`;
    await engine.ok([
      ...["run", "-d", "--name", "nginx", "-p", "80", "--env", `CONF=${conf}`, place.net],
      ...["sh", "-c", 'echo "$CONF" >/tmp/conf; exec nginx -e /dev/null -c /tmp/conf'],
    ]);
    const url = `http://${ownAddress}:${await hostPort(place, "nginx", 80)}/`;
    await waitUntil(async () => (await fetch(url).catch(() => null))?.status === 200, {
      what: `answer of ${url}`,
    });
    const client = Bun.spawnSync(["curl", "-s", "--max-time", "10", "-A", "the client", url]);
    expect(client.stdout.toString()).toBe("served\n");
    await waitUntil(async () => (await engine.ok(["logs", "nginx"])).includes('"the client"'), {
      what: "the log",
    });
    const line = (await engine.ok(["logs", "nginx"])).split("\n").find((l) => l.includes('"the client"'));
    expect(line?.split(" ")[0]).toBe(ownAddress as string);
    await engine.ok(["rm", "-f", "nginx"]);
  });

  test.skipIf(ownAddress === undefined)(
    "a container reaches it by the host's address, and is seen as the host",
    async () => {
      await listening("caller", "::");
      const command = peer("client", ownAddress ?? "", port, "who");
      const [address] = await inside<[string, number, string, number]>(engine, "caller", command);
      expect(address).toBe(ownAddress as string);
      await engine.ok(["rm", "-f", "caller"]);
    },
  );

  test("1,000 connections one after the other all come through", async () => {
    expect(await asked<unknown>("127.0.0.1", port, "many 1000")).toBe(1000);
  });

  test("a port where nothing listens in the container resets the client", async () => {
    await serving("silent", "-p", "7001");
    const client = Bun.spawn(
      [
        ...[
          "python3",
          "-c",
          "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); print(s.recv(1))",
        ],
        `${await hostPort(place, "silent", 7001)}`,
      ],
      { stderr: "pipe" },
    );
    expect(await client.stderr.text()).toContain("ConnectionResetError");
    await engine.ok(["rm", "-f", "silent"]);
  });

  test("a port of one address is open there only", async () => {
    await serving("local", "-p", "127.0.0.1::7000", "-p", "[::1]::7000");
    const lines = (await engine.ok(["port", "local", "7000"])).split("\n");
    expect(lines.map((l) => l.replace(/\d+$/, ""))).toEqual(["127.0.0.1:", "[::1]:"]);
    for (const line of lines) {
      const at = Number(line.split(":").at(-1));
      expect(await asked<unknown>(line.startsWith("[") ? "::1" : "127.0.0.1", at, "many 1")).toBe(1);
      if (ownAddress !== undefined) {
        const [error] = await asked<[unknown, number]>(ownAddress, at, "connect");
        expect(error).toBe(111);
      }
    }
    await engine.ok(["rm", "-f", "local"]);
  });

  test("a range leads to as many ports, and of a range for one port the first free one is taken", async () => {
    const first = await freePorts(3);
    await serving("several", "-p", `${first}-${first + 2}:7000-7002`);
    expect(await hostPort(place, "several", 7001)).toBe(first + 1);
    expect(await asked<unknown>("127.0.0.1", first, "many 1")).toBe(1);
    await serving("one", "-p", `${first}-${first + 20}:7000`);
    const at = await hostPort(place, "one", 7000);
    expect(at).toBeGreaterThan(first + 2);
    expect(await asked<unknown>("127.0.0.1", at, "many 1")).toBe(1);
    await engine.ok(["rm", "-f", "several", "one"]);
  });

  test("all ports are taken or none, and the one that is not free is named", async () => {
    const other = await free();
    const busy = await taken();
    const result = await engine.proa([
      ...["run", "-d", "--name", "both", "-p", `127.0.0.1:${other}:80`, "-p", `127.0.0.1:${busy}:81`],
      ...[place.net, "sleep", "1000"],
    ]);
    expect(result.exitCode).toBe(125);
    expect(result.stderr).toContain(`127.0.0.1:${busy}/tcp`);
    await taken("127.0.0.1", other); // throws where it is not free
  });

  test("a port is given back with its container, also when it was killed", async () => {
    const at = await free();
    await serving("gone", "-p", `127.0.0.1:${at}:7000`);
    expect(await asked<unknown>("127.0.0.1", at, "many 1")).toBe(1);
    await engine.ok(["kill", "gone"]);
    await engine.ok(["wait", "gone"]);
    await taken("127.0.0.1", at);
  });

  test("nothing is left of them", () => removeAll(place));
});
