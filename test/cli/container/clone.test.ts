/** podman's `container clone` and `container runlabel`. */
import { afterEach, describe, expect, test } from "bun:test";
import { makeImage, missing, pushImage, tinyLayer, useTiny } from "../../harness";
import { startGuarded } from "../registry/_registries";
import { detach, inspect, removeAll, SLEEP } from "./_shell";

describe.skipIf(missing !== null)("container clone", () => {
  const place = useTiny();
  const { engine } = place;
  afterEach(() => removeAll(place));

  const names = async () =>
    (await engine.ok(["ps", "-a", "--format", "{{.Names}}"])).split("\n").filter(Boolean).sort();

  test("is set up as the other, with a name and a root of its own", async () => {
    await detach(place, "web", SLEEP, [
      "-e",
      "A=b",
      "-l",
      "tier=front",
      "--stop-signal",
      "INT",
      "-v",
      "/anonymous",
    ]);
    await engine.ok(["exec", "web", "touch", "/written"]);
    const id = await engine.ok(["container", "clone", "web"]);
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    await engine.ok(["container", "clone", "web"]);
    expect(await names()).toEqual(["web", "web-clone", "web-clone1"]);
    const shown = "{{.Config.StopSignal}} {{.Config.Labels.tier}} {{json .Config.Cmd}} {{.State.Status}}";
    expect(await inspect(place, id, shown)).toBe('INT front ["sleep","1000"] created');
    expect(await inspect(place, id, "{{.Config.Hostname}}")).toBe(id.slice(0, 12));
    await engine.ok(["start", "web-clone"]);
    expect(
      await engine.ok(["exec", "web-clone", "sh", "-c", "echo $A; ls /written 2>/dev/null || echo fresh"]),
    ).toBe("b\nfresh");
    const volume = (name: string) => inspect(place, name, "{{(index .Mounts 0).Name}}");
    expect(await volume("web")).not.toBe(await volume("web-clone"));
    await engine.ok(["rm", "-fv", ...(await names())]);
  });

  test("takes a name, limits and another image; --run starts it, --destroy -f removes the other", async () => {
    await detach(place, "web");
    const refused = await engine.proa(["container", "clone", "--destroy", "web"]);
    expect(refused.stderr).toStartWith("Error: remove container: web: it is running\n");
    expect(await names()).toEqual(["web"]);
    const limited = await engine.proa(["container", "clone", "-m", "64m", "web", "small"]);
    expect(limited.exitCode).toBe(0);
    expect(await inspect(place, "small", "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}")).toBe(
      `${64 << 20} ${128 << 20}`,
    );
    await engine.ok(["container", "clone", "--destroy", "-f", "--run", "--name", "next", "web"]);
    expect(await names()).toEqual(["next", "small"]);
    expect(await inspect(place, "next", "{{.State.Status}}")).toBe("running");
    const taken = await engine.proa(["container", "clone", "next", "small"]);
    expect(taken.stderr).toContain("the name is used by container");
    expect((await engine.proa(["container", "clone", "nosuch"])).stderr).toContain(
      "nosuch: no such container",
    );
  });

  test("runlabel runs the command of a label, with IMAGE, NAME and what is added", async () => {
    const config = {
      Labels: {
        run: "podman run --rm --name NAME -e \"A=x y\" IMAGE echo $NAME '$HOME'",
        other: "/bin/rm -rf /",
      },
    };
    const image = await makeImage({ layers: [await tinyLayer()], config: config as never });
    const name = await pushImage(`${place.registry.host}/tool:latest`, image);
    const result = await engine.proa(["container", "runlabel", "-q", "-n", "job", "run", name, "more"]);
    expect(result.stdout).toBe(`job ${engine.sandbox.home} more\n`);
    expect(await engine.ok(["container", "runlabel", "--display", "run", name])).toStartWith(
      `command: proa run --rm --name tool -e A=x y ${name} echo tool`,
    );
    await using guarded = await startGuarded({ users: { me: "secret" } });
    const there = `${guarded.host}/tool:v1`;
    await engine.ok(["push", "-q", "--creds", "me:secret", name, there]);
    const logIn = (...flags: string[]) =>
      engine.proa(["container", "runlabel", "-q", "--display", ...flags, "run", there]);
    expect(await logIn()).toMatchObject({ stdout: "", exitCode: 125 });
    expect((await logIn("--creds", "me:secret")).stdout).toStartWith("command: proa run ");
    const foreign = await engine.proa(["container", "runlabel", "other", name]);
    expect(foreign.stderr).toContain("its command is none of proa, docker or podman: /bin/rm -rf /");
    const absent = await engine.proa(["container", "runlabel", "nosuch", name]);
    expect(absent.stderr).toContain("the image has no label nosuch");
  });
});
