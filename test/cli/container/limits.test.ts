/** Limits on the command line: what is refused, what is warned about, what is kept. What they do to processes is seen in test/vm. */
import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { missing, useTiny } from "../../harness";
import { detach, inspect, removeAll, run, SLEEP } from "./_shell";

/** Why the user of the tests has no control groups of version 1; null: it is so that there are none. */
const hasNone =
  existsSync("/sys/fs/cgroup/cgroup.controllers") ||
  existsSync(`/sys/fs/cgroup/memory/proa-${process.getuid?.()}`)
    ? "this host has control groups for its users"
    : null;
const notHere = missing ?? hasNone;

describe.skipIf(missing !== null)("limits", () => {
  const place = useTiny();
  const { engine } = place;
  afterEach(() => removeAll(place));

  const cpus = navigator.hardwareConcurrency;

  test.each([
    [["-m", "5m"], "memory: 5242880: Minimum memory limit allowed is 6MB"],
    [["-m", "much"], "memory: much: expected a size"],
    [["-m", "-5"], "memory: -5: expected a size"],
    [
      ["--memory-reservation", "1m"],
      "memory reservation: 1048576: Minimum memory reservation allowed is 6MB",
    ],
    [
      ["-m", "20m", "--memory-reservation", "30m"],
      "memory reservation: 31457280: Minimum memory limit can not be less than memory reservation limit, see usage",
    ],
    [
      ["--memory-swap", "10m"],
      "memory swap: 10485760: You should always set the Memory limit when using Memoryswap limit, see usage",
    ],
    [
      ["-m", "20m", "--memory-swap", "10m"],
      "memory swap: 10485760: Minimum memoryswap limit should be larger than memory limit, see usage",
    ],
    [["--memory-swappiness", "101"], 'invalid argument "101" for "--memory-swappiness" flag: more than 100'],
    [
      ["--cpus", "0.001"],
      `cpus: 0.001: Range of CPUs is from 0.01 to ${cpus}.00, as there are only ${cpus} CPUs available`,
    ],
    [
      ["--cpus", "9999"],
      `cpus: 9999: Range of CPUs is from 0.01 to ${cpus}.00, as there are only ${cpus} CPUs`,
    ],
    [["--cpus", "all"], "cpus: all: expected a number such as 1.5"],
    [
      ["--cpus", "1", "--cpu-quota", "5000"],
      "cpus: 1: Conflicting options: Nano CPUs and CPU Quota cannot both be set",
    ],
    [
      ["--cpus", "1", "--cpu-period", "5000"],
      "cpus: 1: Conflicting options: Nano CPUs and CPU Period cannot both be set",
    ],
    [
      ["--cpu-period", "999"],
      "cpu period: 999: CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
    ],
    [["--cpu-quota", "999"], "cpu quota: 999: CPU cfs quota can not be less than 1ms (i.e. 1000)"],
    [["--cpuset-cpus", "a"], "cpuset cpus: a: Invalid value a for cpuset cpus"],
    [["--cpuset-mems", "1-"], "cpuset mems: 1-: Invalid value 1- for cpuset mems"],
    [
      ["--cpuset-cpus", "9999"],
      "cpuset cpus: 9999: Requested CPUs are not available - requested 9999, available: ",
    ],
    [["--blkio-weight", "5"], "blkio weight: 5: Range of blkio weight is from 10 to 1000"],
    [
      ["--blkio-weight-device", "/dev/sda:5"],
      "blkio weight device: /dev/sda:5: invalid weight for device: /dev/sda:5",
    ],
    [["--device-read-bps", "sda:1m"], "device read bps: sda:1m: expected /dev/NAME:VALUE"],
    [
      ["--device-write-iops", "/dev/sda:1m"],
      "device write iops: /dev/sda:1m: the value is not a whole number",
    ],
    [["--device-cgroup-rule", "any"], 'device cgroup rule: "any": expected a rule'],
    [["--cgroup-conf", "memory.high"], "cgroup conf: memory.high: expected KEY=VALUE"],
    [
      ["--cgroups", "disabled", "-m", "64m"],
      "--memory: with --cgroups disabled: cannot specify resource limits when cgroups are disabled",
    ],
    [["--cgroups", "some"], 'invalid argument "some" for "--cgroups" flag: must be one of'],
  ])("that cannot be are refused: %p", async (options, message) => {
    const result = await run(place, options, ["true"]);
    expect(result.stderr).toStartWith(`Error: ${message}`);
    expect([result.stdout, result.exitCode]).toEqual(["", 125]);
    expect(await engine.ok(["ps", "-aq"])).toBe("");
  });

  test("a manager that is none is refused, on the command line and in config.toml", async () => {
    const typed = await engine.proa(["--cgroup-manager", "mine", "info"]);
    expect(typed.stderr).toStartWith(
      'Error: invalid argument "mine" for "--cgroup-manager" flag: must be one of',
    );
    const directory = join(engine.sandbox.directory, "conf");
    await Bun.write(join(directory, "config.toml"), 'cgroup-manager = "mine"\n');
    const set = await engine.proa(["--config", directory, "info"]);
    expect(set.stderr).toContain('cgroup-manager is not "systemd" or "cgroupfs"');
    expect(set.exitCode).not.toBe(0);
  });

  test("swap is twice the memory where it is not said, in inspect as in docker's", async () => {
    const shown = "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}";
    await engine.proa(["create", "--name", "usual", "-m", "64m", place.tiny]);
    expect(await inspect(place, "usual", shown)).toBe(`${64 << 20} ${128 << 20}`);
    await engine.proa(["create", "--name", "endless", "-m", "64m", "--memory-swap", "-1", place.tiny]);
    expect(await inspect(place, "endless", shown)).toBe(`${64 << 20} -1`);
    await engine.proa(["create", "--name", "none", "-m", "64m", "--memory-swap", "64m", place.tiny]);
    expect(await inspect(place, "none", shown)).toBe(`${64 << 20} ${64 << 20}`);
  });

  test("the figures of inspect are docker's units", async () => {
    const limits = ["--cpus", "0.5", "--pids-limit", "50", "--cpu-shares", "512", "--blkio-weight", "100"];
    await engine.proa(["create", "--name", "limited", ...limits, "--memory-reservation", "8m", place.tiny]);
    const [{ HostConfig }] = JSON.parse(await engine.ok(["inspect", "limited"]));
    expect(HostConfig).toMatchObject({
      NanoCpus: 500_000_000,
      PidsLimit: 50,
      CpuShares: 512,
      BlkioWeight: 100,
      MemoryReservation: 8 << 20,
      Cgroups: "default",
      CgroupMode: "private",
    });
    await engine.ok(["create", "--name", "apart", "--cgroups", "disabled", "--cgroupns", "host", place.tiny]);
    expect(await inspect(place, "apart", "{{.HostConfig.Cgroups}} {{.HostConfig.CgroupManager}}")).toBe(
      "disabled none",
    );
  });

  test("--cgroups disabled runs without one", async () => {
    expect(await run(place, ["--cgroups", "disabled"], ["echo", "ok"])).toMatchObject({
      stdout: "ok\n",
      stderr: "",
      exitCode: 0,
    });
  });

  test("info counts and lists: version, driver, controllers, what is missing in docker's words", async () => {
    const info = JSON.parse(await engine.ok(["info", "--format", "json"]));
    const isVersion2 = existsSync("/sys/fs/cgroup/cgroup.controllers");
    expect(info.CgroupVersion).toBe(isVersion2 ? "2" : "1");
    expect(info.Host.CgroupsVersion).toBe(`v${info.CgroupVersion}`);
    expect(["systemd", "cgroupfs", "none"]).toContain(info.CgroupDriver);
    const { controllers, missing: without } = info.Proa.Cgroups;
    expect(
      [...controllers, ...without.map(({ controller }: { controller: string }) => controller)].sort(),
    ).toEqual(["cpu", "cpuset", "io", "memory", "pids"]);
    expect(info.MemoryLimit).toBe(controllers.includes("memory"));
    expect(info.Warnings.includes("WARNING: No memory limit support")).toBe(!info.MemoryLimit);
    expect(info.Warnings.includes("WARNING: No cpu cfs quota support")).toBe(!info.CpuCfsQuota);
    const text = await engine.ok(["info"]);
    for (const { controller, why, mend } of without)
      expect(text).toMatch(new RegExp(`^No ${controller}: +${escaped(`${why}; to have it: ${mend}`)}$`, "m"));
  });

  describe("update", () => {
    test("keeps new limits, with docker's rules about what goes together", async () => {
      const made = ["create", "--name", "web", "-m", "64m", "--cpu-quota", "5000", place.tiny, ...SLEEP];
      await engine.proa(made);
      const refused = async (...options: string[]) =>
        (await engine.proa(["update", ...options, "web"])).stderr;
      expect(await refused("--cpus", "0.5")).toStartWith(
        "Error: update: --cpus: Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set",
      );
      expect(await refused("-m", "256m")).toStartWith(
        "Error: update: --memory: Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
      );
      const shown = "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.PidsLimit}}";
      const changed = await engine.proa([
        "update",
        "-m",
        "256m",
        "--memory-swap",
        "300m",
        "--pids-limit",
        "9",
        "web",
      ]);
      expect([changed.stdout, changed.exitCode]).toEqual(["web\n", 0]);
      expect(await inspect(place, "web", shown)).toBe(`${256 << 20} ${300 << 20} 9`);
      expect((await engine.proa(["update", "--pids-limit", "-1", "web"])).exitCode).toBe(0);
      expect(await inspect(place, "web", shown)).toBe(`${256 << 20} ${300 << 20} -1`);
    });

    test("without anything to change, and of what cannot change, is a usage error", async () => {
      await engine.ok(["create", "--name", "web", place.tiny]);
      const nothing = await engine.proa(["update", "web"]);
      expect(nothing.stderr).toStartWith(
        "Error: You must provide one or more flags when using this command.",
      );
      expect(nothing.exitCode).not.toBe(0);
      const fixed = await engine.proa(["update", "--cgroup-parent", "/x", "web"]);
      expect(fixed.stderr).toStartWith("Error: unknown flag: --cgroup-parent");
    });

    test("sets --ulimit for the next start, those of other names stay", async () => {
      await detach(place, "web", SLEEP, ["--ulimit", "nofile=100:200", "--ulimit", "core=0"]);
      const changed = await engine.proa(["update", "--ulimit", "nofile=50:60", "web"]);
      expect(changed).toMatchObject({ stdout: "web\n", exitCode: 0 });
      expect(changed.stderr).toBe("Warning: web: it runs: --ulimit holds from its next start on\n");
      const limits = "ulimit -Sn; ulimit -Hn; ulimit -c";
      const now = async () => (await engine.ok(["exec", "web", "sh", "-c", limits])).replaceAll("\n", " ");
      await engine.ok(["restart", "-t", "0", "web"]);
      expect(await now()).toBe("50 60 0");
      expect((await engine.proa(["update", "--ulimit", "nofile=5:1", "web"])).exitCode).toBeGreaterThan(0);
    });

    test("sets variables and health checks for the next start, and says so of one that runs", async () => {
      await detach(place, "web", SLEEP, ["-e", "A=old", "-e", "B=stays", "-e", "C=goes"]);
      const options = ["-e", "A=new", "--unsetenv", "C", "--health-cmd", "true", "--health-interval", "1h"];
      const changed = await engine.proa(["update", ...options, "web"]);
      expect(changed).toMatchObject({ stdout: "web\n", exitCode: 0 });
      expect(changed.stderr).toBe(
        "Warning: web: it runs: its program, and its health checks, are as they were until its next start\n",
      );
      const variables = async () =>
        (await engine.ok(["exec", "web", "cat", "/proc/1/environ"]))
          .split("\0")
          .filter((line) => /^[ABC]=/.test(line))
          .sort()
          .join(" ");
      expect(await variables()).toBe("A=old B=stays C=goes");
      await engine.ok(["restart", "-t", "0", "web"]);
      expect(await variables()).toBe("A=new B=stays");
      expect(await engine.ok(["healthcheck", "run", "web"])).toBe("");
      await engine.proa(["update", "--health-retries", "7", "web"]);
      const check = JSON.parse(await inspect(place, "web", "{{json .Config.Healthcheck}}"));
      expect(check).toEqual({ Test: ["CMD-SHELL", "true"], Interval: 3600e9, Retries: 7 });
      await engine.proa(["update", "--no-healthcheck", "web"]);
      expect(await inspect(place, "web", "{{json .Config.Healthcheck.Test}}")).toBe('["NONE"]');
      const wrong = await engine.proa(["update", "--health-interval", "soon", "web"]);
      expect(wrong.stderr).toContain('--health-interval: "soon": expected a duration');
    });
  });

  describe.skipIf(notHere !== null)(`where there are none${notHere === null ? "" : ` (${notHere})`}`, () => {
    const uid = process.getuid?.();
    const mend = (name: string) => `sudo install -d -o ${uid} /sys/fs/cgroup/${name}/proa-${uid}`;

    test.each([
      [["-m", "64m"], "memory", "memory"],
      [["--memory-reservation", "32m"], "memory-reservation", "memory"],
      [["--memory-swappiness", "0"], "memory-swappiness", "memory"],
      [["--cpus", "0.5"], "cpus", "cpu"],
      [["-c", "512"], "cpu-shares", "cpu"],
      [["--cpu-rt-runtime", "950000"], "cpu-rt-runtime", "cpu"],
      [["--cpuset-cpus", "0"], "cpuset-cpus", "cpuset"],
      [["--pids-limit", "50"], "pids-limit", "pids"],
      [["--blkio-weight", "100"], "blkio-weight", "blkio"],
      [["--device-read-bps", "/dev/sda:1mb"], "device-read-bps", "blkio"],
      [["--oom-kill-disable"], "oom-kill-disable", "memory"],
    ])(
      "%p is a warning that names the controller and what gives it, and it runs",
      async (options, name, controller) => {
        const result = await run(place, options, ["echo", "ok"]);
        expect(result).toMatchObject({ stdout: "ok\n", exitCode: 0 });
        const [line = "", ...more] = result.stderr.split("\n");
        expect(line).toStartWith(
          `Warning: --${name} is ignored: this host has control groups of version 1, and none with the controller ${controller}`,
        );
        if (existsSync(`/sys/fs/cgroup/${controller}`))
          expect(line).toContain(`; to have it: ${mend(controller)}`);
        expect(more).toEqual([""]);
      },
    );

    test.each([
      [
        ["--device-cgroup-rule", "c 1:3 rwm"],
        "device-cgroup-rule",
        "the owner and the mode of a device decide",
      ],
      [["--cgroup-parent", "/x"], "cgroup-parent", "none belong to this user"],
      [["--kernel-memory", "64m"], "kernel-memory", "the kernel has no such limit any more"],
      [
        ["--cgroup-conf", "memory.high=1,cpu.max=1 2"],
        "cgroup-conf memory.high",
        "no control groups of version 2",
      ],
    ])("%p is a warning with the reason, and it runs", async (options, name, why) => {
      const result = await run(place, options, ["echo", "ok"]);
      expect(result).toMatchObject({ stdout: "ok\n", exitCode: 0 });
      expect(result.stderr).toStartWith(`Warning: --${name} is ignored: `);
      expect(result.stderr.split("\n")[0]).toEndWith(why);
    });

    test("warnings are in the record, one for each option, and what says nothing is silent", async () => {
      const limits = [
        "-m",
        "64m",
        "--cpus",
        "0.5",
        "--pids-limit",
        "50",
        "--device-write-iops",
        "/dev/sda:9",
      ];
      const made = await engine.proa(["create", "--name", "limited", ...limits, place.tiny]);
      expect(made.stderr.split("\n").filter(Boolean)).toHaveLength(4);
      const [{ HostConfig, Warnings }] = JSON.parse(await engine.ok(["inspect", "limited"]));
      expect(HostConfig.BlkioDeviceWriteIOps).toEqual([{ Path: "/dev/sda", Rate: 9 }]);
      expect(Warnings.map((line: string) => `Warning: ${line}`)).toEqual(
        made.stderr.split("\n").filter(Boolean),
      );
      const silent = [
        ...[
          "--memory",
          "0",
          "--pids-limit=-1",
          "--memory-swappiness=-1",
          "--cpu-shares=0",
          "--oom-kill-disable=false",
        ],
        ...["--cgroups", "enabled"],
      ];
      expect((await run(place, silent, ["true"])).stderr).toBe("");
    });

    test("nothing of it is in the bundle: other runtimes would stumble over it", async () => {
      await engine.proa(["run", "-d", "--name", "web", "-m", "64m", place.tiny, ...SLEEP]);
      const { linux } = JSON.parse(readFileSync(await inspect(place, "web", "{{.OCIConfigPath}}"), "utf8"));
      expect(linux).not.toContainAnyKeys(["resources", "cgroupsPath"]);
    });

    test("a manager that was asked for: systemd fails, cgroupfs is a warning", async () => {
      const systemd = await engine.proa(["--cgroup-manager", "systemd", "run", "--rm", place.tiny, "true"]);
      expect(systemd.stderr).toStartWith("Error: use cgroup manager: systemd: ");
      expect(systemd.exitCode).toBe(125);
      const directory = await engine.proa([
        "--cgroup-manager",
        "cgroupfs",
        "run",
        "--rm",
        place.tiny,
        "true",
      ]);
      expect(directory.stderr).toStartWith("Warning: --cgroup-manager is ignored: ");
      expect(directory.exitCode).toBe(0);
      const split = await run(place, ["--cgroups", "split"], ["true"]);
      expect(split.stderr).toStartWith("Error: option: --cgroups split: the control group of this process");
      expect(split.exitCode).toBe(125);
    });

    test("update keeps what has no effect, with a warning", async () => {
      await detach(place, "web");
      const changed = await engine.proa(["update", "-m", "64m", "web"]);
      expect(changed).toMatchObject({ stdout: "web\n", exitCode: 0 });
      expect(changed.stderr).toMatch(/^Warning: --memory is ignored: .+\n$/);
      expect(await inspect(place, "web", "{{.HostConfig.Memory}}")).toBe(String(64 << 20));
    });

    test("stats adds the processes up, and says so once", async () => {
      await detach(place, "web");
      const stats = () =>
        engine.proa(["stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}} {{.PIDS}}", "web"]);
      const first = await stats();
      expect(first.stdout).toBe("web 1 1\n");
      expect(first.stderr).toContain("their figures are added up from their processes");
      expect((await stats()).stderr).toBe("");
    });
  });
});

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
