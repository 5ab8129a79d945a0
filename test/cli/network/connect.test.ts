/** `proa network connect`, `disconnect` and `reload`, on containers that run and that do not; and addresses of many at once. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { missing, type ProaResult, processesOf, useTiny, waitUntil } from "../../harness";
import { removeAll, SLEEP } from "../_network";

/** An address of the network front: which one depends on those that were given out before. */
const onFront = expect.stringMatching(/^10\.90\.7\.\d+\/24$/);

describe.skipIf(missing !== null)("connecting containers", () => {
  const place = useTiny();
  const { engine } = place;
  const network = (...args: string[]): Promise<ProaResult> => engine.proa(["network", ...args]);
  const run = (name: string, ...options: string[]) =>
    engine.ok(["run", "-d", "--name", name, ...options, place.tiny, ...SLEEP]);
  const addresses = async (name: string): Promise<Record<string, string[]>> => {
    const lines = (await engine.ok(["exec", name, "ip", "-o", "addr"])).split("\n");
    const found: Record<string, string[]> = {};
    for (const line of lines) {
      const [, link = "", family, address = ""] = line.split(/\s+/);
      if (link === "lo" || address.startsWith("fe80:") || family === "link/ether") continue;
      found[link] = [...(found[link] ?? []), address];
    }
    return found;
  };
  const connected = async (name: string): Promise<string[]> =>
    Object.keys(JSON.parse(await engine.ok(["inspect", "-f", "{{json .NetworkSettings.Networks}}", name])));

  beforeAll(async () => {
    if (missing !== null) return;
    await engine.ok(["network", "create", "--subnet", "10.90.7.0/24", "front"]);
    await engine.ok(["network", "create", "--subnet", "10.90.8.0/24", "--subnet", "fd00:90:8::/64", "back"]);
  });
  afterEach(async () => {
    if (missing === null) await removeAll(place);
  });
  afterAll(() => engine.assertNothingLeft());

  test("bad input is refused with the reason, and changes nothing", async () => {
    await run("web", "--network", "front");
    await run("bare", "--network", "none");
    await run("hosted", "--network", "host");
    await run("other", "--network", "back", "--ip", "10.90.8.50");
    const cases: [string[], string, number][] = [
      [["connect", "back"], "requires exactly 2 arguments: no CONTAINER given", 125],
      [["connect", "nope", "web"], "connect container: nope: no such network", 1],
      [["connect", "back", "nope"], "connect container: nope: no such container", 1],
      [["connect", "front", "web"], "connect container: web: it is connected to network front already", 1],
      [["connect", "host", "web"], "connect container: web: host is no network to connect to", 1],
      [["connect", "back", "hosted"], "connect container: hosted: it has the network of the host", 1],
      [["connect", "back", "bare"], "connect container: bare: it was started without networks", 1],
      [["connect", "--ip", "10.90.7.9", "back", "web"], "10.90.7.9: it is in no subnet of network back", 125],
      [["connect", "--ip", "10.90.8.1", "back", "web"], "10.90.8.1: it is the gateway of network back", 125],
      [["connect", "--ip", "10.90.8.50", "back", "web"], "10.90.8.50: it is used by container other (", 125],
      [["connect", "--ip", "x", "back", "web"], "assign address: x: it is no IPv4 address", 125],
      [["connect", "--ip6", "10.90.8.9", "back", "web"], "10.90.8.9: it is no IPv6 address", 125],
      [
        ["connect", "--mac-address", "01:00:00:00:00:01", "back", "web"],
        "it is no MAC address of one interface",
        125,
      ],
      [["connect", "--alias", "a b", "back", "web"], 'network alias: "a b": it is no name of a host', 125],
      [["connect", "--driver-opt", "x=y", "back", "web"], "driver option: x: there is no such option", 125],
      [
        ["connect", "--link", "other", "back", "web"],
        "link: other: containers of a network find each other",
        125,
      ],
      [["connect", "--link-local-ip", "fe80::5", "back", "web"], "link-local address: fe80::5:", 125],
      [["disconnect", "back", "web"], "disconnect container: web: it is not connected to network back", 1],
      [["disconnect", "host", "hosted"], "disconnect container: hosted: it has the network of the host", 1],
      [["disconnect", "nope", "web"], "disconnect container: nope: no such network", 1],
      [["reload"], '"proa network reload" takes containers, or --all, or --latest', 125],
      [["reload", "--all", "web"], "takes containers, or --all, or --latest", 125],
      [["reload", "nope"], "reload networks of container: nope: no such container", 1],
      [["reload", "hosted"], "reload networks of container: hosted: it has the network of the host", 1],
    ];
    for (const [args, why, status] of cases) {
      const { stdout, stderr, exitCode } = await network(...args);
      expect(stderr).toContain(why);
      expect([args, stdout, exitCode]).toEqual([args, "", status]);
    }
    expect(await connected("web")).toEqual(["front"]);
    expect(Object.keys(await addresses("web"))).toEqual([expect.stringMatching(/^eth0/)]);
  });

  test("a running container gains an interface at once, and loses it again", async () => {
    await run("web", "--network", "front");
    const { stdout, stderr, exitCode } = await network(
      "connect",
      "--ip",
      "10.90.8.77",
      "--ip6",
      "fd00:90:8::77",
      "--mac-address",
      "02:00:00:00:00:77",
      "back",
      "web",
    );
    expect([stdout, stderr, exitCode]).toEqual(["", "", 0]);
    expect(Object.values(await addresses("web"))).toEqual([[onFront], ["10.90.8.77/24", "fd00:90:8::77/64"]]);
    expect(await engine.ok(["exec", "web", "cat", "/sys/class/net/eth1/address"])).toBe("02:00:00:00:00:77");
    expect(await connected("web")).toEqual(["back", "front"]);
    await engine.ok(["network", "disconnect", "front", "web"]);
    expect(Object.values(await addresses("web"))).toEqual([["10.90.8.77/24", "fd00:90:8::77/64"]]);
    expect(await engine.ok(["exec", "web", "ip", "route"])).toContain("default via 10.90.8.1 dev eth1");
    await engine.ok(["network", "disconnect", "back", "web"]);
    expect(await addresses("web")).toEqual({});
    expect(await connected("web")).toEqual(["none"]);
    await engine.ok(["network", "connect", "front", "web"]);
    expect(Object.values(await addresses("web"))).toEqual([[onFront]]);
  });

  test("what is connected now is what the next start has, also when that is nothing", async () => {
    await engine.ok(["create", "--name", "made", "--network", "front", place.tiny, ...SLEEP]);
    await engine.ok([
      "network",
      "connect",
      "--ip",
      "10.90.8.9",
      "--alias",
      "db",
      "--gw-priority",
      "5",
      "back",
      "made",
    ]);
    expect(await connected("made")).toEqual(["back", "front"]);
    await engine.ok(["start", "made"]);
    expect(Object.values(await addresses("made"))).toEqual([[onFront], ["10.90.8.9/24", expect.any(String)]]);
    expect(await engine.ok(["exec", "made", "ip", "route"])).toContain("default via 10.90.8.1");
    await engine.ok(["network", "disconnect", "front", "made"]);
    await engine.ok(["network", "disconnect", "back", "made"]);
    await engine.ok(["stop", "-t", "0", "made"]);
    await engine.ok(["start", "made"]);
    expect(await addresses("made")).toEqual({});
    const { stderr, exitCode } = await network("connect", "back", "made"); // its supervisor knows of no netd
    expect(stderr).toContain(
      "it was started without networks of proa's\nhint: stop it first: proa stop made",
    );
    expect([exitCode, await connected("made")]).toEqual([1, ["none"]]);
    await engine.ok(["stop", "-t", "0", "made"]);
    await engine.ok(["network", "connect", "back", "made"]);
    await engine.ok(["start", "made"]);
    expect(Object.keys(await addresses("made"))).toHaveLength(1);
  });

  test("a name that a connection adds is answered there, and no more when it is gone", async () => {
    await run("asks", "--network", "back");
    await run("answers", "--network", "front");
    const ping = () => engine.proa(["exec", "asks", "ping", "-c", "1", "-W", "2", "extra"]);
    expect((await ping()).exitCode).not.toBe(0);
    await engine.ok(["network", "connect", "--alias", "extra", "back", "answers"]);
    expect((await ping()).stderr).toBe("");
    expect((await ping()).exitCode).toBe(0);
    await engine.ok(["network", "disconnect", "back", "answers"]);
    expect((await ping()).exitCode).not.toBe(0);
  });

  test("one that is renamed answers to its new name, and no more to the old one", async () => {
    await run("asks", "--network", "back");
    await run("first", "--network", "back");
    const answers = async (name: string): Promise<boolean> =>
      (await engine.proa(["exec", "asks", "ping", "-c", "1", "-W", "2", name])).exitCode === 0;
    expect(await answers("first")).toBe(true);
    await engine.ok(["rename", "first", "second"]);
    expect([await answers("first"), await answers("second")]).toEqual([false, true]);
  });

  test("disconnect -f takes for done what is not connected", async () => {
    await run("web", "--network", "front");
    const { stdout, stderr, exitCode } = await network("disconnect", "-f", "back", "web");
    expect([stdout, stderr, exitCode]).toEqual(["", "", 0]);
  });

  test("connects and disconnects of one container at once all count", async () => {
    const names = ["n1", "n2", "n3", "n4", "n5"];
    await Promise.all(names.map((name) => engine.ok(["network", "create", name])));
    await run("web", "--network", "front");
    await Promise.all(names.map((name) => engine.ok(["network", "connect", name, "web"])));
    expect(Object.keys(await addresses("web"))).toHaveLength(6);
    await Promise.all(
      ["front", ...names.slice(1)].map((name) => engine.ok(["network", "disconnect", name, "web"])),
    );
    expect(Object.keys(await addresses("web"))).toHaveLength(1);
    expect(await connected("web")).toEqual(["n1"]);
    await engine.ok(["rm", "-f", "web"]);
    await engine.ok(["network", "rm", ...names]);
  });

  test("a run directory that cannot be written is named, and nothing is connected", async () => {
    const id = await run("web", "--network", "front");
    const directory = join(engine.sandbox.runtimeDir, "proa/containers", id);
    chmodSync(directory, 0o500);
    const { stderr, exitCode } = await network("connect", "back", "web");
    chmodSync(directory, 0o700);
    expect(stderr).toBe(`Error: write connections: ${join(directory, "network.json")}: permission denied\n`);
    expect([exitCode, await connected("web")]).toEqual([125, ["front"]]);
  });

  test("reload brings back what is missing, and prints ids", async () => {
    const id = await run("web", "--network", "front", "--cap-add", "NET_ADMIN", "-p", "80");
    await run("bare", "--network", "none");
    const port = await engine.ok(["port", "web"]);
    await engine.ok(["exec", "web", "ip", "link", "set", "eth0", "down"]);
    await engine.ok(["exec", "web", "ip", "addr", "flush", "dev", "eth0"]);
    expect(await addresses("web")).toEqual({});
    expect(await engine.ok(["network", "reload", "web"])).toBe(id);
    expect(Object.values(await addresses("web"))).toEqual([[onFront]]);
    expect(await engine.ok(["exec", "web", "ip", "route"])).toContain("default via");
    expect(await engine.ok(["port", "web"])).toBe(port);
    expect(await engine.ok(["network", "reload", "--all"])).toBe(id);
    expect(Object.values(await addresses("web"))).toEqual([[onFront]]);
  });

  test("works right after netd was killed, and what was there stays", async () => {
    await run("web", "--network", "front");
    for (const { pid, command } of processesOf(engine.sandbox))
      if (command === "proa-netd") process.kill(pid, "SIGKILL");
    await engine.ok(["network", "connect", "back", "web"]);
    expect(Object.values(await addresses("web"))).toEqual([
      [onFront],
      [expect.any(String), expect.any(String)],
    ]);
    expect((await engine.proa(["exec", "web", "ping", "-c", "1", "-W", "2", "10.90.8.1"])).exitCode).toBe(0);
  });

  test("a container whose supervisor was killed holds neither address nor name, and keeps its connections", async () => {
    const id = await run("web", "--network", "front:ip=10.90.7.60,alias=db");
    for (const { pid, command } of processesOf(engine.sandbox))
      if (command === `proa-supervise ${id}`) process.kill(pid, "SIGKILL");
    await waitUntil(async () => (await engine.ok(["ps", "-q"])) === "", { what: "the end of the container" });
    await run("next", "--network", "front:ip=10.90.7.60");
    await engine.ok(["rm", "-f", "next"]);
    await engine.ok(["start", "web"]);
    expect(Object.values(await addresses("web"))).toEqual([["10.90.7.60/24"]]);
    expect(await connected("web")).toEqual(["front"]);
  });

  test("twenty started at once have twenty addresses", async () => {
    const names = Array.from({ length: 20 }, (_, at) => `many${at}`);
    await Promise.all(names.map((name) => run(name, "--network", "back")));
    const format =
      "{{.NetworkSettings.Networks.back.IPAddress}} {{.NetworkSettings.Networks.back.GlobalIPv6Address}}";
    const given = await Promise.all(names.map((name) => engine.ok(["inspect", "-f", format, name])));
    expect(new Set(given.flatMap((line) => line.split(" "))).size).toBe(40);
    expect(await engine.ok(["network", "inspect", "-f", "{{len .Containers}}", "back"])).toBe("20");
  }, 120_000);

  test("the address of one that was killed is no loss: a static one can be had at once", async () => {
    const first = await run("one", "--network", "front", "--ip", "10.90.7.40");
    await engine.ok(["kill", "one"]);
    await engine.ok(["wait", "one"]);
    await run("two", "--network", "front", "--ip", "10.90.7.40");
    const start = await engine.proa(["start", "one"]);
    expect(start.stderr).toContain("assign address: 10.90.7.40: it is used by container two (");
    expect(start.exitCode).not.toBe(0);
    expect(first).toMatch(/^[0-9a-f]{64}$/);
  });
});
