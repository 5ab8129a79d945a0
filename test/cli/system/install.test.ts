/** `system install` and `uninstall`: what man, bash, zsh, fish and systemd find afterwards, and that nothing stays. */
import { afterAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { proaPath, useEngine } from "../../harness";

const engine = useEngine();
afterAll(() => engine.assertNothingLeft());

const filesBelow = (path: string): string[] =>
  existsSync(path)
    ? (readdirSync(path, { recursive: true, withFileTypes: true }) as import("node:fs").Dirent[])
        .filter((each) => each.isFile())
        .map((each) => join(each.parentPath, each.name))
        .toSorted()
    : [];

const prefix = (): string => join(engine.sandbox.home, "prefix");

/** Run a program in the sandbox's environment. */
function run(words: string[], env: Record<string, string> = {}): { out: string; code: number } {
  const result = Bun.spawnSync(words, {
    env: { ...engine.sandbox.env, PATH: process.env.PATH ?? "/usr/bin:/bin", ...env },
    stdin: "ignore",
  });
  return { out: result.stdout.toString(), code: result.exitCode };
}

const needs = (...programs: string[]): boolean => programs.some((each) => Bun.which(each) === null);

describe("system install", () => {
  const data = (): string => engine.sandbox.dataHome;

  test("prints every file that it writes, writes nothing else, and nothing the second time", async () => {
    const before = filesBelow(data());
    const written = (await engine.ok(["system", "install"])).split("\n").toSorted();
    const record = join(engine.sandbox.dataHome, "proa/installed.json");
    expect(filesBelow(data()).filter((each) => !before.includes(each) && each !== record)).toEqual(written);
    const ends = ["man1/proa.1", "man1/proa-run.1", "man5/proa.toml.5", "man7/proa-networks.7"].map(
      (each) => `man/${each}`,
    );
    const others = [
      "bash-completion/completions/proa",
      "zsh/site-functions/_proa",
      "fish/vendor_completions.d/proa.fish",
      "systemd/user/proa-restart.service",
    ];
    for (const each of [...ends, ...others]) expect(written).toContain(join(data(), each));
    expect(statSync(join(data(), "man/man1/proa.1")).mode & 0o777).toBe(0o644);
    expect(await engine.ok(["system", "install"])).toBe("");
  });

  test.skipIf(needs("man", "groff"))("has man find its pages [needs man-db, groff]", () => {
    const MANPATH = `${join(data(), "man")}:`;
    const run1 = run(["man", "-w", "proa-run"], { MANPATH });
    expect(run1.out.trim()).toBe(join(data(), "man/man1/proa-run.1"));
    expect(run(["man", "-w", "5", "proa.toml"], { MANPATH }).out.trim()).toEndWith("man5/proa.toml.5");
    const shown = run(["man", "-P", "cat", "proa-networks"], { MANPATH, MANWIDTH: "80", LC_ALL: "C.UTF-8" });
    expect(shown.out).toContain("PUBLISHED PORTS");
    // beside a directory of PATH man looks by itself
    const PATH = `${join(prefix(), "bin")}:/usr/bin:/bin`;
    mkdirSync(join(prefix(), "bin"), { recursive: true });
    mkdirSync(join(prefix(), "share"), { recursive: true });
    symlinkSync(join(data(), "man"), join(prefix(), "share/man"));
    expect(run(["man", "-w", "proa-run"], { PATH }).out).toContain("proa-run.1");
    rmSync(prefix(), { recursive: true });
  });

  test.skipIf(needs("bash") || !existsSync("/usr/share/bash-completion/bash_completion"))(
    "has bash load its completion by itself [needs bash-completion]",
    () => {
      const script = `. /usr/share/bash-completion/bash_completion; _completion_loader proa 2>/dev/null || __load_completion proa; complete -p proa`;
      expect(run(["bash", "--norc", "-c", script], { XDG_DATA_HOME: data() }).out).toMatch(
        /^complete .* proa$/m,
      );
    },
  );

  test.skipIf(needs("zsh"))("has zsh know its completion once fpath has the directory [needs zsh]", () => {
    const script = `fpath=(${join(data(), "zsh/site-functions")} $fpath); autoload -Uz compinit; compinit -u -D; print $_comps[proa]`;
    expect(run(["zsh", "-f", "-c", script]).out.trim()).toBe("_proa");
  });

  test.skipIf(needs("fish"))("has fish load its completion by itself [needs fish]", () => {
    const PATH = `${dirname(proaPath)}:${process.env.PATH}`;
    const script = 'complete -C "proa ru"';
    const env = { XDG_DATA_HOME: data(), PATH };
    expect(run(["fish", "-c", script], env).out).toMatch(/^run\b/m);
  });

  test.skipIf(needs("systemd-analyze"))("lays a unit that systemd takes [needs systemd]", () => {
    const unit = join(data(), "systemd/user/proa-restart.service");
    expect(readFileSync(unit, "utf8")).toContain(`ExecStart="${proaPath}" system boot`);
    const checked = Bun.spawnSync(["systemd-analyze", "--user", "verify", unit], { env: engine.sandbox.env });
    expect(checked.stderr.toString()).not.toContain("proa-restart.service:");
  });

  test("leaves a file that is somebody else's, and writes nothing then; --force replaces it", async () => {
    const own = join(prefix(), "share/fish/vendor_completions.d/proa.fish");
    mkdirSync(dirname(own), { recursive: true });
    writeFileSync(own, "# mine\n");
    const refused = await engine.proa(["system", "install", "--prefix", prefix()]);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain(`Error: install: ${own}: there is another file already`);
    expect(filesBelow(prefix())).toEqual([own]);
    await engine.ok(["system", "install", "--prefix", prefix(), "--force", "--quiet"]);
    expect(readFileSync(own, "utf8")).not.toContain("# mine");
    await engine.ok(["system", "uninstall", "--prefix", prefix(), "-q"]);
    expect(filesBelow(prefix())).toEqual([]);
  });
});

describe("system uninstall", () => {
  test("removes exactly what was written, and the directories made for it", async () => {
    const top = join(engine.sandbox.home, "other");
    mkdirSync(join(top, "share/man/man1"), { recursive: true });
    writeFileSync(join(top, "share/man/man1/ls.1"), "other");
    const written = (await engine.ok(["system", "install", "--prefix", top])).split("\n");
    const removed = (await engine.ok(["system", "uninstall", "--prefix", top])).split("\n");
    expect(removed.toSorted()).toEqual(written.toSorted());
    expect(readdirSync(top, { recursive: true }).map(String).toSorted()).toEqual([
      "share",
      "share/man",
      "share/man/man1",
      "share/man/man1/ls.1",
    ]);
  });

  test("leaves what was changed since, and says so", async () => {
    const top = join(engine.sandbox.home, "changed");
    await engine.ok(["system", "install", "--prefix", top]);
    const page = join(top, "share/man/man1/proa.1");
    writeFileSync(page, "mine now");
    const result = await engine.proa(["system", "uninstall", "--prefix", top]);
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toBe(`${page}: it was changed since, and stays\n`);
    expect(filesBelow(top)).toEqual([page]);
  });

  test("has nothing to do where nothing is installed", async () => {
    const result = await engine.proa(["system", "uninstall", "--prefix", "/nowhere"]);
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toContain("nothing is installed");
  });

  test("takes a user's own installation away again", async () => {
    await engine.ok(["system", "install", "-q"]);
    await engine.ok(["system", "uninstall", "-q"]);
    const left = filesBelow(engine.sandbox.dataHome).filter((each) => /man|completion|installed/.test(each));
    expect(left).toEqual([]);
  });

  test("an older version's files go with the next install", async () => {
    const top = join(engine.sandbox.home, "older");
    await engine.ok(["system", "install", "--prefix", top, "-q"]);
    const record = join(top, "share/proa/installed.json");
    const gone = join(top, "share/man/man1/proa-gone.1");
    writeFileSync(gone, "old");
    const digest = new Bun.CryptoHasher("sha256").update("old").digest("hex");
    const all = JSON.parse(readFileSync(record, "utf8"));
    writeFileSync(record, JSON.stringify({ ...all, files: [...all.files, { path: gone, digest }] }));
    await engine.ok(["system", "install", "--prefix", top, "-q"]);
    expect(existsSync(gone)).toBe(false);
    await engine.ok(["system", "uninstall", "--prefix", top, "-q"]);
    expect(filesBelow(top)).toEqual([]);
  });
});
