/** What `proa why` is made of: files of programs that may say anything, and ends of lives as records. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { readElf, runsOnHost } from "../../src/container/why/elf";
import { endClaims, type Life, restartClaims, summaryOf } from "../../src/container/why/life";
import { filesInOutput, namesInOutput } from "../../src/container/why/output";
import { mayExecute, type Root, walk } from "../../src/container/why/root";
import { signalName, statusWords } from "../../src/container/why/status";
import type { ExitRecord, SeenFile } from "../../src/helper";

const readerOf = (bytes: Uint8Array) => (offset: number, length: number) =>
  bytes.subarray(offset, offset + length);

describe("readElf()", () => {
  const program = "/usr/bin/true";
  const bytes = existsSync(program) ? new Uint8Array(readFileSync(program)) : new Uint8Array(0);

  test.skipIf(bytes.length === 0)("reads loader and libraries of a program of this host", () => {
    const elf = readElf(readerOf(bytes));
    expect(elf.interpreter).toMatch(/^\/lib.*ld-/);
    expect(elf.needed).toContain("libc.so.6");
    expect(runsOnHost(elf, process.arch)).toBe(true);
    expect(runsOnHost({ ...elf, machine: 22 }, process.arch)).toBe(false);
  });

  test("refuses what is none, or is cut off", () => {
    expect(() => readElf(readerOf(new TextEncoder().encode("#!/bin/sh\n")))).toThrow("it is no ELF file");
    expect(() => readElf(readerOf(new Uint8Array(0)))).toThrow("it is no ELF file");
    for (const length of [4, 20, 63, 64, 100])
      expect(() => readElf(readerOf(bytes.subarray(0, length)))).toThrow();
  });

  test.skipIf(bytes.length === 0)("comes to an end in plain words, whatever stands in the file", () => {
    let state = 12345; // the same bytes in every run
    const random = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return state % below;
    };
    for (let round = 0; round < 3000; round++) {
      const spoilt = bytes.slice(0, 4096 + random(bytes.length - 4096));
      for (let i = 0; i < 1 + random(8); i++) spoilt[4 + random(round % 2 === 0 ? 64 : 1000)] = random(256);
      let asked = 0;
      try {
        const elf = readElf((offset, length) => {
          asked += length;
          return readerOf(spoilt)(offset, length);
        });
        expect(elf.needed.length).toBeLessThan(5000);
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
        expect((error as Error).message).toMatch(/^it(s table|s| is)/);
      }
      expect(asked).toBeLessThan(1 << 20);
    }
  });
});

/** A root of modes and links. */
function rootOf(files: Record<string, { mode: number; link?: string; uid?: number; gid?: number }>): Root {
  const top: SeenFile = { mode: 0o040755, sizeBytes: 0, mtimeMs: 0, uid: 0, gid: 0, link: null };
  return {
    stat: (path) => {
      if (path === "/") return top;
      const found = files[path];
      return found ? { ...top, link: null, ...found } : null;
    },
    read: () => new Uint8Array(0),
    list: () => [],
  };
}

describe("walk()", () => {
  const directory = { mode: 0o040755 };
  const link = (target: string) => ({ mode: 0o120777, link: target });
  const root = rootOf({
    "/bin": link("usr/bin"),
    "/usr": directory,
    "/usr/bin": directory,
    "/usr/bin/sh": { mode: 0o100755 },
    "/loop": link("loop"),
    "/up": link("../../../usr/bin/sh"),
    "/gone": link("/usr/nothing/x"),
    "/own": { mode: 0o040700, uid: 5 },
    "/own/x": { mode: 0o100750, uid: 5, gid: 7 },
    "/shared": { mode: 0o040710, gid: 7 },
    "/shared/x": { mode: 0o100710, gid: 7 },
  });
  const user = { uid: 9, groups: [7], overrides: false };

  test("follows links within the root", () => {
    expect(walk(root, "/bin/sh", user)).toMatchObject({ kind: "found", path: "/usr/bin/sh" });
    expect(walk(root, "/up", user)).toMatchObject({ kind: "found", path: "/usr/bin/sh" });
    expect(walk(root, "/usr/../bin/./sh", user)).toMatchObject({ kind: "found", path: "/usr/bin/sh" });
  });

  test("says where it ends", () => {
    expect(walk(root, "/gone", user)).toEqual({ kind: "missing", path: "/usr/nothing", in: "/usr" });
    expect(walk(root, "/loop", user)).toEqual({ kind: "loop", path: "/loop" });
    expect(walk(root, "/bin/sh/x", user)).toEqual({ kind: "no-directory", path: "/usr/bin/sh" });
    expect(walk(root, "/own/x", user)).toMatchObject({ kind: "denied", path: "/own" });
    expect(walk(root, "/own/x", { ...user, overrides: true })).toMatchObject({ kind: "found" });
    expect(walk(root, "/shared/x", user)).toMatchObject({ kind: "found" });
    expect(walk(root, "/shared/x", { ...user, groups: [] })).toMatchObject({
      kind: "denied",
      path: "/shared",
    });
  });

  test("the owner's bits count for the owner alone, and root needs one x of a file", () => {
    const file = (mode: number) => ({
      mode: 0o100000 | mode,
      sizeBytes: 0,
      mtimeMs: 0,
      uid: 9,
      gid: 7,
      link: null,
    });
    expect(mayExecute(file(0o077), user)).toBe(false);
    expect(mayExecute(file(0o100), user)).toBe(true);
    const overrides = { uid: 0, groups: [], overrides: true };
    expect(mayExecute(file(0o666), overrides)).toBe(false);
    expect(mayExecute(file(0o001), overrides)).toBe(true);
  });
});

describe("namesInOutput()", () => {
  test.each([
    ["sh: foo: not found", "foo"],
    ["/bin/sh: 1: foo: not found", "foo"],
    ["bash: line 1: foo: command not found", "foo"],
    ["/entrypoint.sh: line 12: nginx: not found", "nginx"],
    ["env: can't execute 'ruby': No such file or directory", "ruby"],
    ["env: ‘ruby’: No such file or directory", "ruby"],
    ["/usr/bin/env: 'python': No such file or directory", "python"],
    ["sh: 1: exec: foo: not found", "foo"],
    ["bash: /opt/x: Permission denied", "/opt/x"],
    ["/start.sh: line 3: /opt/x: cannot execute: required file not found", "/opt/x"],
    ["/opt/x: error while loading shared libraries: libz.so.1: cannot open shared object file", "/opt/x"],
    ["Error loading shared library libz.so.1: No such file or directory (needed by /opt/x)", "/opt/x"],
  ])("%s", (line, name) => {
    expect(namesInOutput(["before", line, "after"])).toEqual([name]);
  });

  test("is empty where nothing is missed", () => {
    expect(namesInOutput(["GET /: 404: page not found here", "ready"])).toEqual([]);
    expect(filesInOutput(["sh: 0: cannot open /opt/x: Permission denied"])).toEqual(["/opt/x"]);
    expect(filesInOutput(["sh: can't open 'run.sh': Permission denied"])).toEqual(["run.sh"]);
    expect(filesInOutput(["sh: 0: cannot open run.sh: No such file"])).toEqual(["run.sh"]);
    const python = "python3: can't open file '/opt/x.py': [Errno 2] No such file or directory";
    expect(filesInOutput([python])).toEqual(["/opt/x.py"]);
    const loader =
      "/x: error while loading shared libraries: libq.so.6: cannot open shared object file: No such file or directory";
    expect(filesInOutput([loader, "xterm: cannot open display: :0"])).toEqual([]);
  });
});

describe("statusWords()", () => {
  test.each([
    [0, 0, "it came to its end without an error"],
    [137, 9, "it was ended by SIGKILL"],
    [137, 0, "a process that it waited for was ended by SIGKILL (128 + 9, as shells have it)"],
    [143, 15, "it was ended by SIGTERM"],
    [126, 0, "a command was found and could not be executed"],
    [127, 0, "a command was not found"],
    [200, 0, "the program ended with an error of its own"],
  ])("%d, signal %d", (code, signal, words) => {
    expect(statusWords(code, signal)).toBe(words);
  });

  test("names signals", () => {
    expect([1, 11, 31, 34, 36].map(signalName)).toEqual(["HUP", "SEGV", "SYS", "RTMIN+0", "RTMIN+2"]);
  });
});

describe("endClaims()", () => {
  const record: ExitRecord = {
    exitCode: 137,
    signal: 9,
    startedMs: 1000,
    finishedMs: 5000,
    logLostBytes: 0,
    error: null,
    oomKilled: false,
    restartCount: 0,
  } as ExitRecord;
  const row = { name: "web", status: "exited", exit_code: 137, error: "", started_ms: 1000, oom_killed: 0 };
  const spec = {
    Timeout: 0,
    HostConfig: { Memory: 64 << 20, RestartPolicy: { Name: "no", MaximumRetryCount: 0 } },
  };
  const lifeOf = (more: Record<string, unknown> = {}): Life =>
    ({
      row,
      spec,
      record,
      recordPath: "/exit.json",
      live: null,
      events: [],
      eventsPath: "/e",
      health: undefined,
      bootMs: 0,
      ...more,
    }) as unknown as Life;

  test("of memory that ran out, with the limit and twice as much to try", () => {
    const [claim] = endClaims(lifeOf({ record: { ...record, oomKilled: true } }));
    expect(claim).toEqual({
      claim: "memory ran out: the kernel killed a process of it at its limit of 64m",
      evidence: [
        { found: "oomKilled: true, signal: 9", source: "/exit.json" },
        { found: "--memory 64m", source: "settings of the container" },
      ],
      mend: "give it more: proa update --memory 128m web",
    });
  });

  test("of a crash", () => {
    const [claim] = endClaims(lifeOf({ record: { ...record, exitCode: 139, signal: 11 } }));
    expect(claim?.claim).toBe(
      "the program crashed by SIGSEGV: a bug: the program used memory that it does not have",
    );
    const [denied] = endClaims(lifeOf({ record: { ...record, exitCode: 159, signal: 31 } }));
    expect(denied?.mend).toContain("seccomp=unconfined");
  });

  test("of a machine that went down", () => {
    const life = lifeOf({ row: { ...row, exit_code: -1 }, record: null, bootMs: 2000 });
    expect(endClaims(life)[0]?.claim).toBe("the machine went down while it ran");
    expect(summaryOf(life)).toBe("web has ended, and nobody saw how");
    expect(endClaims({ ...life, bootMs: 500 })[0]?.claim).toStartWith("its supervisor was killed");
  });

  test("says of no policy why it is not started again", () => {
    expect(restartClaims(lifeOf())).toEqual([]);
  });
});
