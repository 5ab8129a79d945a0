import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { closeSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { hostMappings } from "../../src/helper/mappings";
import { makePlace, removePlaces, requestFd } from "./_bundle";
import { helperMissing, helperPath } from "./_container";

const isSanitized = helperPath.endsWith("-asan"); // that build is not static

setDefaultTimeout(30_000);
afterAll(removePlaces);

const { mappings, kind } = hostMappings();

function makeScratch(): string {
  const path = join(makePlace().path, "scratch");
  mkdirSync(path);
  return path;
}

async function call(verb: string, request: unknown, wrap: string[] = []) {
  const fd = requestFd(request);
  const child = Bun.spawn([...wrap, helperPath, verb, "3"], {
    stdio: ["pipe", "pipe", "pipe", fd],
    env: { PATH: "/usr/bin:/bin" },
  });
  closeSync(fd);
  await child.stdin.end();
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { stdout, stderr, exitCode };
}

describe.skipIf(helperMissing !== undefined)(
  `the helper${helperMissing ? ` (${helperMissing})` : ""}`,
  () => {
    test("without a verb it knows says how it is used", async () => {
      expect(await call("smile", {})).toEqual({
        stdout: "",
        stderr: "usage: proa-helper VERB REQUEST_FD\n",
        exitCode: 125,
      });
    });

    test("refuses a request that is no object, has an unknown key, a wrong type or a key twice", async () => {
      for (const request of [
        [],
        { mappings, scratch: "/tmp", more: 1 },
        { mappings, scratch: 1 },
        { mappings: {} },
      ]) {
        const { stdout, exitCode } = await call("features", request);
        expect(JSON.parse(stdout).error).toMatchObject({ step: "read request", errno: "", exit: 125 });
        expect(exitCode).toBe(1);
      }
    });

    test("features tells what works by having tried it", async () => {
      const { stdout, exitCode } = await call("features", { mappings, scratch: makeScratch() });

      expect(exitCode).toBe(0);
      expect(JSON.parse(stdout).ok).toEqual({
        userNamespace: null,
        overlay: null,
        overlayLowerdirAppend: expect.any(Boolean),
        seccomp: true,
        cgroupVersion: existsSync("/sys/fs/cgroup/cgroup.controllers") ? 2 : 1,
        mappings: kind,
      });
    });

    test("features tells why user namespaces do not work", async () => {
      const forbid = [
        "unshare",
        "-Ur",
        "sh",
        "-c",
        'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"',
        "sh",
      ];
      const { stdout, exitCode } = await call("features", { mappings, scratch: makeScratch() }, forbid);

      expect(exitCode).toBe(0);
      expect(JSON.parse(stdout).ok.userNamespace).toMatchObject({
        step: "create user namespace",
        errno: "ENOSPC",
      });
      expect(JSON.parse(stdout).ok.overlay).not.toBeNull();
    });

    test("unshare runs a command as root of the ids, and passes its end on", async () => {
      const request = {
        proa: "/bin/echo",
        mappings,
        args: ["sh", "-c", "id -u; cat /proc/self/uid_map; exit 9"],
      };
      const { stdout, exitCode } = await call("unshare", request);

      expect(stdout.split("\n")[0]).toBe("0");
      expect(stdout.trim().split("\n")).toHaveLength(1 + mappings.uid.length);
      expect(exitCode).toBe(9);
    });

    test("unshare tells a command that is missing from one that is no program", async () => {
      const ask = async (name: string) => {
        const { stdout } = await call("unshare", { proa: "/bin/echo", mappings, args: [name] });
        return JSON.parse(stdout.slice(stdout.indexOf("{")));
      };

      expect(await ask("nonesuch")).toMatchObject({
        step: "execute",
        object: "nonesuch",
        errno: "ENOENT",
        exit: 127,
      });
      expect(await ask("/etc/passwd")).toMatchObject({ errno: "EACCES", exit: 126 });
    });

    test.skipIf(isSanitized)("is one static executable", () => {
      const { stdout } = Bun.spawnSync(["readelf", "-lW", helperPath]);

      expect(stdout.toString()).toContain("GNU_RELRO");
      expect(stdout.toString()).not.toContain("INTERP");
      expect(stdout.toString()).toMatch(/GNU_STACK\s+0x0+ 0x0+ 0x0+ 0x0+ 0x0+ RW /);
    });

    test("hello greets and explains", () => {
      const hello = process.env["PROA_HELLO"] ?? join(resolve(helperPath, ".."), "hello");
      const { stdout, exitCode } = Bun.spawnSync([hello]);

      expect(exitCode).toBe(0);
      expect(stdout.toString()).toStartWith("Hello from proa!\n");
      expect(stdout.toString().split("\n").length).toBeLessThan(15);
      expect(readFileSync(hello).length).toBeLessThan(4096);
    });
  },
);
