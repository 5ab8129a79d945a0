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
});
