/** Registries with a token server: what it is asked for, by whom, and anew when a token has run out. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { makeImage, registryMissing, useTiny } from "../../harness";
import { FakeRegistry, specError } from "../../registry/_fake";
import { type Guarded, startGuarded, TokenServer } from "./_registries";

const used = useTiny();
const { engine } = used;
let server: TokenServer;
let registry: Guarded;
const authFile = () => join(engine.sandbox.configHome, "containers/auth.json");

describe.skipIf(registryMissing !== null)("a registry with a token server", () => {
  beforeAll(async () => {
    server = new TokenServer({ me: "secret" });
    const { realm, service, certificate } = server;
    registry = await startGuarded({ token: { realm, service, certificate } });
  });
  afterAll(async () => {
    await engine.assertNothingLeft();
    await registry[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  const creds = ["--creds", "me:secret", "-q"];
  /** The scopes that were asked for meanwhile. */
  async function asking(work: () => Promise<unknown>): Promise<string[]> {
    server.requests.length = 0;
    await work();
    return server.requests.flatMap(({ scopes }) => scopes);
  }

  test("a push asks once for what it needs, a pull for less", async () => {
    const target = `${registry.host}/a/b:v1`;
    const pushed = await asking(() => engine.ok(["push", ...creds, used.tiny, target]));
    expect(pushed).toEqual(["repository:a/b:pull,push"]);
    const pulled = await asking(() => engine.ok(["pull", ...creds, target]));
    expect(pulled).toEqual(["repository:a/b:pull"]);
    expect(server.requests[0]?.authorization).toBe(`Basic ${btoa("me:secret")}`);
  });

  test("a mount asks for the other repository too", async () => {
    const source = `${registry.host}/a/b:v1`;
    const pushed = await asking(() => engine.ok(["push", ...creds, source, `${registry.host}/c:v1`]));
    expect(pushed).toContain("repository:a/b:pull");
    expect(pushed).toContain("repository:c:pull,push");
  });

  test("without a log-in only what is public comes", async () => {
    const open = `${registry.host}/public/x:v1`;
    await engine.ok(["push", ...creds, used.tiny, open]);
    await engine.ok(["pull", "-q", open]);
    const refused = await engine.proa(["pull", "-q", `${registry.host}/a/b:v1`]);
    expect(refused.stderr).toContain(
      `hint: the name may be wrong, or the repository needs a login: proa login ${registry.host}`,
    );
    expect(refused.exitCode).toBe(1);
    const wrong = await engine.proa(["pull", "-q", "--creds", "me:wrong", open]);
    expect(wrong.stderr).toContain("wrong password");
    expect(wrong.stderr).not.toContain("me:wrong");
    expect(wrong.exitCode).toBe(1);
  });

  test("login keeps the refresh token in place of the password, and it is what is used", async () => {
    const done = await engine.proa(["login", "-u", "me", "--password-stdin", registry.host], {
      stdin: "secret",
    });
    expect(done).toMatchObject({ stdout: "Login Succeeded!\n", exitCode: 0 });
    const text = readFileSync(authFile(), "utf8");
    expect(JSON.parse(text)).toEqual({
      auths: { [registry.host]: { auth: btoa("me:"), identitytoken: server.refreshToken } },
    });
    await asking(() => engine.ok(["pull", "-q", `${registry.host}/a/b:v1`]));
    expect(server.requests.map(({ method }) => method)).toEqual(["POST"]);
    expect(server.requests[0]?.form.get("grant_type")).toBe("refresh_token");
    expect(server.requests[0]?.authorization).toBe("");
    rmSync(authFile());
  });

  test("a wrong password is refused at login", async () => {
    const result = await engine.proa(["login", "-u", "me", "-p", "wrong", registry.host]);
    expect(result.stderr).toBe(`Error: log in: ${registry.host}: invalid username/password\n`);
    expect(result.exitCode).toBe(1);
  });
});

describe("a token that has run out", () => {
  test("is asked for anew in the middle of a pull", async () => {
    await using fake = await FakeRegistry.start();
    const name = fake.addImage("short", "v1", await makeImage({ layers: [{ fresh: crypto.randomUUID() }] }));
    let given = 0;
    let good = "";
    fake.fault = ({ path, headers }) => {
      if (path.startsWith("/token")) {
        good = `token${++given}`;
        return { status: 200, body: JSON.stringify({ token: good }) };
      }
      if (headers["authorization"] === `Bearer ${good}` && good !== "") {
        if (path.includes("/manifests/")) good = ""; // good for one request
        return undefined;
      }
      const challenge = `Bearer realm="http://${fake.host}/token",service="s",scope="repository:short:pull"`;
      return { ...specError(401, "UNAUTHORIZED", "no"), headers: { "www-authenticate": challenge } };
    };
    await engine.ok(["pull", "-q", name]);
    expect(given).toBe(2);
    await engine.ok(["rmi", name]);
  });

  test("credentials do not follow a redirect to another host", async () => {
    await using fake = await FakeRegistry.start();
    await using other = await FakeRegistry.start();
    const image = await makeImage({ layers: [{ fresh: crypto.randomUUID() }] });
    const name = fake.addImage("moved", "v1", image);
    other.addImage("moved", "v1", image);
    fake.fault = ({ path, headers }) => {
      if (headers["authorization"] !== `Basic ${btoa("me:secret")}`) {
        return {
          ...specError(401, "UNAUTHORIZED", "no"),
          headers: { "www-authenticate": 'Basic realm="x"' },
        };
      }
      if (!path.includes("/blobs/")) return undefined;
      return { status: 307, headers: { location: `http://${other.host}${path}` } };
    };
    await engine.ok(["pull", "-q", "--creds", "me:secret", name]);
    expect(other.requests.length).toBeGreaterThan(0);
    expect(other.requests.filter(({ headers }) => "authorization" in headers)).toEqual([]);
    await engine.ok(["rmi", name]);
  });
});
