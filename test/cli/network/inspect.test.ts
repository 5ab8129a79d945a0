/** `proa network inspect`, `inspect` and `stats`: who is connected. */
import { beforeAll, describe, expect, test } from "bun:test";
import { missing, useTiny } from "../../harness";
import { removeAll, SLEEP } from "../_network";

describe.skipIf(missing !== null)("network inspect", () => {
  const place = useTiny();
  const { engine } = place;
  const inspect = (...args: string[]) => engine.proa(["network", "inspect", ...args]);

  beforeAll(async () => {
    if (missing !== null) return;
    await engine.ok(["network", "create", "--subnet", "10.90.6.0/24", "back"]);
    await engine.ok(["run", "-d", "--name", "web", "--network", "back:alias=db", place.tiny, ...SLEEP]);
    await engine.ok(["create", "--name", "made", "--network", "back", place.tiny, "true"]);
  });

  test("refuses what is not there after printing what is, exit status 1", async () => {
    const { stdout, stderr, exitCode } = await inspect("back", "nope");
    expect(JSON.parse(stdout)).toHaveLength(1);
    expect(stderr).toBe("Error: inspect network: nope: no such network\nhint: list them: proa network ls\n");
    expect(exitCode).toBe(1);
    expect((await inspect()).exitCode).toBe(125);
    expect((await inspect("-f", "{{.Nope}}", "back")).stderr).toContain("Nope");
  });

  test("names the containers that run, with their addresses", async () => {
    const id = await engine.ok(["inspect", "-f", "{{.Id}}", "web"]);
    const [{ Containers }] = JSON.parse((await inspect("back")).stdout);
    expect(Containers).toEqual({
      [id]: {
        Name: "web",
        EndpointID: expect.stringMatching(/^[0-9a-f]{64}$/),
        MacAddress: "02:42:0a:5a:06:02",
        IPv4Address: "10.90.6.2/24",
        IPv6Address: "",
      },
    });
    expect(Containers[id].EndpointID).toBe(
      await engine.ok(["inspect", "-f", "{{.NetworkSettings.Networks.back.EndpointID}}", "web"]),
    );
  });

  test("templates go over the containers as over a map", async () => {
    const { stdout } = await inspect(
      "-f",
      "{{range $id, $c := .Containers}}{{$c.Name}} {{$c.IPv4Address}}{{end}}",
      "back",
    );
    expect(stdout).toBe("web 10.90.6.2/24\n");
  });

  test("-v adds aliases, and those that do not run", async () => {
    const [document] = JSON.parse((await inspect("-v", "back")).stdout);
    expect(Object.values(document.Containers)).toEqual([
      expect.objectContaining({ Interface: "eth0", Aliases: ["db"] }),
    ]);
    expect(Object.values(document.Stopped)).toEqual([{ Name: "made" }]);
  });

  test("a container that has ended is connected no more", async () => {
    await engine.ok(["run", "--name", "short", "--network", "back", place.tiny, "true"]);
    const names = "{{range .Containers}}{{.Name}} {{end}}";
    expect((await inspect("-f", names, "back")).stdout.trim()).toBe("web");
  });

  test("proa inspect finds networks behind containers and images", async () => {
    expect(await engine.ok(["inspect", "-f", "{{.Driver}}", "back"])).toBe("bridge");
    expect(await engine.ok(["inspect", "--type", "network", "-f", "{{.Name}}", "bridge"])).toBe("proa");
    expect((await engine.proa(["inspect", "--type", "container", "back"])).stderr).toContain(
      "no such container",
    );
  });

  test("has podman's names, too", async () => {
    const { stdout } = await inspect(
      "-f",
      "{{.ID}} {{.NetworkInterface}} {{.IPv6Enabled}}{{range .Subnets}} {{.Subnet}} {{.Gateway}}{{end}}",
      "back",
    );
    const [{ Id, Interface }] = JSON.parse((await inspect("back")).stdout);
    expect(stdout).toBe(`${Id} ${Interface} false 10.90.6.0/24 10.90.6.1\n`);
  });

  test("templates find the default network by docker's name, and no other by it", async () => {
    await engine.ok(["run", "-d", "--name", "plain", place.tiny, ...SLEEP]);
    const { Networks } = JSON.parse(await engine.ok(["inspect", "-f", "{{json .NetworkSettings}}", "plain"]));
    expect(Object.keys(Networks)).toEqual(["proa"]);
    const ask = (name: string, template: string) => engine.ok(["inspect", "-f", template, name]);
    const address = Networks.proa.IPAddress;
    expect(await ask("plain", "{{.NetworkSettings.Networks.bridge.IPAddress}}")).toBe(address);
    expect(await ask("plain", '{{(index .NetworkSettings.Networks "bridge").IPAddress}}')).toBe(address);
    expect(await ask("plain", "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}")).toBe(
      "proa",
    );
    const other = await engine.proa([
      "inspect",
      "-f",
      "{{.NetworkSettings.Networks.bridge.IPAddress}}",
      "web",
    ]);
    expect(other.exitCode).toBe(1);
    await engine.ok(["rm", "-f", "plain"]);
  });

  test("network stats counts what a container receives and sends", async () => {
    const bytes = async (): Promise<number[]> =>
      (await engine.ok(["network", "stats", "--format", "{{.RxBytes}} {{.TxBytes}}", "web"]))
        .split(" ")
        .map(Number);
    const [rx = 0, tx = 0] = await bytes();
    await engine
      .ok(["exec", "web", "ping", "-c", "3", "-i", "0.1", "-s", "1000", "10.90.6.1"])
      .catch(() => undefined);
    await engine.ok([
      "run",
      "--rm",
      "--network",
      "back",
      place.tiny,
      "ping",
      "-c",
      "2",
      "-s",
      "1000",
      "10.90.6.2",
    ]);
    const [rxAfter = 0, txAfter = 0] = await bytes();
    expect(rxAfter - rx).toBeGreaterThan(2000);
    expect(txAfter - tx).toBeGreaterThan(2000);
    const [header, row] = (await engine.ok(["network", "stats"])).split("\n");
    expect(header?.split(/ {2,}/)).toEqual([
      "CONTAINER ID",
      "NAME",
      "NETWORK",
      "INTERFACE",
      "RECEIVED",
      "SENT",
    ]);
    expect(row).toMatch(/^[0-9a-f]{12} +web +back +eth0 +\S+B +\S+B$/);
    const { stderr, exitCode } = await engine.proa(["network", "stats", "nope"]);
    expect([stderr.split("\n")[0], exitCode]).toEqual([
      "Error: show statistics of container: nope: no such container",
      1,
    ]);
  });

  test("nothing is left when the containers are removed", () => removeAll(place));
});
