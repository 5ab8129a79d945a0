/** The name service of networks, asked by real resolvers and by hand from containers. */
import { beforeAll, describe, expect, test } from "bun:test";
import { netMissing, processesOf, useNet, waitUntil } from "../../harness";
import { printed, removeAll, SLEEP } from "../container/_shell";
import { ASK, dig, nameServer, python, short } from "./_names";
import { start } from "./_net";

const why = netMissing === null ? "" : ` (${netMissing})`;

describe.skipIf(netMissing !== null)(`names${why}`, () => {
  const place = useNet();
  const { engine } = place;
  const sleeping = (name: string, ...options: string[]) => start(place, name, SLEEP, ...options);
  const BACK = "10.213.1.1";
  const FRONT = "10.213.2.1";

  beforeAll(async () => {
    if (netMissing !== null) return;
    const create = (name: string, ...options: string[]) => engine.ok(["network", "create", ...options, name]);
    await create("back", "--subnet", "10.213.1.0/24", "--subnet", "fd13:1::/64", "--ipv6");
    await create("front", "--subnet", "10.213.2.0/24");
    await create("shut", "--internal", "--subnet", "10.213.3.0/24");
    await create("dumb", "--disable-dns", "--subnet", "10.213.4.0/24");
    const back = (last: number) => `back:ip=10.213.1.${last},ip6=fd13:1::${last}`;
    // A server in the network is asked there; 3 is the server that fails by request, 4 the one behind it.
    for (const mark of [1, 2])
      await engine.ok([
        ...["run", "-d", "--name", `server${mark}`, "--network", back(mark + 2), place.net],
        ...["python3", "-c", nameServer, `10.213.1.${mark + 2}`, `${mark}`],
      ]);
    const two = ["--dns", "10.213.1.3", "--dns", "10.213.1.4"];
    await sleeping("web1", "--network", `${back(11)},alias=web`, "--hostname", "First", ...two);
    await sleeping("web2", "--network", `${back(12)},alias=web`);
    await sleeping("web3", "--network", `${back(13)},alias=web`);
    await sleeping("both", "--network", back(14), "--network", "front:ip=10.213.2.14", ...two);
    await sleeping("alone", "--network", "front:ip=10.213.2.15,alias=web");
    await sleeping("inner", "--network", "shut:ip=10.213.3.11");
    await sleeping("deaf", "--network", "dumb:ip=10.213.4.11");
    for (const mark of [1, 2]) await printed(place, `server${mark}`, "ready");
    expect(netdOf()).not.toBe("");
  }, 120_000);
  describe("of one's own network", () => {
    test.each([
      ["its name", "web2", "10.213.1.12"],
      ["its name, whatever the case", "WEB2", "10.213.1.12"],
      ["its hostname", "first", "10.213.1.11"],
      ["name and network", "web2.back", "10.213.1.12"],
      ["oneself", "web1", "10.213.1.11"],
    ])("a container has the address of %s", async (_what, name, address) => {
      const answer = await dig(engine, "web1", name);
      expect(answer.records).toEqual([`${name}. A ${address}`]);
      expect(answer).toMatchObject({ status: "NOERROR", ttls: [1] });
      expect(answer.flags).toContain("aa");
    });

    test("the short id is a name", async () => {
      const id = await engine.ok(["inspect", "--format", "{{.Id}}", "web2"]);
      expect(await short(engine, "web1", id.slice(0, 12))).toEqual(["10.213.1.12"]);
    });

    test("AAAA is the IPv6 address", async () => {
      expect(await short(engine, "web1", "web2", "AAAA")).toEqual(["fd13:1::12"]);
    });

    test("the gateway's IPv6 address answers as well", async () => {
      expect(await short(engine, "web1", "@fd13:1::1", "web2")).toEqual(["10.213.1.12"]);
      expect(await short(engine, "web1", "@fd13:1::1", "web2")).toEqual(["10.213.1.12"]); // by a socket of its own
      expect(await short(engine, "web1", "@fd13:1::1", "+tcp", "ok.example")).toEqual(["192.0.2.1"]);
    });

    test("a network without IPv6 has no AAAA, and says so by an empty answer", async () => {
      const answer = await dig(engine, "alone", "both", "AAAA");
      expect(answer).toMatchObject({ status: "NOERROR", records: [] });
    });

    test.each(["MX", "TXT", "SRV", "HTTPS", "SOA", "CNAME"])(
      "%s of a known name is empty and not passed on",
      async (type) => {
        const answer = await dig(engine, "web1", "web2", type);
        expect(answer).toMatchObject({ status: "NOERROR", records: [] });
        expect(answer.flags).toContain("aa");
      },
    );

    test("ANY has both addresses", async () => {
      const answer = await dig(engine, "web1", "web2", "ANY");
      expect(answer.data.toSorted()).toEqual(["10.213.1.12", "fd13:1::12"]);
    });

    test("the resolver of libc finds them, and addresses back", async () => {
      const program =
        "import socket; print(socket.gethostbyname('web2'), *socket.gethostbyaddr('10.213.1.12')[::2])";
      expect(await engine.ok(["exec", "web1", "python3", "-c", program])).toBe(
        "10.213.1.12 web2.back ['10.213.1.12']",
      );
    });

    test.each([
      ["10.213.1.12", "web2.back."],
      ["fd13:1::12", "web2.back."],
      ["169.254.1.2", "host.containers.internal."],
    ])("the name of %s is %s", async (address, name) => {
      expect(await short(engine, "web1", "-x", address)).toEqual([name]);
    });

    test("an address that nobody has is known to have no name", async () => {
      const answer = await dig(engine, "web1", "-x", "10.213.1.200");
      expect(answer.status).toBe("NXDOMAIN");
      expect(answer.flags).toContain("aa");
    });

    test.each(["host.containers.internal", "host.docker.internal", "gateway.docker.internal"])(
      "%s is the host",
      async (name) => {
        expect(await short(engine, "web1", name)).toEqual(["169.254.1.2"]);
        const answer = await dig(engine, "web1", name, "AAAA"); // it would be ::1, where few servers listen
        expect([answer.status, answer.records]).toEqual(["NOERROR", []]);
        expect(await short(engine, "alone", name, "AAAA")).toEqual([]);
      },
    );

    test("who shares a name is answered by turns, for A and AAAA asked in pairs too", async () => {
      const firsts = { A: [] as string[], AAAA: [] as string[] };
      for (let i = 0; i < 6; i++)
        for (const type of ["A", "AAAA"] as const) {
          const all = await short(engine, "web1", "web", type);
          expect(all.length).toBe(3);
          firsts[type].push(all[0] ?? "");
        }
      for (const seen of Object.values(firsts)) {
        expect(new Set(seen.slice(0, 3)).size).toBe(3);
        expect(seen.slice(3)).toEqual(seen.slice(0, 3));
      }
    });

    test("a name comes and goes with its container", async () => {
      const look = () => short(engine, "web1", "brief");
      const before = await dig(engine, "web1", "nx.brief");
      expect(before.status).toBe("NXDOMAIN");
      await sleeping("brief", "--network", "back:ip=10.213.1.50");
      expect(await look()).toEqual(["10.213.1.50"]);
      await engine.ok(["rm", "-f", "brief"]);
      expect(await look()).not.toContain("10.213.1.50");
    });

    test("a network that is joined while running brings its names, and takes them away", async () => {
      await engine.ok(["network", "connect", "--ip", "10.213.1.60", "--alias", "guest", "back", "alone"]);
      expect(await short(engine, "web1", "guest")).toEqual(["10.213.1.60"]);
      expect(await short(engine, "alone", "web1")).toEqual(["10.213.1.11"]);
      await engine.ok(["network", "disconnect", "back", "alone"]);
      expect(await short(engine, "web1", "guest")).not.toContain("10.213.1.60");
      expect(await short(engine, "alone", "alone")).toEqual(["10.213.2.15"]);
    });
  });

  test("a container that is renamed answers to its new name only", async () => {
    await sleeping("old", "--network", "back:ip=10.213.1.70");
    expect(await short(engine, "web1", "old")).toEqual(["10.213.1.70"]);
    await engine.ok(["rename", "old", "new"]);
    expect(await short(engine, "web1", "new")).toEqual(["10.213.1.70"]);
    expect(await short(engine, "web1", "old")).not.toContain("10.213.1.70");
    await engine.ok(["rm", "-f", "new"]);
  });

  test("containers that are kept apart know themselves only", async () => {
    await engine.ok([
      "network",
      "create",
      "--subnet",
      "10.213.6.0/24",
      "--opt",
      "com.docker.network.bridge.enable_icc=false",
      "apart",
    ]);
    await sleeping("apart1", "--network", "apart:ip=10.213.6.11,alias=each");
    await sleeping("apart2", "--network", "apart:ip=10.213.6.12,alias=each");
    expect(await short(engine, "apart1", "each")).toEqual(["10.213.6.11"]);
    expect(await short(engine, "apart1", "apart2")).not.toContain("10.213.6.12");
    expect((await dig(engine, "apart1", "-x", "10.213.6.12")).status).toBe("NXDOMAIN");
    await engine.ok(["rm", "-f", "apart1", "apart2"]);
    await engine.ok(["network", "rm", "apart"]);
  });

  test("libc goes on when the network whose gateway it asked is left", async () => {
    const resolve = (name: string) =>
      engine.ok(["exec", "mover", "python3", "-c", `import socket; print(socket.gethostbyname("${name}"))`]);
    await sleeping("mover", "--network", "back", "--network", "front");
    expect(await resolve("web2")).toBe("10.213.1.12");
    await engine.ok(["network", "disconnect", "back", "mover"]);
    expect(await resolve("alone")).toBe("10.213.2.15");
    await engine.ok(["network", "connect", "back", "mover"]);
    expect(await resolve("web2")).toBe("10.213.1.12");
    await engine.ok(["rm", "-f", "mover"]);
  });

  describe("of several networks", () => {
    test("one network does not know the names and addresses of another", async () => {
      expect(await short(engine, "web2", "alone")).toEqual([]);
      expect(await short(engine, "alone", "web2")).toEqual([]);
      expect(await short(engine, "alone", "web2.back")).toEqual([]);
      expect(await short(engine, "alone", "-x", "10.213.1.12")).toEqual([]);
    });

    test("a container in both knows both, those first over which it asked", async () => {
      expect(await short(engine, "both", "alone")).toEqual(["10.213.2.15"]);
      expect(await short(engine, "both", "web2")).toEqual(["10.213.1.12"]);
      const overFront = await short(engine, "both", `@${FRONT}`, "web");
      const overBack = await short(engine, "both", `@${BACK}`, "web");
      expect(overFront.length).toBe(4);
      expect(overFront[0]).toBe("10.213.2.15");
      expect(overBack.at(-1)).toBe("10.213.2.15");
    });

    test("the gateway of a network that one is not in says nothing", async () => {
      const answer = await dig(engine, "web2", `@${FRONT}`, "alone", "+time=2");
      expect(["REFUSED", ""]).toContain(answer.status);
      expect(answer.records).toEqual([]);
    });

    test("an internal network has its names and no others", async () => {
      expect(await short(engine, "inner", "inner")).toEqual(["10.213.3.11"]);
      expect((await dig(engine, "inner", "ok.example")).status).toBe("NXDOMAIN");
      expect((await dig(engine, "inner", "host.containers.internal")).status).toBe("NXDOMAIN");
    });

    test("--disable-dns leaves nobody at the gateway", async () => {
      const refused = await engine.proa([
        "exec",
        "deaf",
        "dig",
        "+tries=1",
        "+time=2",
        "@10.213.4.1",
        "deaf",
      ]);
      expect(refused.stdout).toContain("connection refused");
      expect(await engine.ok(["exec", "deaf", "cat", "/etc/resolv.conf"])).not.toContain("10.213.4.1");
    });
  });

  describe("EDNS and sizes", () => {
    test("an OPT is answered with an OPT, and only then", async () => {
      expect((await dig(engine, "web1", "web2")).edns).toBe(true);
      expect((await dig(engine, "web1", "+noedns", "web2")).edns).toBe(false);
    });

    test("a later version is answered with ours", async () => {
      expect((await dig(engine, "web1", "+edns=1", "+noednsnegotiation", "web2")).status).toBe("BADVERS");
      expect((await dig(engine, "web1", "+edns=1", "web2")).data).toEqual(["10.213.1.12"]);
    });

    test("no answer is larger than asked for; what is left out is there by TCP", async () => {
      const long = ["a", "b", "c"].map((letter) => letter.repeat(60)).join(".");
      const names = Array.from({ length: 8 }, (_, n) => `long${n}`);
      await Promise.all(names.map((name) => sleeping(name, "--network", `back:alias=${long}`)));
      try {
        const cut = await dig(engine, "web1", "+ignore", "+noedns", long, "ANY", "+notcp");
        expect(cut.size).toBeLessThanOrEqual(512);
        expect(cut.flags).toContain("tc");
        expect(cut.records.length).toBeGreaterThan(0);
        const edns = await dig(engine, "web1", "+ignore", "+bufsize=1232", long, "ANY", "+notcp");
        expect(edns.flags).not.toContain("tc");
        expect(edns.records.length).toBe(16);
        expect((await dig(engine, "web1", "+noedns", long, "ANY", "+notcp")).records.length).toBe(16); // comes again by TCP
      } finally {
        await engine.ok(["rm", "-f", ...names]);
      }
    }, 60_000);
  });

  describe("what is no usual question", () => {
    test.each([
      ["the server's version", ["CH", "TXT", "version.bind"], "REFUSED"],
      ["a zone", ["+noall", "+comments", "AXFR", "example.org"], "REFUSED"],
      ["a status", ["+opcode=status", "web2"], "NOTIMP"],
      ["an update", ["+opcode=update", "web2"], "NOTIMP"],
      ["a notification", ["+opcode=notify", "web2"], "NOTIMP"],
    ])("%s is refused", async (_what, args, status) => {
      expect((await dig(engine, "web1", ...args)).status).toBe(status);
    });

    test("malformed packets are answered with FORMERR or not at all, and harm nothing", async () => {
      const before = netdOf();
      const seen = await python<[string, number | null, number]>(
        engine,
        "web1",
        `${ASK}
packets = {
  "empty": b"", "short": b"\\0\\7\\1", "header": head(), "answer": head(0x8180) + question("web2"),
  "two questions": head(qd=2) + question("web2") * 2, "none": head(qd=0),
  "loop": head() + b"\\xc0\\x0c\\0\\1\\0\\1", "loop of two": head() + b"\\1a\\xc0\\x0c\\0\\1\\0\\1", "label of 64": head() + b"\\x40" + b"a" * 64 + b"\\0\\0\\1\\0\\1",
  "label of 0x80": head() + b"\\x80a\\0\\0\\1\\0\\1", "endless": head() + b"\\x3f" + b"a" * 20, "long name": head() + (b"\\x3f" + b"a" * 63) * 5 + b"\\0\\0\\1\\0\\1",
  "trailing": head() + question("web2") + b"x", "missing OPT": head(ar=1) + question("web2"), "two OPTs": head(ar=2) + question("web2") + opt() + opt(),
  "counts": head(an=65535, ns=65535, ar=65535) + question("web2"), "too long": head() + question("web2") + bytes(9000), "zeros": bytes(300),
}
for what, packet in packets.items():
    s = udp(0.5); s.send(packet)
    try: reply = s.recv(65535); say([what, reply[3] & 15, len(reply) - len(packet)])
    except socket.timeout: say([what, None, 0])
`,
        BACK,
      );
      const dropped = ["empty", "short", "answer"];
      expect(seen.length).toBe(18);
      for (const [what, rcode, longer] of seen) {
        expect([what, rcode]).toEqual([what, dropped.includes(what) ? null : 1]);
        expect([what, longer <= 0]).toEqual([what, true]);
      }
      expect(await short(engine, "web1", "web2")).toEqual(["10.213.1.12"]);
      expect(netdOf()).toBe(before);
    });

    test("twenty thousand spoilt packets harm nothing", async () => {
      const before = netdOf();
      const [sent] = await python<number>(
        engine,
        "web1",
        `${ASK}
import random
random.seed(4); s = udp(); s.setblocking(False); n = 0
seeds = [head() + question("web2"), head(ar=1) + question("ok.example", 28) + opt(), head() + question("12.1.213.10.in-addr.arpa", 12)]
for i in range(20000):
    m = bytearray(random.choice(seeds))
    for _ in range(random.randrange(1, 5)):
        at = random.randrange(len(m) + 1); kind = random.randrange(4)
        if kind == 0: m[at:at + 1] = bytes([random.randrange(256)])
        elif kind == 1: del m[at:]
        elif kind == 2: m[at:at] = random.randbytes(random.randrange(9))
        elif at < len(m): m[at] ^= 1 << random.randrange(8)
    try: s.send(m); n += 1
    except BlockingIOError: time.sleep(0.001)
    except ConnectionError: pass
say(n)
`,
        BACK,
      );
      expect(sent).toBeGreaterThan(10_000);
      expect(await short(engine, "web1", "web2")).toEqual(["10.213.1.12"]);
      expect(netdOf()).toBe(before);
    });
  });

  describe("TCP", () => {
    test("answers as UDP does", async () => {
      expect(await short(engine, "web1", "+tcp", "web2")).toEqual(["10.213.1.12"]);
      expect(await short(engine, "web1", "+tcp", "ok.example")).toEqual(["192.0.2.1"]);
    });

    test("answers each of a hundred questions sent at once, ours and others'", async () => {
      const [ids] = await python<number[]>(
        engine,
        "web1",
        `${ASK}
c = tcp(); c.sendall(b"".join(framed(head(id=n) + question("web2" if n % 2 else "ok%d.example" % n)) for n in range(100)))
stream = c.makefile("rb"); say(sorted(struct.unpack("!H", receive(stream)[:2])[0] for n in range(100)))
`,
        BACK,
      );
      expect(ids).toEqual(Array.from({ length: 100 }, (_, n) => n));
    });

    test("answers one who has said that he is done", async () => {
      const seen = await python<number | null>(
        engine,
        "web1",
        `${ASK}
for what in ("web2", "ok.example"):
    c = tcp(); c.sendall(framed(head() + question(what))); c.shutdown(socket.SHUT_WR)
    stream = c.makefile("rb"); say(len(receive(stream))); say(receive(stream))
`,
        BACK,
      );
      expect(seen).toEqual([38, null, 44, null]);
    });

    test("cuts off a slow client after some seconds, and a hundred of them keep nobody out", async () => {
      const seen = await python<boolean | number>(
        engine,
        "web3",
        `${ASK}
began = time.time(); slow = tcp(); slow.sendall(framed(head() + question("web2"))[:9])
held = []
for n in range(100): # more than one container may have open
    try: c = tcp(2); c.sendall(b"\\0"); held.append(c)
    except OSError: pass
time.sleep(0.3)
def open_still(c):
    try: c.setblocking(False); return c.recv(1) != b""
    except BlockingIOError: return True
    except OSError: return False
say(sum(open_still(c) for c in held))
slow.settimeout(20)
try: say(slow.recv(1) == b"")
except OSError: say(True)
say(time.time() - began)
`,
        BACK,
      );
      expect(seen[0]).toBeLessThanOrEqual(16);
      expect(seen[1]).toBe(true);
      expect(seen[2]).toBeLessThan(15);
      expect(await short(engine, "web1", "+tcp", "web2")).toEqual(["10.213.1.12"]);
    }, 40_000);

    test("does not give up others for one who does not read", async () => {
      const [answered] = await python<number>(
        engine,
        "web1",
        `${ASK}
deaf = socket.socket(); deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048); deaf.connect((gateway, 53)); deaf.setblocking(False)
try:
    for n in range(5000): deaf.send(framed(head() + question("tc%d.example" % n)))
except OSError: pass
other = tcp(); other.sendall(framed(head() + question("web2"))); say(len(receive(other.makefile("rb"))))
`,
        BACK,
      );
      expect(answered).toBe(38);
    });
  });

  describe("passing on", () => {
    test("goes to the container's --dns servers, the asker's spelling and id kept", async () => {
      const answer = await dig(engine, "web1", "Ok.ExAmPlE");
      expect(answer.records).toEqual(["Ok.ExAmPlE. A 192.0.2.1"]);
      expect(answer.flags).not.toContain("aa");
      expect(await short(engine, "web1", "ok.example", "AAAA")).toEqual(["2001:db8::1"]);
    });

    test("says what the server says of a name that is not there", async () => {
      expect((await dig(engine, "web1", "nx.example")).status).toBe("NXDOMAIN");
    });

    test.each(["servfail", "refused", "silent"])(
      "asks the next server when the first is %s",
      async (what) => {
        const began = performance.now();
        expect(await short(engine, "web1", `${what}.example`)).toEqual(["192.0.2.2"]);
        expect(await short(engine, "web1", "+tcp", `${what}.example`)).toEqual(["192.0.2.2"]);
        expect(performance.now() - began).toBeLessThan(12_000);
      },
    );

    test("says that all have failed", async () => {
      expect((await dig(engine, "web1", "servfail-b.example")).status).toBe("SERVFAIL");
      expect((await dig(engine, "web1", "+tcp", "servfail-b.example")).status).toBe("SERVFAIL");
      expect((await dig(engine, "web1", "refused-b.example")).status).toBe("REFUSED");
    });

    test("believes no reply with a wrong id, a wrong question or none", async () => {
      expect(await short(engine, "web1", "spoof.example")).toEqual(["192.0.2.1"]);
    });

    test("waits for the right one behind two hundred wrong ones", async () => {
      expect(await short(engine, "web1", "flood.example")).toEqual(["192.0.2.1"]);
    });

    test.each(["cutoff", "zero", "drip"])(
      "asks the next server when the first one's TCP is %s",
      async (what) => {
        expect(await short(engine, "web1", "+tcp", `${what}.example`)).toEqual(["192.0.2.2"]);
      },
    );

    test("passes on that an answer is truncated, and then asks by TCP as the asker does", async () => {
      const cut = await dig(engine, "web1", "+ignore", "tc.example");
      expect(cut.flags).toContain("tc");
      expect((await dig(engine, "web1", "tc.example")).records.length).toBe(100);
    });

    test("says SERVFAIL at once where nobody listens", async () => {
      await sleeping("lost", "--network", "back", "--dns", "10.213.1.14");
      const began = performance.now();
      expect((await dig(engine, "lost", "ok.example")).status).toBe("SERVFAIL");
      expect((await dig(engine, "lost", "+tcp", "ok.example")).status).toBe("SERVFAIL");
      expect(performance.now() - began).toBeLessThan(2_000);
      await engine.ok(["rm", "-f", "lost"]);
    });

    test("goes to the network's --dns servers where the container has none", async () => {
      await engine.ok(["network", "create", "--subnet", "10.213.5.0/24", "--dns", "10.213.5.4", "served"]);
      const server = ["python3", "-c", nameServer, "10.213.5.4", "2"];
      await engine.ok([
        "run",
        "-d",
        "--name",
        "served-server",
        "--network",
        "served:ip=10.213.5.4",
        place.net,
        ...server,
      ]);
      await printed(place, "served-server", "ready");
      await sleeping("served-asker", "--network", "served");
      expect(await short(engine, "served-asker", "ok.example")).toEqual(["192.0.2.2"]);
      await engine.ok(["rm", "-f", "served-asker", "served-server"]);
      await engine.ok(["network", "rm", "served"]);
    });
  });

  test("a container that floods the name service harms no other", async () => {
    const flood = (program: string) =>
      engine.start([
        "exec",
        "-i",
        "web3",
        "python3",
        "-c",
        `${ASK}\nimport itertools\ns = udp(); s.setblocking(False); end = time.time() + 4\nsay("begun")\n${program}`,
        BACK,
      ]);
    const loop = (packet: string) => `
for n in itertools.count():
    if time.time() > end: break
    try: s.send(${packet})
    except OSError: pass
    try: s.recv(4096)
    except OSError: pass
`;
    const before = netdOf();
    for (const packet of [
      'head(id=n % 65536) + question("silent-b%d.example" % n)',
      'head() + question("web")',
      'b"x" * 50',
    ]) {
      const flooding = flood(loop(packet));
      const { value } = await flooding.stdout.getReader().read();
      expect(new TextDecoder().decode(value)).toBe('"begun"\n');
      const seen = await python<[number, number]>(
        engine,
        "web1",
        `${ASK}
def worst(what, times):
    s = udp(); slowest = 0; lost = 0
    for n in range(times):
        began = time.time(); s.send(head(id=n) + question(what % n if "%" in what else what))
        try:
            while struct.unpack("!H", s.recv(4096)[:2])[0] != n: pass
        except socket.timeout: lost += 1
        slowest = max(slowest, time.time() - began)
    say([lost, slowest])
worst("web2", 200); worst("ok%d.example", 100)
`,
        BACK,
      );
      for (const [lost, slowest] of seen) {
        expect(lost).toBe(0);
        expect(slowest).toBeLessThan(2);
      }
      expect(await flooding.exited).toBe(0); // by itself: it went on until its end
    }
    expect(netdOf()).toBe(before);
  }, 60_000);

  test("names are answered by the next netd when one was killed", async () => {
    const before = netdOf();
    for (const pid of before.split(" ")) process.kill(Number(pid), "SIGKILL");
    await waitUntil(
      async () => (await short(engine, "web1", "+time=1", "web2").catch(() => []))[0] === "10.213.1.12",
      {
        what: "an answer",
      },
    );
    expect(await short(engine, "both", "alone")).toEqual(["10.213.2.15"]);
    expect(await short(engine, "web1", "ok.example")).toEqual(["192.0.2.1"]);
    expect(netdOf()).not.toBe(before);
  });

  test("nothing is left of all these", () => removeAll(place));

  /** netd's processes: the one in the host's namespaces and its factory. */
  function netdOf(): string {
    return processesOf(engine.sandbox)
      .filter(({ command }) => command.startsWith("proa-net"))
      .map(({ pid }) => pid)
      .toSorted()
      .join(" ");
  }
});
