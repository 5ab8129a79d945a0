/** Where the variables of a container come from. */
import { afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeImage, missing, pushImage, tinyLayer, useTiny } from "../../harness";
import { removeAll, run, shell } from "./_shell";

describe.skipIf(missing !== null)("the environment of a container", () => {
  const place = useTiny();
  const { engine } = place;
  afterEach(() => removeAll(place));

  const fileOf = (content: string | Uint8Array): string => {
    const path = join(engine.sandbox.home, `file-${Bun.hash(content).toString(36)}`);
    writeFileSync(path, content);
    return path;
  };
  const lines = async (options: string[], env: Record<string, string> = {}) =>
    (await shell(place, options, "env", { env })).split("\n").sort();

  test("--env-file takes values as they stand: quotes, blanks, a mark of byte order, line ends of Windows", async () => {
    const file = fileOf(`\uFEFFA="quoted"\r\n  B=b c  \n#C=c\n\nD\nE=\nF=a#b\nG='x'=y\n`);
    const found = await lines(["--env-file", file], { D: "from outside" });
    for (const line of ['A="quoted"', "B=b c  ", "D=from outside", "E=", "F=a#b", "G='x'=y"])
      expect(found).toContain(line);
    expect(found.some((line) => line.startsWith("C="))).toBe(false);
  });

  test.each([
    ["=x\n", 'no variable name on line "=x"'],
    ["A B=c\n", 'variable "A B" contains whitespace'],
    ["A =c\n", 'variable "A " contains whitespace'],
    [new Uint8Array([0x41, 0x3d, 0xff]), "it is not valid UTF-8"],
    [`A=${"x".repeat(200_000)}`, "a line is longer than 64 KiB"],
  ])("an env file of %j is refused", async (content, why) => {
    const file = fileOf(content);
    const result = await run(place, ["--env-file", file], ["true"]);
    expect(result.stderr).toBe(`Error: env file: ${file}: ${why}\n`);
    expect(result.exitCode).toBe(125);
  });

  test("an env file without an end is not read to its end; one from a pipe is read", async () => {
    const endless = await run(place, ["--env-file", "/dev/zero"], ["true"]);
    expect(endless.stderr).toContain("env file: /dev/zero: ");
    expect(endless.exitCode).toBe(125);
    const piped = await run(place, ["--env-file", "/dev/stdin"], ["sh", "-c", "echo $A"], {
      stdin: "A=piped\n",
    });
    expect(piped.stdout).toBe("piped\n");
    const absent = await run(place, ["--env-file", "/nosuch"], ["true"]);
    expect(absent.stderr).toBe("Error: env file: /nosuch: no such file or directory\n");
    expect(absent.exitCode).toBe(125);
  });

  test("-e NAME* takes all that begin so", async () => {
    const found = await lines(["-e", "PRE_*"], { PRE_A: "1", PRE_B: "2", OTHER: "3" });
    expect(found.filter((line) => /^(PRE|OTHER)/.test(line))).toEqual(["PRE_A=1", "PRE_B=2"]);
  });

  test("--env-host lies below the image, the image below a file, a file below -e", async () => {
    const image = await makeImage({
      layers: [await tinyLayer()],
      config: { Env: ["A=image", "B=image", "PATH=/bin"] },
    });
    const name = await pushImage(`${place.registry.host}/env:latest`, image);
    const file = fileOf("B=file\nC=file\n");
    const result = await engine.proa(
      [
        "run",
        "--rm",
        "--env-host",
        "--env-file",
        file,
        "-e",
        "C=option",
        name,
        "sh",
        "-c",
        "echo $A $B $C $D",
      ],
      { env: { A: "host", B: "host", C: "host", D: "host" } },
    );
    expect(result.stdout).toBe("image file option host\n");
    expect((await shell(place, [], "echo $D.", { env: { D: "host" } })).trim()).toBe(".");
  });

  test("--env-merge makes one of the image's, --unsetenv takes one away, --unsetenv-all all", async () => {
    const config = { Env: ["A=image", "PATH=/bin:/sbin"] };
    const name = await pushImage(
      `${place.registry.host}/merge:latest`,
      await makeImage({ layers: [await tinyLayer()], config }),
    );
    const env = async (...options: string[]) =>
      (await engine.ok(["run", "--rm", ...options, name, "/bin/env"])).split("\n");
    expect(await env("--env-merge", ["PATH=$", "{PATH}:/more"].join(""))).toContain("PATH=/bin:/sbin:/more");
    expect(await env("--env-merge", "A=<$A>")).toContain("A=<image>");
    expect((await env("--unsetenv", "A")).some((line) => line.startsWith("A="))).toBe(false);
    expect((await env("--unsetenv", "PATH")).some((line) => line.startsWith("PATH="))).toBe(false);
    const bare = await env("--unsetenv-all", "-e", "B=b");
    expect(bare.map((line) => line.split("=")[0]).sort()).toEqual(["B", "HOME", "HOSTNAME"]);
    await engine.ok(["run", "-d", "--name", "bare", "--unsetenv", "PATH", name, "/bin/sleep", "1000"]);
    const added = (await engine.ok(["exec", "-e", "PATH=/own", "bare", "/bin/env"])).split("\n");
    expect(added).toContain("PATH=/own");
    const wrong = await engine.proa(["run", "--env-merge", "novalue", name]);
    expect(wrong.stderr).toContain('env-merge: "novalue": expected NAME=VALUE');
    expect(wrong.exitCode).toBe(125);
  });

  test("proxies are passed on, of docker's config.json too; not with --http-proxy=false", async () => {
    const env = { http_proxy: "http://one:1", NO_PROXY: "local" };
    const found = await lines([], env);
    expect(found).toContain("http_proxy=http://one:1");
    expect(found).toContain("NO_PROXY=local");
    expect((await lines(["--http-proxy=false"], env)).some((line) => /proxy/i.test(line))).toBe(false);
    expect(await lines(["-e", "http_proxy=mine"], env)).toContain("http_proxy=mine");
    const directory = join(engine.sandbox.home, "docker");
    mkdirSync(directory);
    writeFileSync(join(directory, "config.json"), '{"proxies":{"default":{"httpsProxy":"http://two:2"}}}');
    const ofDocker = await lines([], { DOCKER_CONFIG: directory });
    expect(ofDocker).toContain("HTTPS_PROXY=http://two:2");
    expect(ofDocker).toContain("https_proxy=http://two:2");
  });
});
