/** `proa system reset`: nothing is left, and the next command begins anew. */
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { missing, useTiny } from "../../harness";

describe.skipIf(missing !== null)("system reset", () => {
  const place = useTiny();
  const { engine } = place;

  test("asks first, and without a yes removes nothing", async () => {
    await engine.ok(["volume", "create", "kept"]);
    const { stdout, stderr, exitCode } = await engine.proa(["system", "reset"], { stdin: "n\n" });
    expect(stderr).toStartWith("WARNING! This will remove:\n  - all containers\n");
    expect([stdout, exitCode]).toEqual(["", 1]);
    expect(await engine.ok(["volume", "ls", "-q"])).toBe("kept");
  });

  test("kills what runs, and removes containers, images, volumes, networks, secrets and events", async () => {
    const data = join(engine.sandbox.dataHome, "proa");
    const archive = join(engine.sandbox.home, "tiny.tar");
    await engine.ok(["save", "-o", archive, place.tiny]);
    await engine.ok(["network", "create", "back"]);
    const owned = "echo x >/v/x; chown -R 1:1 /v; mkdir /d; chown 2:2 /d; sleep 1000"; // files that only the helper can remove
    await engine.ok([
      ...["run", "-d", "--name", "on", "--network", "back", "-v", "kept:/v", place.tiny],
      ...["sh", "-c", owned],
    ]);
    await engine.ok(["create", "--name", "made", place.tiny, "true"]);
    await engine.ok(["secret", "create", "s", "-"], { stdin: "secret" });
    mkdirSync(join(data, ".reset-1")); // of one that was killed

    const { stdout, stderr, exitCode } = await engine.proa(["system", "reset", "--force"]);
    expect([stdout, stderr, exitCode]).toEqual(["", "", 0]);
    expect(readdirSync(data)).toEqual([]);
    for (const list of ["ps -aq", "images -q", "volume ls -q", "secret ls -q"])
      expect(await engine.ok(list.split(" "))).toBe("");
    expect(await engine.ok(["network", "ls", "--format", "{{.Name}}"])).toBe("host\nnone\nproa");
    expect(await engine.ok(["events", "--since", "0", "--until", "0s"])).toBe("");

    await engine.ok(["load", "-q", "-i", archive]);
    expect(await engine.ok(["run", "--rm", place.tiny, "echo", "anew"])).toBe("anew");
  });

  test("where nothing has been stored there is nothing to do", async () => {
    const dataHome = join(engine.sandbox.home, "empty");
    await engine.ok(["system", "reset", "-f"], { env: { XDG_DATA_HOME: dataHome } });
    expect(existsSync(dataHome)).toBe(false);
  });
});
