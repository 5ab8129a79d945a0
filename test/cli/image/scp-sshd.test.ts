/** `proa image scp` through Debian's sshd, which the test starts as the user that it runs as. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { dirname, join } from "node:path";
import { makeImage, proaPath, tinyLayer, useEngine, waitUntil } from "../../harness";
import { FakeRegistry } from "../../registry/_fake";

const sshd = "/usr/sbin/sshd"; // it starts itself again, and wants to know where it is
const missing = existsSync(sshd) && Bun.which("ssh") !== null ? null : "sshd is not installed";

describe.skipIf(missing !== null)("over ssh", () => {
  let server: Bun.Subprocess | undefined;
  afterAll(async () => {
    server?.kill(); // before the engines look for what is left
    await server?.exited;
  });
  const here = useEngine();
  const there = useEngine();
  let registry: FakeRegistry;
  let env: Record<string, string> = {};
  const place = () => join(here.sandbox.home, "ssh");
  const log = () => join(place(), "log");

  beforeAll(async () => {
    registry = await FakeRegistry.start();
    mkdirSync(place());
    for (const name of ["host", "key"])
      Bun.spawnSync(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", join(place(), name)]);
    const taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const { port } = taken;
    taken.stop(true);
    const { home, dataHome, runtimeDir } = there.sandbox;
    const variables = [
      `HOME=${home}`,
      `XDG_DATA_HOME=${dataHome}`,
      `XDG_RUNTIME_DIR=${runtimeDir}`,
      `PATH=${dirname(proaPath)}:/usr/bin:/bin:/usr/sbin:/sbin`,
    ];
    const lines = [
      `ListenAddress 127.0.0.1:${port}`,
      `HostKey ${place()}/host`,
      `AuthorizedKeysFile ${place()}/key.pub`,
      "PidFile none",
      "StrictModes no",
      "UsePAM no",
      "PasswordAuthentication no",
      "KbdInteractiveAuthentication no",
      `SetEnv ${variables.join(" ")}`,
    ];
    writeFileSync(join(place(), "sshd_config"), `${lines.join("\n")}\n`);
    const client = [
      "Host server",
      "HostName 127.0.0.1",
      `Port ${port}`,
      `User ${userInfo().username}`,
      `IdentityFile ${place()}/key`,
      "IdentitiesOnly yes",
      "BatchMode yes",
      "StrictHostKeyChecking no",
      `UserKnownHostsFile ${place()}/known`,
    ];
    writeFileSync(join(place(), "config"), `${client.join("\n")}\n`);
    // ssh looks for its configuration where the user database has the home, whatever HOME says; its log counts bytes
    const ssh = join(place(), "bin/ssh");
    mkdirSync(dirname(ssh));
    writeFileSync(ssh, `#!/bin/sh\nexec ${Bun.which("ssh")} -F ${place()}/config -v -E ${log()} "$@"\n`);
    chmodSync(ssh, 0o755);
    env = { PATH: `${dirname(ssh)}:${process.env["PATH"]}` };
    server = Bun.spawn([sshd, "-D", "-e", "-f", join(place(), "sshd_config")], {
      stdio: ["ignore", "ignore", Bun.file(join(place(), "server.log"))],
    });
    const works = () =>
      Bun.spawnSync([ssh, "--", "server", "true"], { stdio: ["ignore", "ignore", "ignore"] });
    await waitUntil(() => works().exitCode === 0, { timeoutMs: 20_000, what: "sshd" }).catch((error) => {
      const said = [log(), join(place(), "server.log")].map((path) =>
        readFileSync(path, "utf8").slice(-1500),
      );
      throw new Error(`${error}: ${said.join("\n")}`);
    });
  }, 40_000);
  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
    await here.assertNothingLeft();
    await there.assertNothingLeft();
  });

  /** Bytes that ssh has sent and received meanwhile, both together. */
  async function carried(work: () => Promise<unknown>): Promise<number> {
    rmSync(log(), { force: true });
    await work();
    const counts = [
      ...readFileSync(log(), "utf8").matchAll(/Transferred: sent (\d+), received (\d+) bytes/g),
    ];
    expect(counts.length).toBeGreaterThan(0);
    return counts.reduce((sum, [, sent, received]) => sum + Number(sent) + Number(received), 0);
  }

  const scp = (...words: string[]) => here.ok(["image", "scp", ...words], { env, timeoutMs: 60_000 });

  test("layers go over once, whatever images they are in, and both ways", async () => {
    const noise = crypto.getRandomValues(new Uint8Array(3_000_000));
    const base = await tinyLayer();
    const config = { Env: ["PATH=/bin"], Cmd: ["cat", "/said"] };
    const add = async (tag: string, ...more: Record<string, string>[]) => {
      const made = await makeImage({ layers: [base, { noise }, ...more], config });
      const name = registry.addImage("over", tag, made);
      await here.ok(["pull", "-q", name]);
      return name;
    };
    const one = await add("one");
    const two = await add("two", { said: "two" });
    expect(await carried(() => scp(one, "server::"))).toBeGreaterThan(noise.length);
    expect(await carried(() => scp(two, "server::second:1"))).toBeLessThan(200_000);
    expect(await there.ok(["run", "--rm", "second:1"])).toBe("two");
    expect((await there.proa(["system", "check"])).stdout).toBe("");
    await here.ok(["rmi", two]);
    expect(await carried(() => scp("server::second:1"))).toBeLessThan(200_000);
    expect(await here.ok(["run", "--rm", "second:1"])).toBe("two");
    await here.ok(["rmi", one, "second:1"]);
    expect(await carried(() => scp("server::second:1", "third:1"))).toBeGreaterThan(noise.length);
    expect(await here.ok(["run", "--rm", "third:1"])).toBe("two");
    expect((await here.proa(["system", "check"])).stdout).toBe("");
  }, 120_000);

  test("what is not there, and who is not let in", async () => {
    const none = await here.proa(["image", "scp", "server::none:1"], { env });
    expect([none.exitCode, none.stdout]).toEqual([125, ""]);
    expect(none.stderr).toContain("No such image: docker.io/library/none:1");
    const closed = await here.proa(["image", "scp", "nobody@server::none:1"], { env });
    expect([closed.exitCode, closed.stdout]).toEqual([125, ""]);
    expect(closed.stderr).toContain("it failed with status 255");
  }, 60_000);
});
