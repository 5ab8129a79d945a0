/** What the one who calls proa has must not come into a container: further groups, capabilities to inherit, keys, variables, limits that Bun has raised. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { makeImage, tinyLayer, tinyMissing } from "../../harness";
import { FakeRegistry } from "../../registry/_fake";
import { type Host, hostMissing, makeHost, TESTER } from "../host/_host";

const missing = hostMissing() ?? tinyMissing;
const FURTHER = 4343; // a group of the caller's that is no group of the container's

describe.skipIf(missing !== null)(`the caller's own${missing ? ` (${missing})` : ""}`, () => {
  let registry: FakeRegistry;
  let host: Host;
  let name = "";
  beforeAll(async () => {
    registry = await FakeRegistry.start();
    const made = await makeImage({ layers: [await tinyLayer()], config: { Env: ["PATH=/bin"] } });
    name = registry.addImage("tiny", "v1", made);
    host = await makeHost({
      setUp: `echo for-the-group > $DIR/closed; chown 0:${FURTHER} $DIR/closed; chmod 640 $DIR/closed`,
    });
    await host.proa(["pull", "-q", name]);
  });
  afterAll(async () => {
    await host?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
  });

  /** Run proa as the tester with a further group, and with a capability to inherit. */
  const asMember = (words: string): Promise<string> =>
    host.sh(
      `export HOME XDG_DATA_HOME=$DIR/d XDG_RUNTIME_DIR=$DIR/r XDG_CONFIG_HOME=$DIR/c XDG_CACHE_HOME=$DIR/k
       cd $HOME; exec setpriv --reuid=${TESTER} --regid=${TESTER} --groups=${FURTHER} --inh-caps=+net_raw,+sys_admin $DIR/proa ${words}`,
    );

  test("further groups are not the container's, in the first process and in exec", async () => {
    expect(await asMember(`run --rm ${name} grep Groups /proc/self/status`)).toMatch(/^Groups:\s*0\s*$/);
    await asMember(`run -d --name grouped ${name} sleep 1000`);
    expect(await asMember("exec grouped grep Groups /proc/self/status")).toMatch(/^Groups:\s*0\s*$/);
    expect(await asMember("exec -u app grouped grep Groups /proc/self/status")).toMatch(
      /^Groups:\s*1000 2000\s*$/,
    );
    await asMember("rm -f grouped");
  });

  test("files that such a group may read are closed to the container", async () => {
    const read = `run --rm -v $DIR/closed:/closed ${name} sh -c 'cat /closed 2>/dev/null || echo no'`;
    expect(await asMember(read)).toBe("no");
  });

  test("capabilities to inherit are not inherited", async () => {
    const none = "0000000000000000";
    const inside = await asMember(`run --rm ${name} grep -e CapInh -e CapAmb /proc/self/status`);
    expect(inside.split("\n").map((line) => line.split("\t")[1])).toEqual([none, none]);
  });

  test("another user cannot speak to a supervisor, list or enter its directories", async () => {
    await asMember(`run -d --name mine ${name} sleep 1000`);
    const other = `setpriv --reuid=${TESTER + 1} --regid=${TESTER + 1} --clear-groups`;
    const script = `id=$(ls $DIR/r/proa/containers); for f in $DIR/r/proa $DIR/d/proa $DIR/r/proa/containers/$id/attach.sock $DIR/d/proa/containers/$id/config.json; do
      ${other} ls $f 2>/dev/null && echo seen $f; ${other} cat $f 2>/dev/null && echo read $f; done; true`;
    expect(await host.sh(script)).toBe("");
    const modes = "find $DIR/r/proa $DIR/d/proa -maxdepth 0 -perm /077; find $DIR/r/proa -type s -perm /077";
    expect(await host.sh(modes)).toBe("");
    await asMember("rm -f mine");
  });
});
