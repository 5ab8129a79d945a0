/** `proa unshare`, `mount`, `unmount`, `init`. */
import { beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { missing, proaPath, useTiny } from "../../harness";
import { detach, inspect } from "./_shell";

describe.skipIf(missing !== null)("mount", () => {
  const place = useTiny();
  const { engine } = place;
  const unshared = (script: string) =>
    engine.proa(["unshare", "sh", "-c", `proa() { ${proaPath} "$@"; }; ${script}`]);

  beforeAll(async () => {
    if (missing !== null) return;
    await engine.ok([
      "create",
      "--name",
      "still",
      "-v",
      "vol:/vol",
      place.tiny,
      "sh",
      "-c",
      "cat /made; stat -c %u:%g /made",
    ]);
    await detach(place, "runs");
  });

  test.each(["mount", "unmount"])("%s is refused outside of unshare, and says what to type", async (verb) => {
    const result = await engine.proa([verb, "still"]);
    expect(result.stderr).toBe(
      `Error: ${verb}: still: a container is mounted in the user namespace that owns its files\nhint: proa unshare proa ${verb} still\n`,
    );
    expect(result.exitCode).toBe(1);
  });

  test("unshare runs a command as root of the namespace, with its status and the user's directories", async () => {
    const ids = await unshared("id -u; id -g; echo $HOME; proa ps -a --format '{{.Names}}' | sort; exit 7");
    expect(ids.stdout).toBe(`0\n0\n${engine.sandbox.home}\nruns\nstill\n`);
    expect(ids.exitCode).toBe(7);
    const absent = await engine.proa(["unshare", "no-such-program"]);
    expect(absent.stderr).toBe("Error: execute: no-such-program: command not found\n");
    expect(absent.exitCode).toBe(127);
    expect((await engine.proa(["unshare", "sh", "-c", "kill -9 $$"])).exitCode).toBe(137);
    expect(
      (await engine.proa(["unshare"], { stdin: "echo in the shell\n", env: { SHELL: "/bin/sh" } })).stdout,
    ).toBe("in the shell\n");
    expect((await engine.proa(["unshare", "--rootless-netns"])).stderr).toStartWith(
      "Error: unshare: --rootless-netns: ",
    );
  });

  test("a container that does not run is mounted to be written to", async () => {
    const result = await unshared(`
      m=$(proa mount still); echo made > $m/made; chown 5:6 $m/made; proa mount | wc -l; test "$(proa mount still)" = $m && echo same
      proa unmount still; proa mount | wc -l; ls $m; proa unmount still`);
    expect(result.stdout).toBe("1\nsame\nstill\n0\n");
    expect(result.stderr).toBe("Error: unmount: still: it is not mounted here\n");
    expect(await engine.ok(["start", "-a", "still"])).toBe("made\n5:6");
  });

  test("one that runs can be read there, and what it writes is seen in a mount that is made later", async () => {
    await engine.ok(["exec", "runs", "sh", "-c", "echo inside > /inside; rm /etc/group"]);
    const result = await unshared(
      "m=$(proa mount runs); cat $m/inside; ls $m/etc | tr '\\n' ' '; (echo x > $m/x) 2>/dev/null || echo refused",
    );
    expect(result.stdout).toContain("inside\n");
    expect(result.stdout).not.toContain("group");
    expect(result.stdout).toContain("refused\n");
    expect((await unshared("proa mount -a | wc -l; proa unmount -a | wc -l")).stdout).toBe("2\n2\n");
  });

  test("containers run within unshare, too, on the same images", async () => {
    const result = await unshared(`proa run --rm --network none ${place.tiny} id -u`);
    expect(result.stdout).toBe("0\n");
  });

  test("an image is mounted to be read", async () => {
    const outside = await engine.proa(["image", "mount", place.tiny]);
    expect(outside.stderr).toStartWith(
      `Error: image mount: ${place.tiny}: an image is mounted in the user namespace`,
    );
    expect(outside.exitCode).toBe(1);
    const result = await unshared(`
      m=$(proa image mount ${place.tiny}); ls $m/etc | head -1; touch $m/x 2>/dev/null || echo refused; proa image mount | wc -l
      test "$(proa image unmount ${place.tiny})" && proa image mount | wc -l; proa image mount -a | wc -l; proa image unmount -a | wc -l`);
    expect(result.stderr).toBe("");
    expect(result.stdout).toBe("group\nrefused\n1\n0\n1\n1\n");
  });

  test("init makes everything but the processes", async () => {
    await engine.ok(["create", "--name", "ready", "-v", "fresh:/data", place.tiny, "true"]);
    expect(await engine.ok(["init", "ready"])).toBe("ready");
    expect(await inspect(place, "ready", "{{.State.Status}}")).toBe("created");
    const id = await inspect(place, "ready", "{{.Id}}");
    expect(existsSync(`${engine.sandbox.dataHome}/proa/containers/${id}/rootfs.json`)).toBe(true);
    expect(await engine.ok(["init", "ready"])).toBe("ready"); // again changes nothing
    expect(await engine.ok(["start", "-a", "ready"])).toBe("");
    const running = await engine.proa(["init", "runs"]);
    expect(running.stderr).toBe("Error: init: runs: the container is running\n");
    expect(running.exitCode).toBe(1);
  });
});
