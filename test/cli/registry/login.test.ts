/** `proa login` and `logout`: who may pull and push, and where it is written down. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { registryMissing, useTiny } from "../../harness";
import { type Guarded, makeCertificate, startGuarded } from "./_registries";

const used = useTiny();
const { engine } = used;
const skopeo = Bun.which("skopeo");
let registry: Guarded;
const at = (...parts: string[]) => join(engine.sandbox.home, ...parts);
const configured = (...parts: string[]) => join(engine.sandbox.configHome, "containers", ...parts);
const authFile = () => configured("auth.json");
const entries = (path = authFile()) =>
  (JSON.parse(readFileSync(path, "utf8")) as { auths: Record<string, { auth?: string }> }).auths;
const encoded = (text: string) => Buffer.from(text).toString("base64");

describe.skipIf(registryMissing !== null)("a registry with passwords", () => {
  beforeAll(async () => {
    registry = await startGuarded({ users: { me: "se:cret", other: "0ther" } });
  });
  afterAll(async () => {
    await engine.assertNothingLeft();
    await registry[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    for (const path of [configured(), at(".docker"), at("auth.json")])
      rmSync(path, { recursive: true, force: true });
  });

  const login = (...more: string[]) =>
    engine.proa(["login", "-u", "me", "--password-stdin", ...more, registry.host], { stdin: "se:cret\n" });

  test("login keeps the password in a file of its own, for its user alone", async () => {
    expect(await login()).toMatchObject({ stdout: "Login Succeeded!\n", stderr: "", exitCode: 0 });
    expect(entries()).toEqual({ [registry.host]: { auth: encoded("me:se:cret") } });
    expect(statSync(authFile()).mode & 0o777).toBe(0o600);
    expect(await engine.ok(["login", "--get-login", registry.host])).toBe("me");
    expect(await engine.ok(["login", registry.host])).toBe(
      `Authenticating with existing credentials for ${registry.host}\n` +
        `Existing credentials are valid. Already logged in to ${registry.host}`,
    );
  });

  test("push and pull use it, and fail with a hint without it", async () => {
    const target = `${registry.host}/mine:v1`;
    const refused = await engine.proa(["push", used.tiny, target]);
    expect(refused.stderr).toContain("hint: ");
    expect(refused.stderr).toContain("login");
    expect(refused.exitCode).toBe(1);
    await login();
    await engine.ok(["push", "-q", used.tiny, target]);
    await engine.ok(["pull", "-q", target]);
    await engine.ok(["logout", registry.host]);
    expect((await engine.proa(["pull", "-q", target])).exitCode).toBe(1);
    await engine.ok(["pull", "-q", "--creds", "me:se:cret", target]);
    await engine.ok(["rmi", target]);
    const run = ["run", "--rm", "-q", target, "echo", "ran"];
    expect((await engine.proa(run)).exitCode).toBe(125);
    run.splice(1, 0, "--creds", "me:se:cret");
    expect(await engine.ok(run)).toBe("ran");
    await engine.ok(["rmi", target]);
  });

  test("a wrong password is refused, and nothing is written", async () => {
    const result = await engine.proa(["login", "-u", "me", "-p", "wr0ng", registry.host]);
    expect(result.stderr).toBe(`Error: log in: ${registry.host}: invalid username/password\n`);
    expect(result.stdout).toBe("");
    expect(result.exitCode).toBe(1);
    expect(existsSync(authFile())).toBe(false);
  });

  test("logout forgets it, and says so when there was none", async () => {
    await login();
    expect(await engine.ok(["logout", registry.host])).toBe(`Removed login credentials for ${registry.host}`);
    expect(entries()).toEqual({});
    const again = await engine.proa(["logout", registry.host]);
    expect(again.stderr).toContain(`not logged into: ${registry.host}`);
    expect(again.exitCode).toBe(1);
    expect((await engine.proa(["login", "--get-login", registry.host])).exitCode).toBe(1);
    await login();
    expect(await engine.ok(["logout", "--all"])).toBe("Removed login credentials for all registries");
    expect(entries()).toEqual({});
  });

  test("--authfile and REGISTRY_AUTH_FILE name the file; what else it holds stays", async () => {
    writeFileSync(
      at("auth.json"),
      JSON.stringify({ auths: { "other.test": { auth: "eDp5" } }, more: { a: 1 } }),
    );
    await login("--authfile", at("auth.json"));
    const document = JSON.parse(readFileSync(at("auth.json"), "utf8")) as Record<string, unknown>;
    expect(document).toEqual({
      auths: { "other.test": { auth: "eDp5" }, [registry.host]: { auth: encoded("me:se:cret") } },
      more: { a: 1 },
    });
    expect(existsSync(authFile())).toBe(false);
    const env = { REGISTRY_AUTH_FILE: at("auth.json") };
    expect(await engine.ok(["login", "--get-login", registry.host], { env })).toBe("me");
    const missing = await engine.proa(["pull", "--authfile", at("none.json"), `${registry.host}/a`]);
    expect(missing.stderr).toContain("none.json: no such file");
    expect(missing.exitCode).toBe(1);
  });

  test("docker's config.json is read, also with an entry for one repository", async () => {
    mkdirSync(at(".docker"));
    const write = (auths: object) => writeFileSync(at(".docker/config.json"), JSON.stringify({ auths }));
    write({ [`https://${registry.host}/v1/`]: { auth: encoded("me:se:cret") } });
    expect(await engine.ok(["login", "--get-login", registry.host])).toBe("me");
    await engine.ok(["push", "-q", used.tiny, `${registry.host}/docker:v1`]);
    write({
      [registry.host]: { auth: encoded("me:wrong") },
      [`${registry.host}/team`]: { auth: encoded("other:0ther") },
    });
    await engine.ok(["push", "-q", used.tiny, `${registry.host}/team/app:v1`]);
    expect((await engine.proa(["push", "-q", used.tiny, `${registry.host}/teams:v1`])).exitCode).toBe(1);
    const elsewhere = await engine.proa(["logout", registry.host]);
    expect(elsewhere.stderr).toContain(".docker/config.json");
    expect(elsewhere.exitCode).toBe(1);
  });

  test.skipIf(skopeo === null)("skopeo uses the log-in that proa has written", async () => {
    await login();
    await engine.ok(["push", "-q", used.tiny, `${registry.host}/for-skopeo:v1`]);
    const done = Bun.spawnSync(
      [
        skopeo ?? "",
        "inspect",
        "--tls-verify=false",
        `--authfile=${authFile()}`,
        `docker://${registry.host}/for-skopeo:v1`,
      ],
      { stderr: "pipe" },
    );
    expect(done.stderr.toString()).toBe("");
    expect(done.exitCode).toBe(0);
  });

  test("a credential helper keeps the secret, and no argument shows it", async () => {
    mkdirSync(at("bin"), { recursive: true });
    const helper = at("bin/docker-credential-test");
    writeFileSync(
      helper,
      `#!/bin/sh
echo "$*" >>"$HOME/calls"
case $1 in
store) cat >"$HOME/kept" ;;
get)
  [ -e "$HOME/kept" ] || { echo "credentials not found in native keychain"; exit 1; }
  cat "$HOME/kept" ;;
erase) rm -f "$HOME/kept" ;;
esac
`,
    );
    chmodSync(helper, 0o755);
    mkdirSync(at(".docker"));
    writeFileSync(at(".docker/config.json"), JSON.stringify({ credsStore: "test" }));
    const env = { PATH: `${at("bin")}:${process.env["PATH"]}` };
    const done = await engine.proa(["login", "-u", "me", "--password-stdin", registry.host], {
      stdin: "se:cret",
      env,
    });
    expect(done).toMatchObject({ stdout: "Login Succeeded!\n", exitCode: 0 });
    expect(JSON.parse(readFileSync(at("kept"), "utf8"))).toEqual({
      ServerURL: registry.host,
      Username: "me",
      Secret: "se:cret",
    });
    expect(existsSync(authFile())).toBe(false);
    await engine.ok(["push", "-q", used.tiny, `${registry.host}/helped:v1`], { env });
    expect(await engine.ok(["logout", registry.host], { env })).toContain("Removed login credentials");
    expect(existsSync(at("kept"))).toBe(false);
    expect(readFileSync(at("calls"), "utf8")).not.toContain("cret");
    const gone = await engine.proa(["push", "-q", used.tiny, `${registry.host}/helped:v2`], { env });
    expect(gone.exitCode).toBe(1);
  });

  test("two log-ins at once are both written", async () => {
    await Promise.all([
      login(),
      engine.ok(["login", "-u", "other", "-p", "0ther", `${registry.host}/team`]),
      engine.ok(["login", "-u", "other", "-p", "0ther", `${registry.host}/third`]),
    ]);
    expect(Object.keys(entries()).sort()).toEqual(
      [registry.host, `${registry.host}/team`, `${registry.host}/third`].sort(),
    );
  });

  test("the password is asked for on a terminal, and not shown", async () => {
    const pty = engine.pty(["login", registry.host]);
    await pty.waitFor("Username: ");
    pty.write("me\n");
    await pty.waitFor("Password: ");
    await Bun.sleep(100); // until the echo is off
    pty.write("se:cret\n");
    expect(await pty.exited).toBe(0);
    expect(pty.output).toContain("Login Succeeded!");
    expect(pty.output).not.toContain("cret");
  });

  test.each([
    [
      ["login", "-u", "me", "-p", "x", "--password-stdin", "h"],
      "--password and --password-stdin exclude each other",
    ],
    [["login", "--password-stdin", "h"], "must provide --username with --password-stdin"],
    [["login", "h"], "there is no terminal to ask on"],
    [["login", "http://"], "it is no HOST[:PORT][/PATH]"],
    [["logout", "--authfile", "/no/such", "h"], "/no/such: no such file"],
    [["logout", "--all", "h"], "--all takes no registry"],
  ] as const)("%p is refused", async (args, why) => {
    const result = await engine.proa([...args], { stdin: "" });
    expect(result.stderr).toContain(why);
    expect(result.exitCode).toBe(1);
  });

  test("a file that is not JSON is an error without its text", async () => {
    mkdirSync(configured(), { recursive: true });
    writeFileSync(authFile(), '{"auths": se-cret');
    const result = await engine.proa(["pull", `${registry.host}/x`]);
    expect(result.stderr).toContain("auth.json: it is not JSON");
    expect(result.stderr).not.toContain("se-cret");
    expect(result.exitCode).toBe(1);
  });

  test("TLS: refused without its certificate, taken with --cert-dir, certs.d or --tls-verify=false", async () => {
    const tls = makeCertificate("127.0.0.1");
    await using guarded = await startGuarded({ users: { me: "se:cret" }, tls });
    const target = `${guarded.host}/tls:v1`;
    const creds = ["--creds", "me:se:cret", "-q"];
    const refused = await engine.proa(["push", ...creds, used.tiny, target]);
    expect(refused.stderr).toContain("certificate");
    expect(refused.exitCode).toBe(1);
    mkdirSync(at("certs"), { recursive: true });
    writeFileSync(at("certs/ca.crt"), tls.certificate);
    await engine.ok(["push", ...creds, "--cert-dir", at("certs"), used.tiny, target]);
    await engine.ok(["pull", ...creds, "--tls-verify=false", target]);
    const directory = configured("certs.d", guarded.host);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "ca.crt"), tls.certificate);
    await engine.ok(["pull", ...creds, target]);
    const done = await engine.proa(["login", "-u", "me", "-p", "se:cret", guarded.host]);
    expect(done.stdout).toBe("Login Succeeded!\n");
    await engine.ok(["rmi", target]);
  });
});
