/** What the options of `network create` do to containers. */
import { afterEach, describe, expect, test } from "bun:test";
import { missing, useTiny } from "../../harness";
import { removeAll, SLEEP } from "../_network";

describe.skipIf(missing !== null)("options of network create", () => {
  const place = useTiny();
  const { engine } = place;
  const create = (...args: string[]) => engine.ok(["network", "create", ...args]);
  const run = (name: string, ...options: string[]) =>
    engine.ok(["run", "-d", "--name", name, ...options, place.tiny, ...SLEEP]);
  const inside = (name: string, ...command: string[]) => engine.proa(["exec", name, ...command]);
  const address = (name: string, network: string) =>
    engine.ok(["inspect", "-f", `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`, name]);
  const reaches = async (name: string, target: string): Promise<boolean> =>
    (await inside(name, "ping", "-c", "1", "-W", "1", target)).exitCode === 0;

  afterEach(async () => {
    if (missing !== null) return;
    await removeAll(place);
    await engine.ok(["network", "prune", "-f"]);
  });

  test("mtu is that of the interface, the prefix begins its name", async () => {
    await create("-o", "mtu=1300", "-o", "com.docker.network.container_iface_prefix=lan", "net");
    await run("web", "--network", "net");
    expect((await inside("web", "ip", "link", "show", "lan0")).stdout).toContain("mtu 1300");
  });

  test("enable_icc=false keeps the containers of a network from each other, not from the gateway", async () => {
    await create("-o", "com.docker.network.bridge.enable_icc=false", "apart");
    await create("-o", "isolate=true", "together");
    await Promise.all(
      ["apart", "together"].flatMap((net) => ["1", "2"].map((at) => run(`${net}${at}`, "--network", net))),
    );
    expect(await reaches("apart1", await address("apart2", "apart"))).toBe(false);
    expect((await inside("apart1", "nslookup", "apart1")).stdout).toContain(await address("apart1", "apart"));
    expect(await reaches("together1", await address("together2", "together"))).toBe(true);
  });

  test("containers of different networks do not reach each other, those of an internal one only each other", async () => {
    await create("one");
    await create("two");
    await create("--internal", "inner");
    await run("a1", "--network", "one");
    await run("b1", "--network", "two");
    await run("i1", "--network", "inner");
    await run("i2", "--network", "inner");
    expect(await reaches("a1", await address("b1", "two"))).toBe(false);
    expect(await reaches("i1", await address("i2", "inner"))).toBe(true);
    expect(await reaches("i1", await address("a1", "one"))).toBe(false);
    expect((await inside("i1", "ip", "route")).stdout).not.toContain("default");
  });

  test("no_default_route and --route are what the container's table says", async () => {
    await create(
      ...["--subnet", "10.90.9.0/24", "-o", "no_default_route=1"],
      ...["--route", "10.200.0.0/16,10.90.9.77", "side"],
    );
    await run("web", "--network", "side");
    const table = (await inside("web", "ip", "route")).stdout;
    expect(table).not.toContain("default");
    expect(table).toContain("10.200.0.0/16 via 10.90.9.77 dev eth0");
  });

  test("host_binding_ipv4 is where ports are published that name no address", async () => {
    await create("-o", "com.docker.network.bridge.host_binding_ipv4=127.0.0.2", "net");
    await run("web", "--network", "net", "-p", "80", "-p", "127.0.0.3::81");
    const ports = JSON.parse(await engine.ok(["inspect", "-f", "{{json .NetworkSettings.Ports}}", "web"]));
    expect(ports["80/tcp"]).toEqual([{ HostIp: "127.0.0.2", HostPort: expect.any(String) }]);
    expect(ports["81/tcp"]).toEqual([{ HostIp: "127.0.0.3", HostPort: expect.any(String) }]);
  });

  test("the gateway and the range are where they were asked for", async () => {
    const range = ["--gateway", "10.90.9.254", "--ip-range", "10.90.9.64/26"];
    await create("--subnet", "10.90.9.0/24", ...range, "net");
    await run("web", "--network", "net");
    expect(await address("web", "net")).toBe("10.90.9.64");
    expect((await inside("web", "ip", "route")).stdout).toContain("default via 10.90.9.254");
  });

  test("containers in different subnets of one network reach each other", async () => {
    const subnets = ["10.90.11.0/30", "10.90.12.0/24", "fd00:90:11::/126", "fd00:90:12::/64"];
    await create(...subnets.flatMap((subnet) => ["--subnet", subnet]), "wide");
    await run("w1", "--network", "wide");
    await run("w2", "--network", "wide");
    const [one, two] = [await address("w1", "wide"), await address("w2", "wide")];
    expect([one, two]).toEqual(["10.90.11.2", "10.90.12.2"]);
    expect([await reaches("w1", two), await reaches("w2", one)]).toEqual([true, true]);
    await run("w3", "--network", "wide");
    const six = (name: string) =>
      engine.ok(["inspect", "-f", "{{.NetworkSettings.Networks.wide.GlobalIPv6Address}}", name]);
    expect([await six("w1"), await six("w3")]).toEqual(["fd00:90:11::2", "fd00:90:12::3"]);
    expect(await reaches("w1", await six("w3"))).toBe(true);
  });

  test("an IPv6 network has IPv6 addresses and a way out, one without has none", async () => {
    await create("--ipv6", "--ipv4=false", "six");
    await create("four");
    await run("v6", "--network", "six");
    await run("v4", "--network", "four");
    const six = (await inside("v6", "ip", "addr", "show", "eth0")).stdout;
    expect(six).toMatch(/inet6 fd[0-9a-f:]+\/64 scope global/);
    expect(six).not.toContain("inet ");
    expect((await inside("v6", "ip", "-6", "route")).stdout).toContain("default via fd");
    expect((await inside("v4", "ip", "-6", "route")).stdout).not.toContain("default");
  });
});
