/** `proa commit`. */
import { beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { missing, proaPath, useTiny, waitUntil } from "../../harness";
import { detach, printed, SLEEP } from "./_shell";

describe.skipIf(missing !== null)("commit", () => {
  const place = useTiny();
  const { engine } = place;
  const commit = (...args: string[]) => engine.ok(["commit", ...args]);
  const inspect = (name: string, template: string) =>
    engine.ok(["image", "inspect", "--format", template, name]);
  const run = (name: string, script: string) => engine.ok(["run", "--rm", name, "sh", "-c", script]);

  beforeAll(async () => {
    if (missing !== null) return;
    await engine.ok([
      "run",
      "--name",
      "base",
      place.tiny,
      "sh",
      "-c",
      "mkdir -p /var/www; echo > /var/www/old",
    ]);
    await engine.ok(["commit", "base", "base"]);
    await detach({ ...place, tiny: "base", engine }, "web", SLEEP, [
      "-e",
      "A=1",
      "-w",
      "/tmp",
      "--label",
      "l=v",
      "-v",
      "vol:/vol",
      "-u",
      "0:0",
    ]);
    await engine.ok([
      "exec",
      "web",
      "sh",
      "-c",
      `echo made > /made; chown 5:6 /made; chmod 4755 /made; rm /etc/group; rm -r /var/www; mkdir /var/www; echo new > /var/www/n
       ln /made /again; ln -s /made /link; mkfifo /fifo; echo volume > /vol/v; truncate -s 1G /sparse`,
    ]);
  });

  test.each([
    [["commit"], '"proa commit" requires at least 1 argument: no CONTAINER given', 125],
    [["commit", "nosuch"], "commit: nosuch: no such container", 1],
    [["commit", "web", "Upper/Case"], "", 125],
    [["commit", "-c", "ADD x y", "web"], "change: ADD x y: ADD is not a valid change command", 1],
    [["commit", "-c", "WORKDIR", "web"], "change: WORKDIR: this is not a valid change command", 1],
  ])("%p is refused", async (args, message, status) => {
    const result = await engine.proa(args);
    expect(result.stderr).toStartWith(`Error: ${message}`);
    expect(result.exitCode).toBe(status);
    expect(result.stdout).toBe("");
  });

  test("makes an image that runs, with what was written, deleted and replaced", async () => {
    const id = await commit("-a", "somebody", "-m", "words", "web", "made:1");
    expect(id).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(await inspect("made:1", "{{.Id}} {{.Author}} {{.Comment}}")).toBe(`${id} somebody words`);
    expect(
      await inspect("made:1", "{{json .Config.Env}} {{.Config.WorkingDir}} {{.Config.Labels.l}}"),
    ).toContain('"A=1"');
    expect(
      await run(
        "made:1",
        "pwd; cat /made; stat -c '%u:%g %a %h' /made; ls /var/www; readlink /link; test -p /fifo && echo fifo",
      ),
    ).toBe("/tmp\nmade\n5:6 4755 2\nn\n/made\nfifo");
    expect(await run("made:1", "test -e /etc/group || echo gone; ls /vol; stat -c %s /sparse")).toBe(
      "gone\n1073741824",
    );
    expect(await engine.ok(["history", "--format", "{{.CreatedBy}}|{{.Comment}}", "made:1"])).toStartWith(
      "sleep",
    );
    // what is mounted in every container is no content
    const layers = await inspect("made:1", "{{range .RootFS.Layers}}{{.}} {{end}}");
    expect(layers.trim().split(" ").length).toBe(3);
  });

  test("the layer holds nothing but the changes, whiteouts as the specification has them", async () => {
    const id = await commit("web");
    const images = join(engine.sandbox.dataHome, "proa", "images");
    const text = readFileSync(join(images, "blobs/sha256", id.slice(7)), "utf8");
    expect(JSON.parse(text).rootfs.diff_ids.length).toBe(3);
    const index = JSON.parse(readFileSync(join(images, "index.json"), "utf8")) as {
      manifests: { digest: string }[];
    };
    const manifest = index.manifests
      .map(({ digest }) => JSON.parse(readFileSync(join(images, "blobs/sha256", digest.slice(7)), "utf8")))
      .find(({ config }) => config.digest === id);
    const blob = join(images, "blobs/sha256", manifest.layers[2].digest.slice(7));
    const names = Bun.spawnSync(["tar", "-tzf", blob]).stdout.toString().split("\n").filter(Boolean);
    expect(names).toEqual([
      "again",
      "etc/",
      "etc/.wh.group",
      "fifo",
      "link",
      "made",
      "sparse",
      "var/",
      "var/www/",
      "var/www/.wh..wh..opq",
      "var/www/n",
    ]);
    await engine.ok(["rmi", id]);
  });

  test("--change has the instructions that concern the config", async () => {
    const changes = [
      'CMD ["cat", "/made"]',
      "ENV B=2 C='3 4'",
      "EXPOSE 80 53/udp",
      "LABEL x=y",
      "USER 7",
      'VOLUME ["/data"]',
      "WORKDIR sub",
      "STOPSIGNAL SIGINT",
      "HEALTHCHECK --interval=5s CMD true",
      "ONBUILD RUN true",
      'ENTRYPOINT ["env"]',
    ];
    await commit(...changes.flatMap((change) => ["-c", change]), "web", "changed");
    const { Config } = JSON.parse(await engine.ok(["image", "inspect", "changed"]))[0];
    expect(Config).toMatchObject({
      Entrypoint: ["env"],
      Cmd: ["cat", "/made"],
      User: "7",
      WorkingDir: "/tmp/sub",
      StopSignal: "SIGINT",
      Labels: { l: "v", x: "y" },
      Volumes: { "/data": {} },
      OnBuild: ["RUN true"],
    });
    expect(Config.Env).toContain("C=3 4");
    expect(Object.keys(Config.ExposedPorts)).toEqual(["80/tcp", "53/udp"]);
    expect(await engine.ok(["run", "--rm", "changed"])).toBe("made");
  });

  test("--squash makes one layer of everything, --include-volumes takes them along, --iidfile tells the id", async () => {
    const file = join(engine.sandbox.home, "iid");
    const id = await commit("--squash", "--include-volumes", "--iidfile", file, "-q", "web", "whole");
    expect(readFileSync(file, "utf8")).toBe(id);
    expect(await inspect("whole", "{{len .RootFS.Layers}}")).toBe("2"); // everything, and the volume
    expect(await run("whole", "cat /made /vol/v; ls /bin/sh")).toBe("made\nvolume\n/bin/sh");
  });

  test("--format docker has docker's media types", async () => {
    const id = await commit("--format", "docker", "web", "dockers");
    const images = join(engine.sandbox.dataHome, "proa", "images");
    const index = JSON.parse(readFileSync(join(images, "index.json"), "utf8")) as {
      manifests: { digest: string; mediaType: string }[];
    };
    const types = index.manifests
      .filter(({ mediaType }) => mediaType.includes("docker"))
      .map(({ digest }) => JSON.parse(readFileSync(join(images, "blobs/sha256", digest.slice(7)), "utf8")))
      .filter(({ config }) => config.digest === id);
    expect(types.length).toBe(1);
    expect(
      types[0].layers.every((layer: { mediaType: string }) => layer.mediaType.endsWith("diff.tar.gzip")),
    ).toBe(true);
    expect(await run("dockers", "cat /made")).toBe("made");
  });

  test("a container stands still while it is committed, and goes on afterwards; not with --pause=false", async () => {
    const events = async (): Promise<string[]> =>
      (
        await engine.ok([
          "events",
          "--since",
          "1h",
          "--until",
          "0s",
          "--filter",
          "container=web",
          "--format",
          "{{.Action}}",
        ])
      ).split("\n");
    const before = (await events()).length;
    await commit("web");
    expect((await events()).slice(before)).toEqual(["pause", "unpause", "commit"]);
    await commit("--pause=false", "web");
    expect((await events()).slice(before + 3)).toEqual(["commit"]);
    expect(await engine.ok(["exec", "web", "echo", "alive"])).toBe("alive");
  });

  test("of a container that has ended, of one that has never run, and of an image that was made so", async () => {
    await engine.ok(["run", "--name", "ended", place.tiny, "sh", "-c", "echo one > /one"]);
    await commit("ended", "first");
    await engine.ok(["run", "--name", "second", "first", "sh", "-c", "rm /one; echo two > /two"]);
    await commit("second", "second");
    expect(await run("second", "ls /one /two 2>&1 | sort | head -1")).toBe("/two");
    await engine.ok(["create", "--name", "never", place.tiny, "echo", "hello"]);
    await commit("never", "unchanged");
    expect(await engine.ok(["run", "--rm", "unchanged"])).toBe("hello");
  });

  test.each(["vfs", "fuse-overlayfs"])("%s makes the same", async (driver) => {
    if (driver === "fuse-overlayfs" && Bun.which(driver) === null) return;
    const proa = (args: string[]) => engine.ok(["--storage-driver", driver, ...args]);
    const script = "echo made > /made; rm /etc/group; rm -r /var/www; mkdir /var/www; echo n > /var/www/n";
    await proa(["run", "--name", driver, place.tiny, "sh", "-c", script]);
    await proa(["commit", driver, `of-${driver}`]);
    const look = "cat /made; test -e /etc/group || echo gone; ls /var/www";
    expect(await proa(["run", "--rm", `of-${driver}`, "sh", "-c", look])).toBe("made\ngone\nn");
    await proa(["rm", driver]);
  });

  test("a disk that is full leaves no half of a blob, and a container that can be committed later", async () => {
    const disk = join(engine.sandbox.home, "disk");
    const script = `proa() { XDG_DATA_HOME=${disk} ${proaPath} "$@"; }
      mkdir ${disk}; mount -t tmpfs -o size=40m,mode=700 none ${disk}; proa pull -q ${place.tiny} >/dev/null || exit 3
      proa run --name big --network none ${place.tiny} dd if=/dev/urandom of=/big bs=1M count=8 2>/dev/null
      dd if=/dev/zero of=${disk}/fill bs=64k 2>/dev/null; truncate -s -4M ${disk}/fill
      proa commit big full; echo "status $?"; ls ${disk}/proa/images/ingest; rm ${disk}/fill
      proa commit -q big later >/dev/null && proa run --rm --network none later stat -c %s /big`;
    const result = await engine.proa(["unshare", "sh", "-c", script], { timeoutMs: 60_000 });
    expect(result.stderr).toBe(
      "Error: store layer: write archive: no space left on device\nhint: free some space, for example with `proa rmi`\n",
    );
    expect(result.stdout).toBe("status 1\n8388608\n");
  });

  test("what is interrupted leaves no image, no blob and no container that stands still", async () => {
    await detach(place, "long", [
      "sh",
      "-c",
      "dd if=/dev/urandom of=/big bs=1M count=200; echo ready; exec sleep 1000",
    ]);
    await printed(place, "long", "ready");
    const child = engine.start(["commit", "long", "interrupted"]);
    const ingest = join(engine.sandbox.dataHome, "proa", "images", "ingest");
    await waitUntil(() => readdirSync(ingest).some((name) => !name.endsWith(".lock")), {
      what: "a blob that is being written",
    });
    child.kill("SIGINT");
    await child.exited;
    const status = () => engine.ok(["inspect", "--format", "{{.State.Status}}", "long"]);
    await waitUntil(async () => (await status()) === "running", { what: "the container to go on" });
    expect((await engine.proa(["image", "inspect", "interrupted"])).exitCode).not.toBe(0);
    await engine.ok(["rm", "-f", "long"]);
  });
});
