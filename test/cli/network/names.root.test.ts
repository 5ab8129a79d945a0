/**
 * The host's /etc/resolv.conf as the name service follows it. Root makes a "host" for it: a network and a mount namespace with an /etc and name servers on loopback of their own, in which
 * the unprivileged user runs the engine.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { netMissing, waitUntil } from "../../harness";
import { useMachines } from "./_machines";
import { type Answer, nameServer, readDig } from "./_names";

const why = netMissing === null ? "" : ` (${netMissing})`;

describe.skipIf(netMissing !== null)(`the host's resolv.conf${why}`, () => {
  const machines = useMachines();
  const { call, ok, proa } = machines;
  let etc = "";

  const dig = async (...args: string[]): Promise<Answer> =>
    readDig((await call(proa("exec", "asker", "dig", "+tries=1", "+time=15", ...args))).stdout);
  /** Wait until the server with this mark is asked: a change is seen within a second. */
  const askedIs = (mark: number) =>
    waitUntil(async () => (await dig("ok.example")).data[0] === `192.0.2.${mark}`, {
      timeoutMs: 5_000,
      what: `server ${mark}`,
    });
  const write = (text: string, name = "resolv.conf") => writeFileSync(join(etc, name), text);
  beforeAll(async () => {
    if (netMissing !== null) return;
    etc = join(machines.directory, "etc");
    await ok(["cp", "-a", "/etc", etc]);
    rmSync(join(etc, "resolv.conf"), { force: true });
    write("nameserver 127.0.0.53\n");
    const host = await machines.machine(`mount --bind ${etc} /etc`);
    const server = (address: string, mark: number) =>
      machines.start([...host.enter, "python3", "-c", nameServer, address, `${mark}`]);
    await Promise.all([server("127.0.0.53", 1), server("127.0.0.54", 2), server("::1", 3)]);
    const reference = await machines.settle(host);
    await ok(proa("run", "-d", "--name", "asker", "--stop-signal", "KILL", reference, "sleep", "1000"));
  }, 120_000);

  test("resolvers on loopback are asked, by UDP and TCP", async () => {
    expect(await dig("Ok.example")).toMatchObject({ status: "NOERROR", data: ["192.0.2.1"] });
    expect((await dig("+tcp", "ok.example", "AAAA")).data).toEqual(["2001:db8::1"]);
    expect((await dig("tc.example")).data.length).toBe(100);
  });

  test("the container asks its gateway, not them", async () => {
    const text = await ok(proa("exec", "asker", "cat", "/etc/resolv.conf"));
    expect(text).toMatch(/^nameserver 10\.88\.0\.1$/m);
    expect(text).not.toContain("127.0.0");
  });

  test("a file that is written in place is followed", async () => {
    await askedIs(1);
    write("nameserver 127.0.0.54\n");
    await askedIs(2);
  });

  test("so is one that is renamed over it, and IPv6", async () => {
    write("nameserver ::1\n", "resolv.new");
    renameSync(join(etc, "resolv.new"), join(etc, "resolv.conf"));
    await askedIs(3);
  });

  test("so is a link, and the file behind it when it is replaced", async () => {
    mkdirSync(join(etc, "resolve"));
    write("nameserver 127.0.0.53\n", "resolve/stub");
    symlinkSync("resolve/stub", join(etc, "link.new"));
    renameSync(join(etc, "link.new"), join(etc, "resolv.conf"));
    await askedIs(1);
    write("nameserver 127.0.0.54\n", "resolve/stub.new");
    renameSync(join(etc, "resolve/stub.new"), join(etc, "resolve/stub"));
    await askedIs(2);
  });

  test("a server that fails or is silent leaves it to the next one", async () => {
    write("nameserver 127.0.0.53\nnameserver 127.0.0.54\n");
    await askedIs(1);
    expect((await dig("servfail.example")).data).toEqual(["192.0.2.2"]);
    expect((await dig("silent.example")).data).toEqual(["192.0.2.2"]);
  });

  test("rotate begins with another server each time", async () => {
    write("nameserver 127.0.0.53\nnameserver 127.0.0.54\noptions rotate\n");
    await askedIs(2);
    const seen = new Set<string | undefined>();
    for (let n = 0; n < 4; n++) seen.add((await dig("ok.example")).data[0]);
    expect(seen).toEqual(new Set(["192.0.2.1", "192.0.2.2"]));
  });

  test("timeout and attempts say when to give up", async () => {
    write("nameserver 127.0.0.53\noptions timeout:1 attempts:2\n");
    await askedIs(1);
    await Bun.sleep(1_100); // `rotate` of before is surely gone
    const began = performance.now();
    expect((await dig("silent.example")).status).toBe("SERVFAIL");
    const tookMs = performance.now() - began;
    expect(tookMs).toBeGreaterThan(1_900);
    expect(tookMs).toBeLessThan(4_000);
  });

  test("use-vc asks by TCP even for one who asks by UDP, within what he takes", async () => {
    write("nameserver 127.0.0.53\noptions use-vc\n");
    const by = (size: number) => dig("+notcp", "+ignore", `+bufsize=${size}`, "tc.example");
    await waitUntil(async () => (await by(4096)).data.length === 100, { what: "TCP" });
    const cut = await by(1232);
    expect(cut.flags).toContain("tc");
    expect(cut.size).toBeLessThanOrEqual(1232);
  });

  test("no file and nobody on loopback's port 53: SERVFAIL at once", async () => {
    rmSync(join(etc, "resolv.conf"));
    await waitUntil(async () => (await dig("ok.example")).status === "SERVFAIL", { what: "SERVFAIL" });
    const began = performance.now();
    expect((await dig("+tcp", "ok.example")).status).toBe("SERVFAIL");
    expect(performance.now() - began).toBeLessThan(1_500);
    write("nameserver 127.0.0.54\n");
    await askedIs(2);
  });
});
