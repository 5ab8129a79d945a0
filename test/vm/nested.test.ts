/** What a container sees of its group, a systemd inside of it, and other runtimes with the same limits. */
import { expect } from "bun:test";
import { useVm } from "../harness";

const vm = useVm();
const linesOf = (stdout: string) => stdout.trimEnd().split("\n");

vm.describe("the group as the container sees it", () => {
  vm.check(
    "is the root of its cgroup namespace, read-only, with its own limits",
    `proa run --rm --network none -m 40m tiny sh -c 'cat /proc/self/cgroup; cat /sys/fs/cgroup/memory.max; mkdir /sys/fs/cgroup/x 2>&1 | grep -o "Read-only file system"'`,
    ({ stdout }) => expect(stdout).toBe("0::/\n41943040\nRead-only file system\n"),
  );
  vm.check(
    "does not show where it lies on the host",
    `proa run --rm --network none tiny sh -c 'cat /proc/1/cgroup; grep cgroup /proc/self/mountinfo'`,
    ({ stdout }) => {
      expect(linesOf(stdout)[0]).toBe("0::/");
      expect(linesOf(stdout)[1]).toMatch(/ \/ \/sys\/fs\/cgroup ro/);
      expect(stdout).not.toContain("user.slice");
    },
  );
  vm.check(
    "is the host's path with --cgroupns host",
    `proa run --rm --network none --cgroupns host tiny cat /proc/self/cgroup`,
    ({ stdout }) => expect(stdout).toMatch(/^0::\/user\.slice\/.*\/proa-[0-9a-f]{64}\.scope\/container\n$/),
  );
  vm.check(
    "is another's with exec: the same",
    `proa run -d --network none --name seen tiny sleep 1000 >/dev/null; proa exec seen cat /proc/self/cgroup /proc/1/cgroup; proa rm -f -t 0 seen >/dev/null`,
    ({ stdout }) => expect(stdout).toBe("0::/\n0::/\n"),
  );
  vm.check(
    "can be divided with --privileged",
    `proa run --rm --network none --privileged -m 64m tiny sh -c 'cd /sys/fs/cgroup; mkdir own other && echo 1 >own/cgroup.procs && echo +memory +pids >cgroup.subtree_control && echo 8388608 >other/memory.max && cat other/memory.max; sh -c "echo \\$\\$ >other/cgroup.procs; exec dd if=/dev/zero of=/dev/null bs=16M count=1"; echo $?'`,
    ({ stdout }) => expect(stdout).toBe("8388608\n137\n"),
  );
  vm.check(
    "is given to a root that is not the caller, and no other directory that is mounted there",
    `mine=/sys/fs/cgroup/user.slice/user-$(id -u).slice/user@$(id -u).service/mine; mkdir $mine; proa run --rm --network none --userns keep-id -v $mine:/sys/fs/cgroup tiny true; echo $?; stat -c %U $mine; rmdir $mine; proa run --rm --network none --userns keep-id --user root --privileged tiny sh -c 'mkdir /sys/fs/cgroup/x && echo made'`,
    ({ stdout }) => expect(stdout).toBe("0\nalice\nmade\n"),
  );
  vm.check(
    "is given to a root whose map does not have the caller, who still executes and ends what is in it",
    `proa run -d --network none --userns auto --privileged --name divides tiny sh -c 'mkdir /sys/fs/cgroup/x && echo made; { echo max >/sys/fs/cgroup/memory.max; } 2>/dev/null || echo limited; exec sleep 1000' >/dev/null; until_true sh -c 'proa logs divides | grep limited'; proa logs divides; proa exec divides id -u; proa rm -f -t 0 divides >/dev/null; find /sys/fs/cgroup -path '*proa-*/container*' | head -3; for map in auto nomap; do proa run --rm --network none --userns $map tiny stat -c %u /bin; done`,
    ({ stdout, stderr }) => expect([stdout, stderr]).toEqual(["made\nlimited\n0\n0\n0\n", ""]),
    240,
  );
  vm.check(
    "is removed however deep it was divided",
    `proa run --rm --network none --privileged tiny sh -c 'd=/sys/fs/cgroup; i=0; while [ $i -lt 60 ] && mkdir $d/a 2>/dev/null; do d=$d/a; i=$((i+1)); done; echo $i'; find /sys/fs/cgroup -path '*proa-*/container*' | head -3`,
    ({ stdout }) => expect(stdout).toBe("32\n"),
  );
  vm.check(
    "cannot be widened from inside, also with --privileged",
    `proa run -d --network none --privileged -m 64m --name wide tiny sh -c 'echo max >/sys/fs/cgroup/memory.max; echo $?; sleep 1000' >/dev/null; until_true sh -c 'proa logs wide | grep .'; proa logs wide 2>/dev/null; value wide memory.max; proa rm -f -t 0 wide >/dev/null`,
    ({ stdout }) => expect(linesOf(stdout).at(-1)).toBe("67108864"),
  );
});

vm.describe("Debian's systemd as the first process", () => {
  vm.check(
    "boots with --systemd=always",
    `proa run -d --network none --name sys --systemd=always -m 512m --rootfs /srv/debian /sbin/init >/dev/null
proa exec sys sh -c 'for i in $(seq 900); do state=$(systemctl is-system-running 2>/dev/null); case $state in running|degraded) break; esac; sleep 0.3; done; echo $state; ps -p 1 -o comm='`,
    ({ stdout }) => expect(stdout).toMatch(/^(running|degraded)\nsystemd\n$/),
    500,
  );
  vm.check(
    "has a writable subtree, with the controllers, in which it makes groups for its services",
    `proa exec sys sh -c 'cat /proc/1/cgroup; ls -d /sys/fs/cgroup/system.slice /sys/fs/cgroup/init.scope; tr " " "\\n" </sys/fs/cgroup/cgroup.controllers | grep -cE "^(memory|pids|cpu)$"'`,
    ({ stdout }) =>
      expect(stdout).toBe("0::/init.scope\n/sys/fs/cgroup/init.scope\n/sys/fs/cgroup/system.slice\n3\n"),
  );
  vm.check(
    "runs services, and holds them to their limits",
    `proa exec sys systemd-run --quiet --wait -p MemoryMax=16M sh -c 'head -c 60000000 /dev/zero | tail | wc -c'; echo $?; proa exec sys systemctl --no-legend --plain --state=failed list-units`,
    ({ stdout }) => expect(stdout.split("\n")[0]).not.toBe("0"),
  );
  vm.check(
    "is in the container's group: limits and stats count all of it",
    `pids=$(proa stats --no-stream --format '{{.PIDs}}' sys); [ $pids -gt 3 ] && echo counted; proa exec sys cat /proc/self/cgroup; proa inspect -f '{{.State.OOMKilled}}' sys`,
    ({ stdout }) => expect(linesOf(stdout)[0]).toBe("counted"),
  );
  vm.check(
    "ends by itself when it is stopped",
    `proa stop -t 200 sys; proa inspect -f '{{.State.Status}} {{.State.ExitCode}}' sys; proa rm sys; nothing_left`,
    ({ stdout, stderr }) => {
      expect(stdout).toMatch(/^sys\nexited (0|130)\nsys\n$/);
      expect(stderr).toBe("");
    },
    300,
  );
});

vm.describe("crun with the same limits", () => {
  const options =
    "-m 64m --memory-swap 96m --memory-reservation 32m --cpus 0.5 --cpu-shares 512 --cpuset-cpus 0 --pids-limit 50 --device-write-bps /dev/vda:1mb";
  // told by its process: where crun puts it is its own affair
  const values = `files() { (cd /sys/fs/cgroup$(cut -d: -f3 </proc/$1/cgroup) && grep . memory.max memory.swap.max memory.low cpu.max cpu.weight cpuset.cpus pids.max io.max); }
running() { crun state alone 2>/dev/null | sed -n 's/^ *"pid": \\([0-9]*\\).*/\\1/p'; }
# a bundle of a container that has stopped, with a root file system of its own
bundle() { mkdir -p bundle/rootfs; proa export ours | tar -C bundle/rootfs -xf -; cp ~/.local/share/proa/containers/$(id_of ours)/config.json bundle/; }`;
  vm.check(
    "by itself on the bundle of ours: the same values in its files",
    `${values}
proa run -d --network none --name ours ${options} tiny sleep 1000 | remember ours; files $(proa inspect -f '{{.State.Pid}}' ours) >ours.txt; cat ours.txt; proa stop -t 0 ours >/dev/null
bundle; crun --systemd-cgroup run -b bundle alone </dev/null >/dev/null 2>crun.err & until_true eval '[ "$(running)" ] && grep -q sleep /proc/$(running)/cmdline' || cat crun.err
files $(running) >theirs.txt; diff ours.txt theirs.txt && echo same; crun kill alone KILL; wait; proa rm ours >/dev/null; nothing_left`,
    ({ stdout, stderr }) => {
      expect(linesOf(stdout)).toHaveLength(9);
      expect(linesOf(stdout).at(-1)).toBe("same");
      expect(stderr).toBe("");
    },
    300,
  );
  vm.check(
    "as the runtime of a container: the same values in its files",
    `${values}
proa run -d --network none --runtime crun --name theirs ${options} tiny sleep 1000 >/dev/null; files $(proa inspect -f '{{.State.Pid}}' theirs) >theirs.txt
cat theirs.txt; diff ours.txt theirs.txt && echo same; proa rm -f -t 0 theirs >/dev/null`,
    ({ stdout }) => {
      expect(linesOf(stdout)).toHaveLength(9);
      expect(linesOf(stdout).at(-1)).toBe("same");
    },
  );
  vm.check(
    "kills the same allocation",
    `proa run --rm --network none --runtime crun -m 32m tiny dd if=/dev/zero of=/dev/null bs=64M count=1; echo $?
nothing_left`,
    ({ stdout }) => expect(stdout).toBe("137\n"),
  );
});
