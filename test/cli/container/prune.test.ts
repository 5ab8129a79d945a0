/** Removing what nothing uses: `proa container prune`, `proa system prune`; and what tells by its exit status alone. */
import { afterEach, describe, expect, test } from "bun:test";
import { missing, useTiny } from "../../harness";
import { detach, removeAll, SLEEP } from "./_shell";

describe.skipIf(missing !== null)("prune", () => {
  const place = useTiny();
  const { engine } = place;
  afterEach(() => removeAll(place));

  const names = async () =>
    (await engine.ok(["ps", "-a", "--format", "{{.Names}}"])).split("\n").filter(Boolean).sort();

  test("container prune removes what does not run, and tells ids and bytes", async () => {
    await detach(place, "runs");
    const made = await engine.ok(["create", "--name", "made", place.tiny]);
    const ended = await detach(place, "ended", ["sh", "-c", "head -c 2000000 /dev/zero > /file"]);
    await engine.ok(["wait", "ended"]);
    const lines = (await engine.ok(["container", "prune", "-f"])).split("\n");
    expect(lines[0]).toBe("Deleted Containers:");
    expect(lines.slice(1, 3).sort()).toEqual([made, ended].sort());
    expect(lines[3]).toBe("");
    expect(lines[4]).toMatch(/^Total reclaimed space: 2(\.0\d*)?MB$/);
    expect(await names()).toEqual(["runs"]);
    expect(await engine.ok(["container", "prune", "--force"])).toBe("Total reclaimed space: 0B");
  });

  test("container prune asks, and takes filters", async () => {
    for (const name of ["aa", "bb"]) await engine.ok(["create", "--name", name, "-l", name, place.tiny]);
    const no = await engine.proa(["container", "prune"], { stdin: "n\n" });
    expect(no.stderr).toStartWith(
      "WARNING! This will remove all stopped containers.\nAre you sure you want to continue? [y/N] ",
    );
    expect(await names()).toEqual(["aa", "bb"]);
    await engine.ok(["container", "prune", "-f", "--filter", "until=1h"]);
    expect(await names()).toEqual(["aa", "bb"]);
    await engine.ok(["container", "prune", "-f", "--filter", "label!=bb"]);
    expect(await names()).toEqual(["bb"]);
    await engine.ok(["container", "prune", "--filter", "label=bb"], { stdin: "y\n" });
    expect(await names()).toEqual([]);
    const wrong = await engine.proa(["container", "prune", "-f", "--filter", "status=exited"]);
    expect(wrong.stderr).toContain('invalid filter "status"');
    expect(wrong.exitCode).toBe(125);
  });

  test("system prune removes containers, networks and images that nothing uses, volumes when asked", async () => {
    await detach(place, "runs", SLEEP, ["-v", "/used"]);
    await engine.ok(["create", "--name", "made", "-v", "/unused", place.tiny]);
    await engine.ok(["network", "create", "lonely"]);
    await engine.ok(["volume", "create", "named"]);
    const asked = await engine.proa(["system", "prune", "-a", "--volumes"], { stdin: "" });
    expect(asked.stderr).toContain(
      [
        "WARNING! This will remove:",
        "  - all stopped containers",
        "  - all networks not used by at least one container",
        "  - all anonymous volumes not used by at least one container",
        "  - all images without at least one container associated to them",
        "",
        "Are you sure you want to continue? [y/N] ",
      ].join("\n"),
    );
    const text = await engine.ok(["system", "prune", "-f"]);
    expect(text).toMatch(
      /^Deleted Containers:\n[0-9a-f]{64}\n\nDeleted Networks:\nlonely\n\nTotal reclaimed space: \d+B$/,
    );
    expect(await names()).toEqual(["runs"]);
    expect((await engine.ok(["volume", "ls", "-q"])).split("\n")).toHaveLength(3);
    expect(await engine.ok(["system", "prune", "-f", "--volumes"])).toStartWith("Deleted Volumes:\n");
    expect((await engine.ok(["volume", "ls", "-q"])).split("\n")).toHaveLength(2);
    // the image of the container that runs stays, the other goes
    await engine.ok(["pull", "-q", "hello"]).catch(() => undefined);
    await engine.ok(["run", "--rm", "hello"]);
    await engine.ok(["system", "prune", "-af"]);
    expect(await engine.ok(["images", "--format", "{{.Repository}}"])).toBe(
      place.tiny.replace(/:latest$/, ""),
    );
    await engine.ok(["rm", "-fv", "runs"]);
    await engine.ok(["volume", "rm", "named"]);
  });

  test("exists tells by its exit status", async () => {
    const id = await engine.ok(["create", "--name", "here", place.tiny]);
    for (const [name, status] of [
      ["here", 0],
      [id, 0],
      [id.slice(0, 12), 0],
      ["nosuch", 1],
    ] as const) {
      const result = await engine.proa(["container", "exists", name]);
      expect([name, result.stdout, result.stderr, result.exitCode]).toEqual([name, "", "", status]);
    }
  });

  test("cleanup names what has ended, and refuses what runs", async () => {
    await detach(place, "runs");
    await detach(place, "ended", ["true"]);
    await engine.ok(["wait", "ended"]);
    expect(await engine.ok(["container", "cleanup", "ended"])).toBe("ended");
    expect((await engine.proa(["container", "cleanup", "runs"])).exitCode).toBe(1);
    expect(await engine.ok(["container", "cleanup", "--stopped-only", "runs", "ended"])).toBe("ended");
    await engine.ok(["container", "cleanup", "--rm", "ended"]);
    expect(await names()).toEqual(["runs"]);
  });

  test("cleanup --exec forgets a session that has ended", async () => {
    await detach(place, "runs");
    await engine.ok(["exec", "runs", "true"]);
    await engine.ok(["exec", "-d", "runs", "sleep", "1000"]);
    const [running = ""] = JSON.parse(await engine.ok(["inspect", "--format", "{{json .ExecIDs}}", "runs"]));
    const range = ["--since", "1h", "--until", "0s", "--filter", "container=runs"];
    const created = ["--filter", "event=exec_create", "--format", "{{.Actor.Attributes.execID}}"];
    const all = (await engine.ok(["events", ...range, ...created])).split("\n");
    const ended = all.find((id) => id !== running) ?? "";
    const cleanup = (id: string) => engine.proa(["container", "cleanup", "--exec", id, "runs"]);
    expect(await cleanup(ended)).toMatchObject({ stdout: `${ended}\n`, stderr: "", exitCode: 0 });
    for (const [id, why] of [
      [ended, "runs has no such session"],
      [running, "it runs"],
    ] as const)
      expect(await cleanup(id)).toMatchObject({
        stderr: `Error: clean up exec session: ${id}: ${why}\n`,
        exitCode: 1,
      });
  });

  test("checkpoint and restore are refused with what is missing", async () => {
    await detach(place, "runs");
    for (const command of [
      ["container", "checkpoint", "-e", "/tmp/x.tar.gz", "runs"],
      ["container", "restore", "--import", "/tmp/x.tar.gz"],
      ["container", "restore", "--import", "/tmp/x.tar.gz", "--import-previous", "/tmp/y.tar.gz"],
      ["start", "--checkpoint", "one", "runs"],
      ["start", "--checkpoint-dir", "/tmp/x", "runs"],
      ["checkpoint", "create", "--leave-running", "--checkpoint-dir", "/tmp/x", "runs", "one"],
      ["checkpoint", "ls", "runs"],
      ["checkpoint", "rm", "runs", "one"],
    ]) {
      const result = await engine.proa(command);
      expect(result.stderr).toContain("criu");
      expect(result.stderr).toContain("hint: ");
      expect(result.exitCode).toBe(1);
    }
    expect(await engine.ok(["inspect", "-f", "{{.State.Status}}", "runs"])).toBe("running");
  });

  test("port --all names each container that has published something", async () => {
    const id = await detach(place, "web", SLEEP, ["-p", "127.0.0.1:0:80"]);
    await detach(place, "other");
    expect(await engine.ok(["port", "--all"])).toMatch(
      new RegExp(`^${id.slice(0, 12)}\\t80/tcp -> 127\\.0\\.0\\.1:\\d+$`),
    );
    expect((await engine.proa(["port"])).stderr).toContain('"proa port" requires at least 1 argument');
  });
});
