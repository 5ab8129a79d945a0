/** Overwriting the engine's executable from a container (CVE-2019-5736 in runc, LXC and others), and making it load what is the container's. */
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { removeAll } from "../_network";
import { printed, run } from "../container/_shell";
import { beside, executables, missing, useAttacker } from "./_attack";

describe.skipIf(missing !== null)(`the engine's executable${missing ? ` (${missing})` : ""}`, () => {
  const place = useAttacker();
  const { engine } = place;

  // the helper is on its way into the container as `exec`, then once more as the interpreter of a program that the container has made
  test.each([
    ["by default", []],
    ["with --privileged", ["--privileged"]],
    ["with no filter and every capability", ["--security-opt", "seccomp=unconfined", "--cap-add", "ALL"]],
  ])("cannot be written through /proc/PID/exe, %s", async (_how, options) => {
    const before = executables(place);
    expect(Object.keys(before).length).toBeGreaterThan(1); // one is in the cache, and its owner is the container's root
    const answer = await beside(
      place,
      ["overwrite"],
      async (name) => {
        const entry = 'printf "#!/proc/self/exe\\n" >/entry; chmod 755 /entry';
        await engine.ok(["exec", name, "sh", "-c", entry]);
        for (let i = 0; i < 5; i++) {
          await engine.proa(["exec", name, "/entry"]);
          await engine.ok(["exec", name, "true"]);
        }
        const waiting = engine.start(["exec", "-i", name, "/proc/self/exe", "features", "0"]); // for a request, in the container
        await printed(place, name, "holding");
        await waiting.stdin.end();
        await waiting.exited;
        await engine.ok(["exec", name, "true"]); // time to write to what is not busy any more
      },
      options,
    );
    expect(answer).toBe("holding\ncaught some written 0 busy 0");
    expect(executables(place)).toEqual(before);
  });

  test("as the entry point /proc/self/exe, or as the interpreter of one, does nothing for the container", async () => {
    const before = executables(place);
    const scripts = await place.image({
      entry: { content: "#!/proc/self/exe\n", mode: 0o755 },
      report: { content: "#!/proc/self/exe __report\n", mode: 0o755 },
    });
    for (const command of [["/proc/self/exe"], ["/entry"], ["/report"], ["/proc/1/exe", "version"]]) {
      const result = await engine.proa(["run", "--rm", scripts, ...command]);
      expect(result.stdout).toBe("");
      expect(result.exitCode).toBeGreaterThan(0);
    }
    expect(executables(place)).toEqual(before);
  });

  // the published attack: a library that runs its constructor in the engine's process
  test("loads no library of the container, neither by its environment nor by its files", async () => {
    const library = "not even an ELF file\n";
    const image = await place.image(
      {
        "evil.so": { content: library, mode: 0o755 },
        "etc/ld.so.preload": "/evil.so\n",
        "lib64/ld-linux-x86-64.so.2": { content: library, mode: 0o755 },
        "lib/x86_64-linux-gnu/libc.so.6": { content: library, mode: 0o755 },
        "lib/x86_64-linux-gnu/libnss_files.so.2": { content: library, mode: 0o755 },
      },
      { Env: ["LD_PRELOAD=/evil.so", "LD_LIBRARY_PATH=/lib", "GCONV_PATH=/", "LD_AUDIT=/evil.so"] },
    );
    await engine.ok(["run", "-d", "--name", "libraries", image, "sleep", "1000"]);
    const result = await engine.proa(["exec", "libraries", "sh", "-c", "echo $LD_PRELOAD"]);
    expect(result).toMatchObject({ stdout: "/evil.so\n", stderr: "", exitCode: 0 });
    expect(await engine.ok(["top", "libraries"])).toContain("sleep 1000");
    await engine.ok(["rm", "-f", "libraries"]);
  });

  // CVE-2022-1227: podman's top ran the container's nsenter with the rights of the one who looks
  test("runs no program of the image when it looks into a container", async () => {
    const trap = { content: "#!/bin/sh\ntouch /trapped\n", mode: 0o755 };
    const names = ["ps", "nsenter", "newuidmap", "newgidmap", "top", "tar", "cat", "id", "getent"];
    const tree = Object.fromEntries(
      names.flatMap((name) => [
        [`usr/bin/${name}`, trap],
        [`bin/${name}`, trap],
      ]),
    );
    const image = await place.image(tree, { Env: ["PATH=/usr/bin:/bin"] });
    await engine.ok(["run", "-d", "--name", "looked-at", image, "sleep", "1000"]);
    for (const verb of ["top", "logs", "inspect", "port"]) await engine.ok([verb, "looked-at"]);
    await engine.ok(["stats", "--no-stream", "looked-at"]);
    await engine.ok(["ps", "-a"]);
    expect((await engine.proa(["exec", "looked-at", "ls", "/trapped"])).stderr).toContain("No such file");
    await engine.ok(["exec", "looked-at", "id"]); // this one was asked for
    expect(await engine.ok(["exec", "looked-at", "ls", "/trapped"])).toBe("/trapped");
    await engine.ok(["rm", "-f", "looked-at"]);
  });

  // what acts on every program of this kind when its own environment holds it (image ENV, --env, --env-file)
  test("does not heed the variables that an image sets", async () => {
    const path = join(engine.sandbox.home, "preloaded");
    const script = `require("fs").writeFileSync(${JSON.stringify(path)}, "")`;
    const Env = [
      `BUN_OPTIONS=--preload=/evil.js`,
      "BUN_BE_BUN=1",
      "BUN_INSPECT=127.0.0.1:0",
      "NODE_OPTIONS=--require=/evil.js",
      `XDG_DATA_HOME=${engine.sandbox.home}/elsewhere`,
      `XDG_RUNTIME_DIR=${engine.sandbox.home}/elsewhere`,
      "HOME=/evil",
      "TMPDIR=/evil",
    ];
    const image = await place.image({ "evil.js": script }, { Env });
    const result = await engine.proa(["run", "--rm", image, "sh", "-c", "echo $BUN_OPTIONS $HOME"]);
    expect(result).toMatchObject({ stdout: "--preload=/evil.js /evil\n", stderr: "", exitCode: 0 });
    const failed = await engine.proa(["run", "--rm", image, "/nothing"]); // puts its failure into words after the helper
    expect(failed.stderr).toStartWith("Error: ");
    expect(failed.exitCode).toBe(127);
    expect(existsSync(path) || existsSync(join(engine.sandbox.home, "elsewhere"))).toBe(false);
  });

  test("is not shown to a program that looks at its own process from outside the executable", async () => {
    const result = await run(
      place,
      [],
      ["sh", "-c", "cat /proc/1/cmdline /proc/self/environ | tr '\\0' '\\n'"],
    );
    expect(result.stdout).not.toContain("proa-helper");
    expect(result.stdout).not.toContain(engine.sandbox.directory);
  });

  test("nothing is left of all these", () => removeAll(place));
});
