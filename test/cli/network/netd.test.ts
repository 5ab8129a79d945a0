/** netd killed while real programs use the network: what goes on, and what begins again. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { netMissing, processesOf, useNet, waitUntil } from "../../harness";
import { removeAll } from "../_network";
import { HOST } from "./_tcp";

const why = netMissing === null ? "" : ` (${netMissing})`;

describe.skipIf(netMissing !== null)(`netd${why}`, () => {
  const place = useNet();
  const { engine } = place;
  const netds = () => processesOf(engine.sandbox).filter(({ name }) => name === "proa-netd");
  const start = (name: string, options: string[], ...command: string[]) =>
    engine.ok(["run", "-d", "--name", name, "--stop-signal", "KILL", ...options, place.net, ...command]);
  const nginx = `mkdir -p /tmp/n/logs; printf 'events {} http { access_log off; server { listen 80; return 200 "here\\n"; } }' > /tmp/n/c
    exec nginx -p /tmp/n -c /tmp/n/c -e /dev/stderr -g 'pid /tmp/n/pid; daemon off; user root;'`;
  let host: ReturnType<typeof Bun.serve>;

  beforeAll(async () => {
    if (netMissing !== null) return;
    host = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("outside\n") });
    await engine.ok(["network", "create", "load"]);
    await start("server", ["--network", "load"], "iperf3", "-s");
    await start("client", ["--network", "load:host-loopback"], "sleep", "1000");
    await start("web", ["-p", "127.0.0.1:0:80"], "sh", "-c", nginx);
  }, 120_000);
  afterAll(() => host?.stop(true));

  /** Kill netd; resolves when there is another. */
  const kill = async (): Promise<void> => {
    const pid = netds()[0]?.pid ?? 0;
    process.kill(pid, "SIGKILL");
    await waitUntil(() => netds().some((each) => each.pid !== pid));
  };

  const published = async (): Promise<string> => {
    const address = (await engine.ok(["port", "web", "80"])).trim();
    return (await fetch(`http://${address}/`)).text();
  };

  test("killed three times under load: traffic between containers goes on", async () => {
    const iperf = ["iperf3", "-c", "server", "-t", "4", "-i", "0.2", "-b", "200M", "-J"];
    const running = engine.ok(["exec", "client", ...iperf], { timeoutMs: 50_000 });
    for (let i = 0; i < 3; i++) {
      await Bun.sleep(900); // into the load
      await kill();
    }
    const { intervals } = JSON.parse(await running) as { intervals: { sum: { bits_per_second: number } }[] };
    expect(intervals.length).toBeGreaterThanOrEqual(18);
    expect(intervals.filter(({ sum }) => sum.bits_per_second < 20_000_000).length).toBeLessThanOrEqual(2);
  });

  test("and what begins afterwards works: to the outside, by name, to a published port", async () => {
    const port = (await engine.ok(["port", "web", "80"])).trim();
    expect(await published()).toBe("here\n");
    await kill();
    const url = `http://${HOST[4]}:${host.port}/`;
    expect(await engine.ok(["exec", "client", "curl", "-sS", "--max-time", "10", url])).toBe("outside");
    expect(await engine.ok(["exec", "client", "dig", "+short", "server"])).toMatch(/^10\.\d+\.\d+\.\d+$/);
    expect((await engine.ok(["port", "web", "80"])).trim()).toBe(port);
    expect(await published()).toBe("here\n");
  });

  test("is gone with the last container", async () => {
    await removeAll({ engine });
    await waitUntil(() => netds().length === 0);
  });
});
