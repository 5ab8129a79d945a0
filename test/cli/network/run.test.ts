/** A container on networks: what it has when nothing is said, what it keeps over a restart, and what it gives back. */
import { afterEach, describe, expect, test } from "bun:test";
import { missing, processesOf, useTiny, waitUntil } from "../../harness";
import { removeAll, SLEEP } from "../_network";
import { inspect, shell, supervisorOf } from "../container/_shell";

describe.skipIf(missing !== null)("run on networks", () => {
  const place = useTiny();
  const { engine } = place;
  const detach = (name: string, options: string[] = [], command = SLEEP) =>
    engine.ok(["run", "-d", "--name", name, ...options, place.tiny, ...command]);
  const address = (name: string, network = "proa") =>
    inspect(place, name, `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`);
  const connectedTo = async (network: string): Promise<string[]> => {
    const containers = JSON.parse(
      await engine.ok(["network", "inspect", "-f", "{{json .Containers}}", network]),
    );
    return Object.values(containers as Record<string, { Name: string }>).map(({ Name }) => Name);
  };
  afterEach(async () => {
    if (missing === null) await removeAll(place);
  });

  test("without --network a container is in the network proa: an address of each family, a way out, names", async () => {
    const script =
      "ip -o addr show eth0 scope global | awk '{print $3}'; ip route | grep -c ^default; ip -6 route | grep -c ^default";
    expect(await shell(place, [], script)).toBe("inet\ninet6\n1\n1");
    await detach("web");
    expect(await inspect(place, "web", "{{.HostConfig.NetworkMode}}")).toBe("bridge");
    expect(await connectedTo("proa")).toEqual(["web"]);
    expect(await engine.ok(["ps", "--format", "{{.Networks}}"])).toBe("proa");
    expect(await engine.ok(["ps", "-q", "--filter", "network=bridge"])).toBe(await engine.ok(["ps", "-q"]));
    expect(await engine.ok(["ps", "-q", "--filter", "network=other"])).toBe("");
  });

  test("--network bridge, private and proa mean the same network", async () => {
    for (const name of ["bridge", "private", "proa", "default"]) {
      await detach(`on-${name}`, ["--network", name]);
      expect(await address(`on-${name}`)).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
    }
    expect((await connectedTo("proa")).length).toBe(4);
  });

  test("containers reach each other by address and by name", async () => {
    await detach("web");
    const at = await address("web");
    expect(await shell(place, [], `ping -c 1 -q ${at} | grep -o '1 packets received'`)).toBe(
      "1 packets received",
    );
    expect(await shell(place, [], `nslookup web | grep -c "${at}"`)).toBe("1");
  });

  test("the host's loopback is reached by its name where that was asked for, and else refused", async () => {
    const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("host") });
    const script = (name: string) =>
      `timeout 5 wget -qO- http://${name}:${server.port}/ 2>/dev/null || echo refused`;
    for (const [options, answer] of [
      [[], "refused"],
      [["--network", "bridge"], "refused"],
      [["--network", "bridge:host-loopback"], "host"],
      [["--network", "name=proa,driver-opt=host-loopback=true"], "host"],
    ] as const) {
      for (const name of ["host.containers.internal", "169.254.1.2"])
        expect([options, name, await shell(place, [...options], script(name))]).toEqual([
          options,
          name,
          answer,
        ]);
    }
    server.stop(true);
  });

  test("several networks give an interface each, in their order", async () => {
    await engine.ok(["network", "create", "--subnet", "10.95.0.0/24", "front"]);
    await engine.ok(["network", "create", "--subnet", "10.95.1.0/24", "back"]);
    const script =
      "for i in eth0 eth1; do ip -o -4 addr show $i | awk '{print $4}' | sed 's/[0-9]*.24$//'; done";
    expect(await shell(place, ["--network", "back", "--network", "front"], script)).toBe(
      "10.95.1.\n10.95.0.",
    );
    await engine.ok(["network", "rm", "front", "back"]);
  });

  test("inspect shows the connection while it is there, and what was asked for afterwards", async () => {
    const id = await detach("web", [
      "--ip",
      "10.88.77.7",
      "--network-alias",
      "www",
      "--mac-address",
      "02:00:00:00:00:07",
    ]);
    const networks = async () =>
      JSON.parse(await inspect(place, "web", "{{json .NetworkSettings.Networks}}"));
    const { proa } = await networks();
    expect(proa).toMatchObject({
      IPAMConfig: { IPv4Address: "10.88.77.7" },
      Aliases: ["www"],
      MacAddress: "02:00:00:00:00:07",
      IPAddress: "10.88.77.7",
      IPPrefixLen: 16,
      Gateway: "10.88.0.1",
      DNSNames: ["web", "www", id.slice(0, 12)],
    });
    expect(proa.EndpointID).toMatch(/^[0-9a-f]{64}$/);
    expect(
      await inspect(place, "web", "{{.NetworkSettings.IPAddress}} {{.NetworkSettings.MacAddress}}"),
    ).toBe("10.88.77.7 02:00:00:00:00:07");
    await engine.ok(["stop", "-t", "0", "web"]);
    expect((await networks()).proa).toMatchObject({
      IPAMConfig: { IPv4Address: "10.88.77.7" },
      IPAddress: "",
      EndpointID: "",
    });
    expect(await inspect(place, "web", "{{.NetworkSettings.EndpointID}}")).toBe("");
    await engine.ok(["start", "web"]);
    expect(await address("web")).toBe("10.88.77.7");
  });

  test("an address that was chosen is given back at the end, by rm, --rm and a kill", async () => {
    const options = ["--ip", "10.88.66.6"];
    const isFree = () => engine.ok(["run", "--rm", ...options, place.tiny, "true"]);
    await detach("one", options);
    const taken = await engine.proa(["run", "--rm", ...options, place.tiny, "true"]);
    expect(taken.stderr).toContain("10.88.66.6: it is used by container one");
    expect(taken.exitCode).toBe(125);
    await engine.ok(["stop", "-t", "0", "one"]);
    await isFree();
    await engine.ok(["start", "one"]);
    await engine.ok(["rm", "-f", "one"]);
    await isFree();
    await isFree();
    const id = await detach("two", options);
    process.kill(supervisorOf(place, id), "SIGKILL");
    await waitUntil(() => processesOf(engine.sandbox).every(({ command }) => !command.includes(id)), {
      what: "its end",
    });
    await isFree();
  });

  test("a failed start leaves no connection and no address", async () => {
    const result = await engine.proa([
      "run",
      "--name",
      "bad",
      "--ip",
      "10.88.55.5",
      place.tiny,
      "/no/such/program",
    ]);
    expect(result.exitCode).toBe(127);
    expect(await connectedTo("proa")).toEqual([]);
    await engine.ok(["run", "--rm", "--ip", "10.88.55.5", place.tiny, "true"]);
  });

  test("a container that was created is connected when it is started", async () => {
    await engine.ok(["network", "create", "--subnet", "10.95.2.0/24", "later"]);
    await engine.ok(["create", "--name", "web", "--network", "later", place.tiny, ...SLEEP]);
    expect(await address("web", "later")).toBe("");
    expect(await connectedTo("later")).toEqual([]);
    await engine.ok(["start", "web"]);
    expect(await address("web", "later")).toBe("10.95.2.2");
    expect(await connectedTo("later")).toEqual(["web"]);
    await engine.ok(["rm", "-f", "web"]);
    await engine.ok(["network", "rm", "later"]);
  });

  test("a start is refused where the network has been removed", async () => {
    await engine.ok(["network", "create", "gone"]);
    await engine.ok(["create", "--name", "web", "--network", "gone", place.tiny, ...SLEEP]);
    await engine.ok(["network", "rm", "--force", "gone"]);
    const result = await engine.proa(["start", "web"]);
    expect(result.stderr).toContain("connect container: gone: no such network");
    expect(result.exitCode).not.toBe(0);
    expect(await inspect(place, "web", "{{.State.Status}}")).toBe("created");
  });

  test("the start with netd's end under way has netd begin again", async () => {
    for (let i = 0; i < 5; i++) expect(await shell(place, [], "ip -o link show eth0 | wc -l")).toBe("1");
  });

  test("a container without a network starts no netd", async () => {
    await waitUntil(
      () => !processesOf(engine.sandbox).some(({ command }) => command.startsWith("proa-netd")),
      {
        what: "the end of netd",
      },
    );
    await detach("alone", ["--network", "none"]);
    expect(processesOf(engine.sandbox).some(({ command }) => command.startsWith("proa-netd"))).toBe(false);
  });
});
