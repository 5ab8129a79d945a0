/** `proa secret`, and what containers see of secrets. */
import { describe, expect, test } from "bun:test";
import { readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing, useTiny } from "../../harness";
import { removeAll, run, shell } from "./_shell";

describe.skipIf(missing !== null)("a secret", () => {
  const place = useTiny();
  const { engine } = place;

  const create = (name: string, data: string, ...options: string[]) =>
    engine.ok(["secret", "create", ...options, name, "-"], { stdin: data });

  test("is made from stdin, a file or a variable, and is nobody else's to read", async () => {
    const id = await create("stdin", "one");
    expect(id).toMatch(/^[0-9a-f]{25}$/);
    const file = join(engine.sandbox.home, "secret");
    writeFileSync(file, "two");
    await engine.ok(["secret", "create", "file", file]);
    await engine.ok(["secret", "create", "--env", "variable", "SECRET"], { env: { SECRET: "three" } });
    for (const [name, data] of Object.entries({ stdin: "one", file: "two", variable: "three" }))
      expect(await engine.ok(["secret", "inspect", "--showsecret", "-f", "{{.SecretData}}", name])).toBe(
        data,
      );
    const directory = join(engine.sandbox.env["XDG_DATA_HOME"] ?? "", "proa", "secrets");
    for (const name of readdirSync(directory))
      expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600);
    await engine.ok(["secret", "rm", "--all"]);
    expect(readdirSync(directory)).toEqual([]);
  });

  test("is listed, inspected, looked for and removed by name and by id", async () => {
    const id = await create("db", "x", "-l", "tier=back");
    expect(await engine.ok(["secret", "ls", "-q"])).toBe(id);
    expect((await engine.ok(["secret", "ls", "-n"])).split(/ {2,}/).slice(0, 3)).toEqual([id, "db", "file"]);
    expect(await engine.ok(["secret", "ls", "--format", "{{.Name}} {{.Driver}}", "-f", "name=d"])).toBe(
      "db file",
    );
    expect(await engine.ok(["secret", "ls", "-q", "-f", "name=other"])).toBe("");
    const [document] = JSON.parse(await engine.ok(["secret", "inspect", id.slice(0, 9)]));
    expect(document).toMatchObject({
      ID: id,
      Spec: { Name: "db", Driver: { Name: "file", Options: {} }, Labels: { tier: "back" } },
    });
    expect(JSON.stringify(document)).not.toContain("SecretData");
    expect((await engine.proa(["secret", "exists", "db"])).exitCode).toBe(0);
    expect((await engine.proa(["secret", "exists", "nosuch"])).exitCode).toBe(1);
    const missed = await engine.proa(["secret", "rm", "nosuch", "db"]);
    expect(missed.stdout).toBe(`${id}\n`);
    expect(missed.stderr).toStartWith("Error: remove secret: nosuch: no such secret\n");
    expect(missed.exitCode).toBe(1);
    expect((await engine.proa(["secret", "rm", "--ignore", "nosuch"])).exitCode).toBe(0);
  });

  test("has a name of its own, data, and not too much of it", async () => {
    const id = await create("one", "x");
    const again = await engine.proa(["secret", "create", "one", "-"], { stdin: "y" });
    expect(again.stderr).toStartWith("Error: create secret: one: secret name in use\n");
    expect(again.exitCode).toBe(125);
    expect(await create("one", "y", "--ignore")).toBe(id);
    expect(await create("one", "y", "--replace")).not.toBe(id);
    const size = "secret data must be larger than 0 and less than 512000 bytes";
    for (const stdin of ["", "x".repeat(512_000)]) {
      const result = await engine.proa(["secret", "create", "two", "-"], { stdin });
      expect(result.stderr).toBe(`Error: create secret: two: ${size}\n`);
      expect(result.exitCode).toBe(125);
    }
    const endless = await engine.proa(["secret", "create", "two", "/dev/zero"]);
    expect(endless.stderr).toBe(`Error: create secret: two: ${size}\n`);
    expect((await engine.proa(["secret", "create", "a/b", "-"], { stdin: "x" })).stderr).toContain(
      "secret name",
    );
    expect((await engine.proa(["secret", "create", "-d", "pass", "two", "-"], { stdin: "x" })).exitCode).toBe(
      125,
    );
    await engine.ok(["secret", "rm", "one"]);
    const events = await engine.ok([
      "events",
      "--since",
      "1h",
      "--until",
      "0s",
      "--filter",
      "type=secret",
      "--format",
      "json",
    ]);
    const told = events.split("\n").map((line) => JSON.parse(line));
    expect(told.slice(-3).map(({ Action, Actor }) => [Action, Actor.Attributes.name])).toEqual([
      ["remove", "one"], // replaced
      ["create", "one"],
      ["remove", "one"],
    ]);
  });

  test("is a file in /run/secrets that cannot be written, with the mode and owner that were asked for", async () => {
    await create("db", "hunter2");
    const look = "cat /run/secrets/db; stat -c ' %a %u:%g' /run/secrets/db; echo x 2>&1 > /run/secrets/db";
    expect(await shell(place, ["--secret", "db"], `(${look}) 2>&1; true`)).toBe(
      "hunter2 444 0:0\nsh: can't create /run/secrets/db: Read-only file system",
    );
    const option = "source=db,target=/opt/key,uid=1000,gid=50,mode=0400";
    expect(await shell(place, ["--secret", option], "stat -c '%a %u:%g' /opt/key; cat /opt/key")).toBe(
      "400 1000:50\nhunter2",
    );
    const mine = ["-u", "1000", "--secret", "db,uid=1000,mode=0400,target=mine"];
    expect(await shell(place, mine, "cat /run/secrets/mine")).toBe("hunter2");
    const theirs = await run(
      place,
      ["-u", "1001", "--secret", "db,uid=1000,mode=0400"],
      ["cat", "/run/secrets/db"],
    );
    expect(theirs.stderr).toContain("Permission denied");
    await engine.ok(["secret", "rm", "db"]);
  });

  test("is a variable with type=env", async () => {
    await create("db", "hunter2");
    expect(
      await shell(place, ["--secret", "db,type=env", "--secret", "db,type=env,target=PW"], "echo $db $PW"),
    ).toBe("hunter2 hunter2");
    expect(await shell(place, ["--secret", "db,type=env,target=PW"], "ls /run 2>/dev/null")).not.toContain(
      "secrets",
    );
    await engine.ok(["secret", "rm", "db"]);
  });

  test("is a variable for exec, too", async () => {
    await create("db", "hunter2");
    await engine.ok([
      "run",
      "-d",
      "--name",
      "job",
      "--secret",
      "db,type=env,target=PW",
      place.tiny,
      "sleep",
      "1000",
    ]);
    expect(await engine.ok(["exec", "-u", "1000", "job", "sh", "-c", "echo $PW $HOME"])).toBe(
      "hunter2 /home/app",
    );
    await engine.ok(["rm", "-f", "job"]);
    await engine.ok(["secret", "rm", "db"]);
  });

  test("stays what it was when the container was made, and is in no inspect", async () => {
    await create("db", "before");
    const options = ["--secret", "db", "--secret", "db,type=env,target=PW"];
    const script = "cat /run/secrets/db; echo; echo $PW";
    await engine.ok(["create", "--name", "job", ...options, place.tiny, "sh", "-c", script]);
    await create("db", "after", "--replace");
    expect(await engine.ok(["start", "-a", "job"])).toBe("before\nbefore");
    await engine.ok(["secret", "rm", "db"]);
    expect(await engine.ok(["start", "-a", "job"])).toBe("before\nbefore");
    expect(await engine.ok(["inspect", "job"])).not.toContain("before");
    await engine.ok(["rm", "job"]);
  });

  test("goes with --rm and rm, whoever owns its files", async () => {
    await create("db", "x");
    await engine.ok(["run", "--rm", "--secret", "db,uid=1000", place.tiny, "true"]);
    await engine.ok(["run", "--name", "job", "--secret", "db,uid=1000", place.tiny, "true"]);
    await engine.ok(["rm", "job"]);
    await engine.ok(["secret", "rm", "db"]);
    const containers = join(engine.sandbox.env["XDG_DATA_HOME"] ?? "", "proa", "containers");
    expect(readdirSync(containers)).toEqual([]);
  });

  test.each([
    ["nosuch", "use secret: nosuch: no such secret"],
    ["db,colour=red", 'secret: db,colour=red: unknown option "colour"'],
    ["db,type=disk", 'secret: db,type=disk: type "disk" is neither mount nor env'],
    ["db,mode=rw", 'secret: db,mode=rw: mode "rw" is not an octal number'],
    ["db,type=env,uid=1", "secret: db,type=env,uid=1: uid, gid and mode are of files"],
    ["target=x", "secret: target=x: no secret is named"],
    ["db,target=../x", 'secret: db: the target "../x" is no path of a file'],
    ["db,uid=99999999", "secret: db: 99999999:0 are no ids of the container"],
  ])("--secret %s is refused", async (option, message) => {
    await engine.proa(["secret", "create", "--ignore", "db", "-"], { stdin: "x" });
    const result = await run(place, ["--secret", option], ["true"]);
    expect(result.stderr).toStartWith(`Error: ${message}`);
    expect(result.exitCode).toBe(125);
  });

  test("nothing is left of all these", async () => {
    await removeAll(place);
  });
});
