/** `proa network update`. */
import { afterEach, describe, expect, test } from "bun:test";
import { netMissing, useNet } from "../../harness";
import { removeAll } from "../_network";
import { printed } from "../container/_shell";
import { nameServer, short } from "./_names";

describe.skipIf(netMissing !== null)("network update", () => {
  const place = useNet();
  const { engine } = place;
  const servers = (name: string) => engine.ok(["network", "inspect", "-f", "{{json .DNSServers}}", name]);

  const update = (...args: string[]) => engine.ok(["network", "update", ...args]);

  afterEach(async () => {
    if (netMissing !== null) return;
    await removeAll(place);
    await engine.ok(["network", "prune", "-f"]);
  });

  test("refuses what it cannot change, and changes nothing then", async () => {
    await engine.ok(["network", "create", "--dns", "127.0.0.77", "back"]);
    await engine.ok(["network", "create", "--disable-dns", "mute"]);
    const cases: [string[], string, number][] = [
      [["back"], "has nothing to change", 125],
      [["--dns-add", "name", "back"], 'update network: "name": it is no address of a name server', 125],
      [
        ["--dns-drop", "9.9.9.9", "back"],
        "update network: back: it does not have the name server 9.9.9.9",
        125,
      ],
      [["--dns-add", "9.9.9.9", "mute"], "update network: mute: it answers no names", 125],
      [["--dns-add", "9.9.9.9", "nope"], "update network: nope: no such network", 1],
      [["--dns-add", "9.9.9.9", "host"], "update network: host: it is no network of proa's", 1],
      [
        ["--dns-add", "9.0.0.1,9.0.0.2,9.0.0.3,9.0.0.4,9.0.0.5,9.0.0.6,9.0.0.7,9.0.0.8", "back"],
        "more than 8 name servers",
        125,
      ],
    ];
    for (const [args, why, status] of cases) {
      const { stdout, stderr, exitCode } = await engine.proa(["network", "update", ...args]);
      expect(stderr).toContain(why);
      expect([args, stdout, exitCode]).toEqual([args, "", status]);
    }
    expect(await servers("back")).toBe('["127.0.0.77"]');
  });

  test("who runs asks the new name server at once", async () => {
    await engine.ok(["network", "create", "--subnet", "10.213.6.0/24", "--dns", "10.213.6.4", "served"]);
    for (const mark of ["4", "5"]) {
      const server = ["python3", "-c", nameServer, `10.213.6.${mark}`, mark];
      const network = `served:ip=10.213.6.${mark}`;
      await engine.ok(["run", "-d", "--name", `server${mark}`, "--network", network, place.net, ...server]);
      await printed(place, `server${mark}`, "ready");
    }
    await engine.ok(["run", "-d", "--name", "asker", "--network", "served", place.net, "sleep", "1000"]);
    expect(await short(engine, "asker", "one.example")).toEqual(["192.0.2.4"]);
    expect(await update("--dns-drop", "10.213.6.4", "--dns-add", "10.213.6.5,10.213.6.6", "served")).toBe(
      "served",
    );
    expect(await servers("served")).toBe('["10.213.6.5","10.213.6.6"]');
    expect(await short(engine, "asker", "two.example")).toEqual(["192.0.2.5"]);
    await update("--dns-drop", "10.213.6.5,10.213.6.6", "served");
    expect(await servers("served")).toBe("[]");
  });
});
