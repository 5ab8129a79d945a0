/** The container's control group, where there is none to be had: what is asked of a systemd that a test plays, and what its answers lead to. */
import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Facts, RunRequest } from "../../src/helper/protocol";
import { waitUntil } from "../harness/wait";
import { type Answer, FakeBus, jobRemoved, jobReply, message } from "./_bus";
import {
  Container,
  ended,
  frame,
  frames,
  helperMissing,
  helperPath,
  makeDirectory,
  rawClient,
  removeDirectories,
  run,
  start,
  text,
} from "./_container";

setDefaultTimeout(30_000);
const buses: FakeBus[] = [];
afterEach(() => {
  for (const bus of buses.splice(0)) bus.close();
});
afterAll(removeDirectories);

const UNIT = "proa-0123.scope";
const RESOURCES = { memory: { limit: 67108864 }, pids: { limit: 33 } };

type Cgroup = NonNullable<RunRequest["cgroup"]>;

const systemd = (bus: string, more: object = {}): Cgroup =>
  ({ manager: "systemd", bus, scope: UNIT, slice: "", ...more }) as Cgroup;
/** For a bus that is not going to answer. */
const impatient = { patienceMs: 1500 };

async function fakeBus(answer: Answer, authentication?: string): Promise<FakeBus> {
  const bus = await FakeBus.at(join(makeDirectory(), "bus"), answer, authentication);
  buses.push(bus);
  return bus;
}

/** The warnings in what the foreground printed for lack of a proa, and the rest. */
function told(output: string): { warnings: Facts[]; rest: string } {
  const line = /^__report warning (\[.*\])\n/m.exec(output);
  return { warnings: JSON.parse(line?.[1] ?? "[]"), rest: output.replace(line?.[0] ?? "", "") };
}

async function runIn(cgroup: Cgroup, resources: object = RESOURCES) {
  const ran = await run(["echo", "here"], { cgroup, resources });
  return { ...ran, ...told(ran.stderr) };
}

/** The first process and the supervisor, as the last request for a scope has them. */
function pidsAsked(bus: FakeBus): number[] {
  const body = bus.calls.findLast(({ member }) => member === "StartTransientUnit")?.body ?? Buffer.alloc(0);
  const at = Math.ceil((body.indexOf("PIDs\0\x02au\0") + 9) / 4) * 4;
  return Array.from({ length: body.readUInt32LE(at) / 4 }, (_, i) => body.readUInt32LE(at + 4 + 4 * i));
}

/** Whether there is a process to be moved: a zombie is none. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

function parentOf(pid: string): number {
  try {
    return Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  } catch {
    return 0; // it has ended
  }
}

const skip = helperMissing !== undefined;

test.skipIf(skip)("`hasten` says nothing, and ends at once, whatever the host has", () => {
  const { stdout, stderr, exitCode } = Bun.spawnSync([helperPath, "hasten"], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  expect([stdout.toString(), stderr.toString()]).toEqual(["", ""]);
  expect([0, 1]).toContain(exitCode);
});

describe.skipIf(skip)(`a bus${helperMissing ? ` (${helperMissing})` : ""}`, () => {
  test("is asked for a delegated scope of the supervisor and the first process", async () => {
    const bus = await fakeBus((call, say) => say.job(call));
    const { stdout } = await runIn(systemd(bus.path, { slice: "web.slice" }));

    expect(stdout).toBe("here\n");
    expect(bus.greeting).toBe(
      `\0AUTH EXTERNAL ${Buffer.from(String(process.getuid?.())).toString("hex")}\r\n`,
    );
    expect(bus.calls.map(({ member }) => member)).toEqual(["Hello", "AddMatch", "StartTransientUnit"]);
    const { words, body } = bus.calls[2] ?? { words: [], body: Buffer.alloc(0) };
    expect(words).toEqual(
      expect.arrayContaining([
        UNIT,
        "fail",
        "PIDs",
        "Delegate",
        "CollectMode",
        "inactive-or-failed",
        "web.slice",
      ]),
    );
    // "au", its NUL and the padding to 4; the length of the array in bytes.
    const pids = body.indexOf("PIDs\0\x02au\0") + 9;
    expect(body.readUInt32LE(Math.ceil(pids / 4) * 4)).toBe(8);
  });

  test("is asked for the first process alone where the supervisor stays where it is", async () => {
    const bus = await fakeBus((call, say) => say.job(call));
    await runIn(systemd(bus.path, { alone: true }));

    const body = bus.calls[2]?.body ?? Buffer.alloc(0);
    const pids = body.indexOf("PIDs\0\x02au\0") + 9;
    expect(body.readUInt32LE(Math.ceil(pids / 4) * 4)).toBe(4);
  });

  test("that moves nobody is found out: a warning, and one for each limit", async () => {
    const bus = await fakeBus((call, say) => say.job(call));
    const { warnings, rest, exitCode, container } = await runIn(systemd(bus.path));

    expect(warnings.map(({ step, object }) => [step, object])).toEqual([
      ["make control group", UNIT],
      ["limit", "memory.max"],
      ["limit", "pids.max"],
    ]);
    expect(rest).toBe("");
    expect(exitCode).toBe(0);
    expect(container.exit).toMatchObject({ exitCode: 0, error: null, oomKilled: false });
  });

  test.each<[string, Answer, string | undefined, Partial<Facts>]>([
    ["is not ours", () => {}, "REJECTED EXTERNAL\r\n", { errno: "EACCES" }],
    ["is no bus", () => {}, "HTTP/1.1 400 Bad Request\r\n\r\n", { errno: "EPROTO" }],
    ["never ends its line", () => {}, "O".repeat(5000), { errno: "EPROTO" }],
    ["hangs up", (_call, say) => say.hangUp(), undefined, { errno: "ECONNRESET" }],
    ["sends garbage", (_call, say) => say.raw(Buffer.alloc(64, 7)), undefined, { errno: "EPROTO" }],
    [
      "announces more than anybody needs",
      (_call, say) => say.raw(Buffer.from("6c020101ffffff7f0100000000000000", "hex")),
      undefined,
      { errno: "EPROTO", detail: "a message that is too long" },
    ],
    [
      "has a string that is longer than its message",
      (_call, say) => {
        const bytes = message(2, [[3, "s", "Reply"]], Buffer.alloc(0));
        bytes.writeUInt32LE(0x7fffffff, 20);
        say.raw(bytes);
      },
      undefined,
      { errno: "EPROTO", detail: "a malformed message" },
    ],
    [
      "refuses",
      (call, say) => say.error(call, "org.freedesktop.DBus.Error.AccessDenied", "not today"),
      undefined,
      { object: UNIT, errno: "EACCES", detail: "org.freedesktop.DBus.Error.AccessDenied: not today" },
    ],
    [
      "has no systemd behind it",
      (call, say) => say.error(call, "org.freedesktop.DBus.Error.ServiceUnknown", "no name"),
      undefined,
      { object: UNIT, errno: "", detail: "org.freedesktop.DBus.Error.ServiceUnknown: no name" },
    ],
    [
      "fails at it",
      (call, say) => say.job(call, "failed"),
      undefined,
      { object: UNIT, errno: "", detail: 'the job has ended as "failed"' },
    ],
  ])(
    "that %s: a warning, and the container runs; an error where it is required",
    async (_what, answer, auth, facts) => {
      const bus = await fakeBus(answer, auth);
      const { warnings, stdout, exitCode } = await runIn(systemd(bus.path));

      expect(warnings[0]).toMatchObject({ step: "ask systemd", object: bus.path, ...facts });
      expect({ stdout, exitCode }).toEqual({ stdout: "here\n", exitCode: 0 });
      const strict = await runIn(systemd(bus.path, { required: true }));
      expect(strict.container.exit).toMatchObject({
        exitCode: 125,
        startedMs: 0,
        error: { step: "ask systemd", object: bus.path, ...facts },
      });
      expect(strict.stdout).toStartWith("__report run {");
    },
  );

  test("that is not there: the same", async () => {
    const { warnings, stdout } = await runIn(systemd("/nowhere/bus"));

    expect(warnings[0]).toMatchObject({ step: "ask systemd", object: "/nowhere/bus", errno: "ENOENT" });
    expect(stdout).toBe("here\n");
  });

  test("that has the name in use is asked for another one", async () => {
    const bus = await fakeBus((call, say) => {
      if (call.words[0] === UNIT)
        say.error(call, "org.freedesktop.systemd1.UnitExists", `Unit ${UNIT} exists`);
      else say.job(call);
    });
    await runIn(systemd(bus.path));

    expect(bus.asked).toEqual([UNIT, expect.stringMatching(/^proa-0123-\d+\.scope$/)]);
  });

  test("whose words come in pieces, between those of others, is understood", async () => {
    const bus = await fakeBus(async (call, say) => {
      say.raw(jobRemoved("other.scope", "failed"));
      say.raw(jobRemoved(UNIT, "failed", "/org/freedesktop/systemd1/job/1"));
      for (const byte of Buffer.concat([
        jobReply(call),
        jobRemoved("other.scope", "failed"),
        jobRemoved(UNIT, "done"),
      ])) {
        say.raw(Buffer.from([byte]));
        await Bun.sleep(0);
      }
    });
    const { warnings } = await runIn(systemd(bus.path));

    expect(warnings[0]).toMatchObject({ step: "make control group", object: UNIT });
  });

  test("that never answers is given up", async () => {
    const bus = await fakeBus(() => {});
    const { warnings, stdout } = await runIn(systemd(bus.path, impatient));

    expect(warnings[0]).toMatchObject({
      step: "ask systemd",
      errno: "ETIMEDOUT",
      detail: "no answer in 1 s",
    });
    expect(stdout).toBe("here\n");
  });

  test.each<[string, Answer, object]>([
    ["too late", () => {}, {}],
    ["too late, to what the supervisor stays out of", () => {}, { alone: true }],
    ["never, as it is gone after it was asked", (_call, say) => say.hangUp(), {}],
  ])("that answers %s finds nobody whom it could still move", async (_what, answer, more) => {
    const bus = await fakeBus(answer);
    const { container, stderr } = await run(["sleep", "1000"], {
      cgroup: systemd(bus.path, { ...impatient, ...more }),
      attach: null,
    });
    const asked = pidsAsked(bus);

    expect(asked).toHaveLength("alone" in more ? 1 : 2);
    expect(told(stderr).warnings[0]).toMatchObject({ step: "ask systemd" });
    await waitUntil(() => !asked.some(isAlive), { what: "the end of those who were named" });
    expect(container.state).toMatchObject({ status: "running", cgroup: "" });
    expect(bus.asked).toEqual([UNIT]);
    process.kill(container.state.pid, "SIGKILL");
    await ended(container);
    expect(container.exit).toMatchObject({ exitCode: 137, error: null });
  });

  test("that is silent does not keep the user from ending the start", async () => {
    const bus = await fakeBus(() => {});
    const container = new Container(["sleep", "1000"], { cgroup: systemd(bus.path) });
    const child = container.run(["pipe", "pipe", "pipe"]);
    await waitUntil(() => bus.asked.length === 1);
    child.kill("SIGINT");
    await child.exited;

    expect(container.exit).toMatchObject({ exitCode: 130, startedMs: 0, error: { step: "ask systemd" } });
  });

  test("that is silent while the supervisor is killed leaves no process", async () => {
    const bus = await fakeBus(() => {});
    const container = new Container(["sleep", "1000"], { cgroup: systemd(bus.path) });
    const child = container.run(["pipe", "pipe", "pipe"]);
    await waitUntil(() => bus.asked.length === 1);
    const [stage = 0, supervisor = 0] = pidsAsked(bus);
    expect(existsSync(`/proc/${stage}`)).toBe(true);
    process.kill(supervisor, "SIGKILL");

    await waitUntil(() => !existsSync(`/proc/${stage}`));
    expect(await text(child.stdout)).toContain("its supervisor is gone");
    expect(existsSync(container.exitFile)).toBe(false);
  });

  test("is asked again for each life only where the last one's scope is gone", async () => {
    const bus = await fakeBus((call, say) => say.job(call));
    const cgroup = systemd(bus.path);
    const life = { restart: { policy: "on-failure", maximum: 2 } } as const;
    const { container, stderr } = await run(["false"], { cgroup, life, attach: null });
    await ended(container);

    // Nobody was moved, so there is no scope to be in: each life tries again, and only the first one warns.
    expect(bus.asked).toEqual([UNIT, UNIT, UNIT]);
    expect(told(stderr).warnings).toHaveLength(1);
    expect(container.exit.restartCount).toBe(2);
  });
});

describe.skipIf(skip)("a directory", () => {
  test("that is not there: a warning, or an error", async () => {
    const cgroup = { manager: "cgroupfs", parent: "/nowhere", name: "proa-1", split: false } as const;
    const { warnings, stdout } = await runIn(cgroup);

    expect(warnings[0]).toMatchObject({ step: "make control group", object: "/nowhere", errno: "ENOENT" });
    expect(stdout).toBe("here\n");
    const strict = await runIn({ ...cgroup, required: true });
    expect(strict.container.exit).toMatchObject({ exitCode: 125, error: { step: "make control group" } });
  });

  test.each([
    ["a relative one", { manager: "cgroupfs", parent: "x", name: "y" }],
    ["a name with a slash", { manager: "cgroupfs", parent: "/x", name: "../y" }],
    ["another manager", { manager: "openrc" }],
    ["a key too many", { manager: "cgroupfs", parent: "/x", name: "y", colour: 1 }],
  ])("%s is refused", async (_what, cgroup) => {
    const { container } = await runIn(cgroup as unknown as Cgroup);

    expect(container.exit).toMatchObject({ exitCode: 125, error: { step: "read request" } });
  });
});

describe.skipIf(skip)("directories of version 1", () => {
  /** Plain directories in their place, with the files that are written; what a kernel would do there is not seen. */
  function plainGroups(): { cgroup: Cgroup; file: (controller: string, name: string) => string } {
    const root = makeDirectory();
    const files = { memory: ["memory.limit_in_bytes", "memory.oom_control"], pids: ["pids.max"] };
    for (const [controller, names] of Object.entries(files)) {
      mkdirSync(join(root, controller, "proa-1"), { recursive: true });
      for (const name of ["cgroup.procs", ...names])
        writeFileSync(join(root, controller, "proa-1", name), "");
    }
    const parents = { memory: join(root, "memory"), pids: join(root, "pids") };
    return {
      cgroup: { manager: "v1", parents, name: "proa-1" },
      file: (controller, name) => join(root, controller, "proa-1", name),
    };
  }

  test("have the process and its limits before it is executed, and say so in the state", async () => {
    const { cgroup, file } = plainGroups();
    const container = await start(["sleep", "1000"], { cgroup, resources: RESOURCES });
    const { pid, ...state } = container.state as unknown as Record<string, unknown> & { pid: number };

    for (const controller of ["memory", "pids"])
      expect(readFileSync(file(controller, "cgroup.procs"), "utf8")).toBe(String(pid));
    expect(readFileSync(file("memory", "memory.limit_in_bytes"), "utf8")).toBe("67108864");
    expect(readFileSync(file("pids", "pids.max"), "utf8")).toBe("33");
    const directory = (controller: string): string => join(file(controller, "x"), "..");
    expect(state).toMatchObject({
      cgroup: directory("memory"),
      cgroups: { memory: directory("memory"), pids: directory("pids") },
    });
    for (const controller of ["memory", "pids"]) writeFileSync(file(controller, "cgroup.procs"), "");
    container.kill("SIGKILL");
    await ended(container);
  });

  test("have no child of the supervisor beside the container when it runs: who had the kernel make ready is gone", async () => {
    const { cgroup, file } = plainGroups();
    // what is written to here is a plain file, and moves nobody
    for (const controller of ["memory", "pids"])
      writeFileSync(join(file(controller, "x"), "../../cgroup.procs"), "");
    const container = await start(["sleep", "1000"], { cgroup });

    const supervisor = container.supervisor;
    const children = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && parentOf(pid) === supervisor);
    expect(children).toEqual([String(container.state.pid)]);
    for (const controller of ["memory", "pids"]) writeFileSync(file(controller, "cgroup.procs"), "");
    container.kill("SIGKILL");
    await ended(container);
  });

  test("have their limits changed by UPDATE, which a refused one says, and keeps", async () => {
    const { cgroup, file } = plainGroups();
    const container = await start(["sleep", "1000"], { cgroup });
    const client = await rawClient(container);
    const ask = async (request: object, type: number) => {
      const before = frames(client.bytes()).length;
      client.socket.write(frame(44, JSON.stringify(request)));
      await waitUntil(() => frames(client.bytes()).length > before);
      const answer = frames(client.bytes()).at(-1);
      expect(answer?.type).toBe(type);
      return answer?.payload.toString() ?? "";
    };
    await waitUntil(() => frames(client.bytes()).length === 1); // STARTED

    await ask({ resources: { pids: { limit: 7 } }, restart: null }, 43);
    expect(readFileSync(file("pids", "pids.max"), "utf8")).toBe("7");
    expect(JSON.parse(await ask({ resources: { cpu: { shares: 2 } } }, 38))).toMatchObject({
      step: "limit",
      object: "cpu.shares",
    });
    expect(JSON.parse(await ask({ resources: 1 }, 38))).toMatchObject({ step: "update" });
    expect(JSON.parse(await ask({ resources: {}, again: true }, 38))).toMatchObject({ step: "update" });
    client.socket.destroy();
    for (const controller of ["memory", "pids"]) writeFileSync(file(controller, "cgroup.procs"), "");
    container.kill("SIGKILL");
    await ended(container);
  });

  test("have counted a process that was killed for want of memory: oomKilled", async () => {
    const { cgroup, file } = plainGroups();
    const container = await start(["sleep", "1000"], { cgroup });
    for (const controller of ["memory", "pids"]) writeFileSync(file(controller, "cgroup.procs"), "");
    writeFileSync(file("memory", "memory.oom_control"), "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
    container.kill("SIGKILL");
    await ended(container);

    expect(container.exit).toMatchObject({ exitCode: 137, oomKilled: true });
  });

  test("whose file cannot be written refuse the value: the start fails, and nothing is left", async () => {
    const { cgroup, file } = plainGroups();
    // A directory in the place of the file is something that cannot be opened for writing.
    Bun.spawnSync(["sh", "-c", 'rm "$1" && mkdir "$1"', "sh", file("pids", "pids.max")]);
    const refused = await runIn(cgroup, { pids: { limit: 5 } });

    expect(refused.container.exit).toMatchObject({
      exitCode: 125,
      error: { step: "limit", object: "pids.max", errno: "EISDIR", detail: "5" },
    });
    expect(existsSync(join(refused.container.runDir, "state.json"))).toBe(false);
  });
});
