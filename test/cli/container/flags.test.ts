/** Every flag of docker's `run` and of podman's is known: it works, or it is refused with the reason. */
import { afterEach, describe, expect, test } from "bun:test";
import { missing, useTiny } from "../../harness";
import { removeAll, run } from "./_shell";

/** docker 28's, by their long names, hidden spellings too. */
const DOCKER = `
  add-host annotation attach blkio-weight blkio-weight-device cap-add cap-drop cgroup-parent cgroupns cidfile cpu-count cpu-percent
  cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus cpuset-cpus cpuset-mems detach detach-keys device device-cgroup-rule
  device-read-bps device-read-iops device-write-bps device-write-iops disable-content-trust dns dns-opt dns-option dns-search domainname
  entrypoint env env-file expose gpus group-add health-cmd health-interval health-retries health-start-interval health-start-period
  health-timeout hostname init interactive io-maxbandwidth io-maxiops ip ip6 ipc isolation kernel-memory label label-file link
  link-local-ip log-driver log-opt mac-address memory memory-reservation memory-swap memory-swappiness mount name net net-alias network
  network-alias no-healthcheck oom-kill-disable oom-score-adj pid pids-limit platform privileged publish publish-all pull quiet read-only
  restart rm runtime security-opt shm-size sig-proxy stop-signal stop-timeout storage-opt sysctl tmpfs tty ulimit use-api-socket user
  userns uts volume volume-driver volumes-from workdir`;

const SHORT = "acdehiluvwmpPqt";

/** What podman 5 adds. */
const PODMAN = `
  arch authfile cert-dir cgroup-conf cgroups chrootdirs conmon-pidfile creds decryption-key env-host env-merge gidmap group-entry
  health-log-destination health-max-log-count health-max-log-size health-on-failure health-startup-cmd health-startup-interval
  health-startup-retries health-startup-success health-startup-timeout hostuser hosts-file http-proxy image-volume init-ctr init-path
  no-hostname no-hosts os passwd passwd-entry personality pidfile pod pod-id-file preserve-fd preserve-fds rdt-class read-only-tmpfs
  replace requires retry retry-delay rmi rootfs sdnotify seccomp-policy secret shm-size-systemd subgidname subuidname systemd timeout
  tls-verify tz uidmap umask unsetenv unsetenv-all variant`;

const words = (text: string): string[] => text.trim().split(/\s+/);

/** These are `run`'s alone. */
const OF_RUN = ["detach", "detach-keys", "preserve-fd", "preserve-fds", "sig-proxy"];

describe.skipIf(missing !== null)("the flags of run and create", () => {
  const place = useTiny();
  const { engine } = place;
  afterEach(() => removeAll(place));

  /** Whether the reader knows the flag: the option behind it is what it fails on, or help is what it comes to. */
  const isKnown = async (verb: string, flag: string): Promise<boolean> => {
    const { stderr, stdout } = await engine.proa([verb, `${flag}=1`, "--help"]);
    expect(stdout + stderr).not.toBe("");
    return !/unknown (shorthand )?flag/.test(stderr);
  };

  test("all of docker's and podman's are known to run and create, and no other", async () => {
    const flags = [...words(DOCKER), ...words(PODMAN)];
    const unknown: string[] = [];
    for (const flag of flags) {
      if (!(await isKnown("run", `--${flag}`))) unknown.push(`run --${flag}`);
      if (!OF_RUN.includes(flag) && !(await isKnown("create", `--${flag}`))) unknown.push(`create --${flag}`);
    }
    for (const letter of SHORT) if (!(await isKnown("run", `-${letter}`))) unknown.push(`run -${letter}`);
    expect(unknown).toEqual([]);
    expect(await isKnown("run", "--no-such-flag")).toBe(false);
  }, 120_000);

  test.each([
    [["--storage-opt", "size=1g"], "option: --storage-opt: "],
    [["--use-api-socket"], "option: --use-api-socket: "],
    [["--pod", "any"], "option: --pod: "],
    [["--cpu-count", "1"], "option: --cpu-count: "],
    [["--io-maxiops", "1"], "option: --io-maxiops: "],
    [["--cgroups", "split"], "option: --cgroups: "],
    [["--rdt-class", "any"], "option: --rdt-class: "],
    [["--creds", ":b"], "--creds: "],
    [["--retry-delay", "soon"], "--retry-delay: "],
    [["--isolation", "hyperv"], 'invalid argument "hyperv" for "--isolation" flag: must be one of "default"'],
    [["--disable-content-trust=false"], "content trust: "],
    [["--link-local-ip", "169.254.1.1"], "network: link-local-ip=169.254.1.1: "],
    [["--sdnotify", "healthy"], "sdnotify: healthy: "],
    [["--hosts-file", "image"], 'hosts file: "image": '],
    [["--platform", "linux/amd64", "--arch", "amd64"], "platform: linux/amd64: "],
    [["-d", "--rmi"], "option: --rmi with --detach: "],
    [["--replace"], "replace: container: it needs the name"],
    [
      ["-a", "stdeux"],
      'invalid argument "stdeux" for "-a, --attach" flag: valid streams are STDIN, STDOUT and STDERR',
    ],
    [["-d", "-a", "stdout"], "run: --detach and --attach: conflicting options"],
    [["--tz", "Mars/Olympus"], 'time zone: "Mars/Olympus": '],
    [["--tz", "../../etc/passwd"], 'time zone: "../../etc/passwd": it is no name of a time zone'],
    [["--annotation", "novalue"], 'annotation: "novalue": expected KEY=VALUE'],
    [["--no-hosts", "--add-host", "a:1.2.3.4"], "no-hosts: with --add-host: conflicting options"],
    [["--preserve-fd", "77"], "preserve descriptor: 77: it is not open"],
    [["--preserve-fd", "1"], 'preserve descriptor: "1": '],
    [["--requires", "nosuch"], "require container: nosuch: no such container"],
  ])("%p is refused with the reason", async (options, message) => {
    const result = await run(place, options, ["true"]);
    expect(result.stderr).toStartWith(`Error: ${message}`);
    expect([result.stdout, result.exitCode]).toEqual(["", 125]);
  });

  test.each([
    [["-m", "64m"], "memory"],
    [["--memory-reservation", "32m"], "memory-reservation"],
    [["--cpus", "0.5"], "cpus"],
    [["-c", "512"], "cpu-shares"],
    [["--cpuset-cpus", "0"], "cpuset-cpus"],
    [["--pids-limit", "50"], "pids-limit"],
    [["--blkio-weight", "100"], "blkio-weight"],
    [["--device-read-bps", "/dev/sda:1mb"], "device-read-bps"],
    [["--device-cgroup-rule", "c 1:3 rwm"], "device-cgroup-rule"],
    [["--oom-kill-disable"], "oom-kill-disable"],
    [["--cgroup-parent", "/x"], "cgroup-parent"],
    [["--kernel-memory", "64m"], "kernel-memory"],
  ])("%p warns that it has no effect, and why, and runs", async (options, name) => {
    const result = await run(place, options, ["echo", "ok"]);
    expect(result.stdout).toBe("ok\n");
    expect(result.stderr).toMatch(new RegExp(`^Warning: --${name} is ignored: .+\\n$`));
    expect(result.exitCode).toBe(0);
  });

  test("limits are in inspect, with their warnings; those that say nothing are silent", async () => {
    const limits = ["-m", "64m", "--cpus", "0.5", "--pids-limit", "50", "--device-write-iops", "/dev/sda:9"];
    const made = await engine.proa(["create", "--name", "limited", ...limits, place.tiny]);
    expect(made.stderr.split("\n").filter(Boolean)).toHaveLength(4);
    const [{ HostConfig, Warnings }] = JSON.parse(await engine.ok(["inspect", "limited"]));
    expect(HostConfig).toMatchObject({ Memory: 64 << 20, NanoCpus: 500_000_000, PidsLimit: 50 });
    expect(HostConfig.BlkioDeviceWriteIOps).toEqual([{ Path: "/dev/sda", Rate: 9 }]);
    expect(Warnings).toHaveLength(4);
    const silent = [
      "--memory",
      "0",
      "--pids-limit=-1",
      "--memory-swappiness=-1",
      "--cpu-shares=0",
      "--oom-kill-disable=false",
    ];
    expect((await run(place, silent, ["true"])).stderr).toBe("");
  });

  test.each([
    [["-m", "5m"], "memory: 5m: the least is 6MB"],
    [["-m", "much"], "memory: much: "],
    [["--cpus", "0.001"], "cpus: 0.001: from 0.01 to "],
    [["--cpus", "9999"], "cpus: 9999: from 0.01 to "],
    [["--cpus", "1", "--cpu-quota", "5000"], "cpus: with --cpu-quota: conflicting options"],
    [["--memory-swap", "10m"], "memory swap: 10485760: it needs a limit of memory, too"],
    [["-m", "20m", "--memory-swap", "10m"], "memory swap: 10485760: it is less than the memory, 20971520"],
    [["--cpuset-cpus", "a"], "cpuset cpus: a: "],
    [["--blkio-weight", "5"], "blkio weight: 5: it is from 10 to 1000"],
    [["--device-read-bps", "sda:1m"], "device read bps: sda:1m: expected /dev/NAME:VALUE"],
    [["--device-cgroup-rule", "any"], 'device cgroup rule: "any": '],
    [["--memory-swappiness", "101"], 'invalid argument "101" for "--memory-swappiness" flag: more than 100'],
  ])("limits that cannot be are refused: %p", async (options, message) => {
    const result = await run(place, options, ["true"]);
    expect(result.stderr).toStartWith(`Error: ${message}`);
    expect(result.exitCode).toBe(125);
  });
});
