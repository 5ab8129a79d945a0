/** Which control groups are found, on file trees that stand for hosts. */
import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type CgroupAsker, findCgroups, ownPath, reasonFor } from "../../src/container/cgroup-host";

const made: string[] = [];
afterAll(() => {
  for (const each of made) {
    for (const closed of ["root", "root/memory"]) chmodSync(join(each, closed), 0o700);
    rmSync(each, { recursive: true, force: true });
  }
});

/** A host of these files. */
function host(files: Record<string, string>) {
  const directory = mkdtempSync(join(tmpdir(), "p-"));
  made.push(directory);
  for (const [name, text] of Object.entries({ "root/memory/x": "", "run/x": "", ...files })) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  return { root: join(directory, "root"), run: join(directory, "run"), self: join(directory, "self") };
}

const asker = (more: Partial<CgroupAsker> = {}): CgroupAsker => ({
  env: {},
  uid: 1000,
  wanted: undefined,
  ...more,
});

const SERVICE = "root/user.slice/user-1000.slice/user@1000.service/cgroup.controllers";
const MANAGER = { "run/user/1000/systemd/private": "", "run/user/1000/bus": "" };

describe("findCgroups() of version 2", () => {
  test("is systemd where its manager of the user runs and has a bus, with the controllers that are delegated", () => {
    const places = host({ ...MANAGER, [SERVICE]: "cpu memory pids\n" });
    expect(findCgroups(asker(), 2, places)).toEqual({
      version: 2,
      manager: "systemd",
      bus: join(places.run, "user/1000/bus"),
      controllers: ["cpu", "memory", "pids"],
    });
  });

  test("finds the manager by XDG_RUNTIME_DIR, too, and not another user's", () => {
    const places = host({ "run/mine/systemd/private": "", "run/mine/bus": "", ...MANAGER });
    const env = { XDG_RUNTIME_DIR: join(places.run, "mine") };
    expect(findCgroups(asker({ uid: 1001, env }), 2, places)).toMatchObject({
      bus: join(places.run, "mine/bus"),
    });
    expect(findCgroups(asker({ uid: 1001 }), 2, places)).toMatchObject({ manager: "none" });
  });

  test.each<[string, Record<string, string>, string]>([
    ["the manager has no bus", { "run/user/1000/systemd/private": "" }, "apt-get install dbus-user-session"],
    ["no manager runs", { "run/systemd/system/x": "" }, "loginctl enable-linger 1000"],
    ["there is no systemd", {}, "mkdir -p proa-1000/shell && chown -R 1000 proa-1000"],
  ])("is none where %s, and says what changes it", (_, files, mend) => {
    const places = host({ self: "0::/\n", ...files });
    chmodSync(places.root, 0o500);
    const found = findCgroups(asker(), 2, places);
    if (process.getuid?.() === 0) return; // may write everywhere
    expect(found).toMatchObject({ version: 2, manager: "none", controllers: [] });
    expect(found.manager === "none" && found.mend).toContain(mend);
  });

  const OWN = {
    self: "1:name=systemd:/x\n0::/mine/shell\n",
    "root/mine/shell/cgroup.procs": "1\n",
    "root/mine/shell/cgroup.controllers": "",
    "root/mine/cgroup.procs": "",
    "root/mine/cgroup.type": "domain\n",
    "root/mine/cgroup.controllers": "memory pids\n",
    "root/mine/cgroup.subtree_control": "\n",
  };

  test("is the highest directory that belongs to the user, with what it can hand on", () => {
    const places = host(OWN);
    expect(findCgroups(asker(), 2, places)).toEqual({
      version: 2,
      manager: "cgroupfs",
      parent: join(places.root, "mine"),
      busy: false,
      controllers: ["memory", "pids"],
    });
  });

  test("hands on nothing but what it does already where processes lie in it", () => {
    const files = { ...OWN, "root/mine/cgroup.procs": "7\n", "root/mine/cgroup.subtree_control": "memory\n" };
    const found = findCgroups(asker(), 2, host(files));
    expect(found).toMatchObject({ busy: true, controllers: ["memory"] });
    expect(reasonFor(found, "pids", 1000)).toMatchObject({
      why: expect.stringContaining("has processes of its own"),
    });
  });

  test("a manager that is asked for is the only one", () => {
    const both = host({ ...OWN, ...MANAGER, [SERVICE]: "cpu\n" });
    expect(findCgroups(asker(), 2, both).manager).toBe("systemd");
    expect(findCgroups(asker({ wanted: "cgroupfs" }), 2, both).manager).toBe("cgroupfs");
    expect(findCgroups(asker({ wanted: "systemd" }), 2, host(OWN)).manager).toBe("none");
  });

  test("names the controller and the file for what systemd does not delegate", () => {
    const found = findCgroups(asker(), 2, host({ ...MANAGER, [SERVICE]: "memory pids\n" }));
    expect(reasonFor(found, "cpuset", 1000)).toEqual({
      why: "systemd does not delegate the controller cpuset to this user",
      mend: [
        "sudo install -d /etc/systemd/system/user@.service.d",
        "printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' | sudo tee /etc/systemd/system/user@.service.d/delegate.conf",
        "sudo systemctl daemon-reload # and log in anew",
      ].join(" && "),
    });
  });
});

describe("findCgroups() of version 1", () => {
  const self = "4:memory:/\n3:cpu,cpuacct:/lxc/me\n0::/\n";

  test("takes the directories made for this user, and its own groups where it may write", () => {
    const places = host({
      self,
      "root/memory/proa-1000/tasks": "",
      "root/cpu/lxc/me/tasks": "",
      "root/pids/proa-1001/tasks": "",
    });
    chmodSync(join(places.root, "memory"), 0o500);
    const found = findCgroups(asker(), 1, places);
    expect(found).toMatchObject({ version: 1, manager: "v1" });
    if (process.getuid?.() === 0) return;
    expect(found).toEqual({
      version: 1,
      manager: "v1",
      controllers: ["cpu", "memory"],
      parents: { cpu: join(places.root, "cpu/lxc/me"), memory: join(places.root, "memory/proa-1000") },
    });
  });

  test("passes over a cpuset in which nothing could run", () => {
    const empty = {
      self,
      "root/cpuset/proa-1000/cpuset.cpus": "\n",
      "root/cpuset/proa-1000/cpuset.mems": "0\n",
    };
    expect(findCgroups(asker(), 1, host(empty)).controllers).not.toContain("cpuset");
    const filled = { ...empty, "root/cpuset/proa-1000/cpuset.cpus": "0-1\n" };
    expect(findCgroups(asker(), 1, host(filled)).controllers).toContain("cpuset");
  });

  test("systemd is not to be had", () => {
    expect(findCgroups(asker({ wanted: "systemd" }), 1, host({ self }))).toMatchObject({
      manager: "none",
      mend: "systemd.unified_cgroup_hierarchy=1 on the kernel's command line",
    });
  });
});

test("findCgroups() of a host without any says how they are mounted", () => {
  const found = findCgroups(asker(), 0, host({}));
  expect(found).toMatchObject({
    version: 0,
    manager: "none",
    mend: expect.stringContaining("mount -t cgroup2"),
  });
});

test("ownPath() knows combined controllers, and what lies outside of the namespace", () => {
  expect(ownPath("3:cpu,cpuacct:/a\n0::/b/c\n", "cpuacct")).toBe("/a");
  expect(ownPath("0::/b/c\n", "")).toBe("/b/c");
  expect(ownPath("0::/\n", "")).toBe("");
  expect(ownPath("0::/../x\n", "")).toBeNull();
  expect(ownPath("0::/b\n", "memory")).toBeNull();
});
