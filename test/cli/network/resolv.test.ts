/** /etc/resolv.conf of a container: netd at the gateways, or who else answers. */
import { afterEach, describe, expect, test } from "bun:test";
import { missing, useTiny } from "../../harness";
import { removeAll, SLEEP } from "../_network";
import { shell } from "../container/_shell";

describe.skipIf(missing !== null)("/etc/resolv.conf", () => {
  const place = useTiny();
  const { engine } = place;
  const resolv = (...options: string[]) => shell(place, options, "cat /etc/resolv.conf");
  const servers = async (...options: string[]) =>
    (await resolv(...options)).split("\n").flatMap((line) => /^nameserver (.*)/.exec(line)?.[1] ?? []);
  afterEach(async () => {
    if (missing === null) await removeAll(place);
  });

  test("names the gateways of the container's networks, IPv4 first, and asks single names as they are", async () => {
    const text = await shell(place, [], "ip route | awk '/^default/ {print $3}'; cat /etc/resolv.conf");
    const [gateway = "", first = "", ...rest] = text.split("\n");
    expect(first).toBe(`nameserver ${gateway}`);
    expect(rest.at(-1)).toMatch(/^options .*\bndots:0$/);
  });

  test("names the servers of --dns nowhere: netd asks them", async () => {
    expect(await servers("--dns", "198.51.100.1")).not.toContain("198.51.100.1");
  });

  test("has the domains and options that were asked for", async () => {
    const text = await resolv(
      "--dns-search",
      "a.example",
      "--dns-search",
      "b.example",
      "--dns-option",
      "ndots:2",
      "--dns-opt",
      "use-vc",
    );
    expect(text).toContain("\nsearch a.example b.example\noptions ndots:2 use-vc");
    expect(await resolv("--dns-search", ".")).not.toContain("search");
  });

  test("is the image's with --dns none, where it has one", async () => {
    expect(await shell(place, ["--dns", "none"], "cat /etc/resolv.conf 2>&1 || true")).toContain(
      "No such file",
    );
    const own = ["--network", "none", "--name", "own", place.tiny, "sh", "-c", "echo own >/etc/resolv.conf"];
    await engine.ok(["run", "--dns", "none", ...own]);
    expect(await engine.ok(["diff", "own"])).toContain("A /etc/resolv.conf");
    const both = await engine.proa(["run", "--rm", "--dns", "none", "--dns-search", "a", place.tiny, "true"]);
    expect(both.stderr).toContain("dns: none: it leaves nothing to write --dns-search");
    expect(both.exitCode).toBe(125);
    expect(
      (await engine.proa(["run", "--rm", "--dns", "none", "--dns", "1.1.1.1", place.tiny])).stderr,
    ).toContain("dns: none: it is not an IP address");
  });

  test("names three servers at most, of several networks", async () => {
    for (const at of [0, 1, 2])
      await engine.ok(["network", "create", "--ipv6", "--subnet", `10.94.${at}.0/24`, `n${at}`]);
    const options = ["n0", "n1", "n2"].flatMap((name) => ["--network", name]);
    expect(await servers(...options)).toEqual(["10.94.0.1", "10.94.1.1", "10.94.2.1"]);
    await engine.ok(["network", "rm", "n0", "n1", "n2"]);
  });

  test("has the container ask for itself where no network answers names", async () => {
    await engine.ok(["network", "create", "--disable-dns", "mute"]);
    expect(await servers("--network", "mute", "--dns", "198.51.100.1", "--dns", "198.51.100.2")).toEqual([
      "198.51.100.1",
      "198.51.100.2",
    ]);
    expect(await servers("--network", "mute")).not.toContain("127.0.0.53");
    await engine.ok(["network", "rm", "mute"]);
  });

  test("with --network host it is the host's, until something else is asked for", async () => {
    const own = (await Bun.file("/etc/resolv.conf").exists())
      ? await Bun.file("/etc/resolv.conf").text()
      : "";
    expect(await resolv("--network", "host")).toBe(own.trim());
    expect(await servers("--network", "host", "--dns", "198.51.100.1")).toEqual(["198.51.100.1"]);
  });

  test("follows the container's connections while it runs", async () => {
    await engine.ok(["network", "create", "--subnet", "10.94.5.0/24", "first"]);
    await engine.ok(["network", "create", "--subnet", "10.94.6.0/24", "second"]);
    await engine.ok(["run", "-d", "--name", "web", "--network", "first", place.tiny, ...SLEEP]);
    const now = async () =>
      [...(await engine.ok(["exec", "web", "cat", "/etc/resolv.conf"])).matchAll(/^nameserver (.*)$/gm)].map(
        (m) => m[1],
      );
    expect(await now()).toEqual(["10.94.5.1"]);
    await engine.ok(["network", "connect", "second", "web"]);
    expect(await now()).toEqual(["10.94.5.1", "10.94.6.1"]);
    await engine.ok(["network", "disconnect", "first", "web"]);
    expect(await now()).toEqual(["10.94.6.1"]);
    await engine.ok(["rm", "-f", "web"]);
    await engine.ok(["network", "rm", "first", "second"]);
  });
});
