/** Limits, shown by what the kernel does to a container that crosses them, and by the files where it only keeps them. */
import { expect } from "bun:test";
import { useVm } from "../harness";

const vm = useVm();
/** A container `NAME` that sleeps, with these options; then the named files of its group, one line each: `FILE VALUE`. */
const sleeping = (name: string, options: string, files: string) =>
  `proa run -d --network none --name ${name} ${options} tiny sleep 1000 | remember ${name}
for file in ${files}; do echo "$file $(value ${name} $file | tr '\\n' ';')"; done
proa rm -f -t 0 ${name} >/dev/null`;
const linesOf = (stdout: string) => stdout.trimEnd().split("\n");

vm.describe("limits of memory", () => {
  vm.check(
    "an allocation of 64 MiB is killed under --memory 32m: exit status 137",
    `proa run --name big --network none -m 32m tiny dd if=/dev/zero of=/dev/null bs=64M count=1; echo "status $?"`,
    ({ stdout }) => expect(stdout).toBe("status 137\n"),
  );
  vm.check(
    "inspect tells that it was killed for want of memory",
    "proa inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' big",
    ({ stdout }) => expect(stdout).toBe("true 137\n"),
  );
  vm.check(
    "an oom event is told, before the end",
    "proa events --since 10m --until 0s --filter container=big --format '{{.Action}}'",
    ({ stdout }) =>
      expect(linesOf(stdout).filter((action) => action === "oom" || action === "die")).toEqual([
        "oom",
        "die",
      ]),
  );
  vm.check("why names what was killed", "proa why big", ({ stdout, stderr }) =>
    expect(`${stdout}${stderr}`).toMatch(/out of memory|OOM/i),
  );
  vm.check(
    "what stays below the limit is not killed, and OOMKilled is false",
    `proa run --name small --network none -m 32m tiny dd if=/dev/zero of=/dev/null bs=8M count=1 2>/dev/null; echo $?
proa inspect -f '{{.State.OOMKilled}}' small`,
    ({ stdout }) => expect(stdout).toBe("0\nfalse\n"),
  );
  vm.check(
    "a child that is killed leaves the container running, and OOMKilled true",
    `proa run -d --name parent --network none -m 32m tiny sh -c 'dd if=/dev/zero of=/dev/null bs=64M count=1; echo $?; exec sleep 1000' >/dev/null
until_true sh -c '[ "$(proa logs parent 2>/dev/null)" ]'; proa logs parent 2>/dev/null
proa inspect -f '{{.State.Status}}' parent; proa stop -t 0 parent >/dev/null; proa inspect -f '{{.State.OOMKilled}}' parent`,
    ({ stdout }) => expect(stdout).toBe("137\nrunning\ntrue\n"),
  );
  vm.check(
    "memory, swap and reservation stand in the files: swap is what is above memory",
    sleeping(
      "m1",
      "-m 64m --memory-swap 96m --memory-reservation 48m",
      "memory.max memory.swap.max memory.low",
    ),
    ({ stdout }) =>
      expect(linesOf(stdout)).toEqual([
        "memory.max 67108864;",
        "memory.swap.max 33554432;",
        "memory.low 50331648;",
      ]),
  );
  vm.check(
    "without --memory-swap there is as much swap as memory; -1 is all there is",
    `${sleeping("m1", "-m 64m", "memory.swap.max")}
${sleeping("m1", "-m 64m --memory-swap -1", "memory.swap.max")}`,
    ({ stdout }) => expect(linesOf(stdout)).toEqual(["memory.swap.max 67108864;", "memory.swap.max max;"]),
  );
  vm.check(
    "swappiness and --oom-kill-disable are not for version 2: a warning or a refusal each that says so",
    `proa run --rm --network none --memory-swappiness 10 tiny echo ran; proa run --rm --network none -m 32m --oom-kill-disable tiny echo ran`,
    ({ stderr }) => {
      expect(stderr).toMatch(/swappiness/i);
      expect(stderr).toMatch(/oom/i);
    },
  );
});

vm.describe("limits of CPU", () => {
  vm.check(
    "a loop under --cpus 0.2 gets a fifth of a CPU, and is throttled",
    // Above a fifth it must never be, below it only where the machine had no time for it: then it is measured again.
    `proa run -d --network none --name loop --cpus 0.2 tiny sh -c 'while :; do :; done' | remember loop
stat=$(cgroup loop)/cpu.stat; used() { local key value; while read -r key value; do [ $key != $1 ] || echo $value; done <$stat; }
until_true eval '[ $(used nr_throttled) -gt 10 ]'
for try in 1 2 3 4 5 6; do
  from=\${EPOCHREALTIME/./}; start=$(used usage_usec); sleep 4; end=$(used usage_usec); to=\${EPOCHREALTIME/./}
  percent=$(( (end - start) * 100 / (to - from) )); [ $percent -le 12 ] || break
done
echo "$percent $(used nr_throttled)"; value loop cpu.max; proa rm -f -t 0 loop >/dev/null`,
    ({ stdout }) => {
      const [measured = "", file] = linesOf(stdout);
      const [percent, throttled] = measured.split(" ").map(Number);
      expect(file).toBe("20000 100000");
      expect(percent).toBeGreaterThan(12);
      expect(percent).toBeLessThan(28);
      expect(throttled).toBeGreaterThan(10);
    },
  );
  vm.check(
    "period and quota, and shares as a weight",
    sleeping("c1", "--cpu-period 50000 --cpu-quota 20000 --cpu-shares 512", "cpu.max cpu.weight"),
    ({ stdout }) => expect(linesOf(stdout)).toEqual(["cpu.max 20000 50000;", "cpu.weight 20;"]),
  );
  vm.check(
    "--cpuset-cpus and --cpuset-mems: the process may run there only",
    `${sleeping("s1", "--cpuset-cpus 1 --cpuset-mems 0", "cpuset.cpus cpuset.cpus.effective cpuset.mems")}
proa run --rm --network none --cpuset-cpus 1 tiny grep Cpus_allowed_list /proc/self/status; proa run --rm --network none --cpuset-cpus 1 tiny nproc`,
    ({ stdout }) =>
      expect(linesOf(stdout)).toEqual([
        "cpuset.cpus 1;",
        "cpuset.cpus.effective 1;",
        "cpuset.mems 0;",
        "Cpus_allowed_list:\t1",
        "1",
      ]),
  );
});

vm.describe("limits of processes", () => {
  vm.check(
    "with --pids-limit 32 the 33rd process is refused",
    `proa run -d --network none --name many --pids-limit 32 tiny sh -c '(for i in $(seq 40); do sleep 1000 & done); echo made; exec sleep 1000' | remember many
until_true sh -c 'proa logs many 2>/dev/null | grep made'; proa logs many 2>&1 | grep -c "can't fork"; value many pids.max
value many pids.current; value many pids.events; proa rm -f -t 0 many >/dev/null`,
    ({ stdout }) => {
      const [refusals, max, current, events = ""] = linesOf(stdout);
      expect([Number(refusals) >= 1, max, current]).toEqual([true, "32", "31"]); // the subshell has ended, 30 sleeps and the first process are left
      expect(Number(events.split(" ")[1])).toBeGreaterThan(0);
    },
  );
  vm.check(
    "there is a limit by default; -1 and 0 take it away",
    `${sleeping("d1", "", "pids.max")}
${sleeping("d1", "--pids-limit -1", "pids.max")}
${sleeping("d1", "--pids-limit 0", "pids.max")}`,
    ({ stdout }) => expect(linesOf(stdout)).toEqual(["pids.max 2048;", "pids.max max;", "pids.max max;"]),
  );
  vm.check(
    "a fork bomb is stopped by its limit, and rm -f leaves no process of it",
    `proa run -d --network none --name bomb --pids-limit 100 tiny sh -c 'bomb() { bomb | bomb & }; bomb; exec sleep 1000' | remember bomb
group=$(cgroup bomb); until_true sh -c "! grep -q 'max 0' $group/pids.events"; pids=$(cat $group/pids.current); [ $pids -le 100 ] && echo bounded
proa rm -f -t 0 bomb; [ -e $group ] && echo "$group is left"; ps -u alice -o args | grep -c '[b]omb()'`,
    ({ stdout }) => expect(stdout).toBe("bounded\nbomb\n0\n"),
  );
  vm.check(
    "--ulimit holds",
    `proa run --rm --network none --ulimit nofile=70:80 --ulimit nproc=500 tiny sh -c 'ulimit -Sn; ulimit -Hn; ulimit -u'`,
    ({ stdout }) => expect(stdout).toBe("70\n80\n500\n"),
  );
});

vm.describe("limits of disks", () => {
  vm.check(
    "4 MiB take as long as --device-write-bps says",
    `mkdir -p disk; proa run --rm --network none --device-write-bps /dev/vda:1mb -v $PWD/disk:/disk tiny \\
  sh -c 'cat /proc/uptime; dd if=/dev/zero of=/disk/f bs=1M count=4 conv=fsync 2>/dev/null; cat /proc/uptime'`,
    ({ stdout }) => {
      const [start, end] = linesOf(stdout).map((line) => Number(line.split(" ")[0]));
      expect((end ?? 0) - (start ?? 0)).toBeGreaterThan(2.5);
    },
  );
  vm.check(
    "all four limits of a device stand in one line",
    sleeping(
      "disk",
      "--device-read-bps /dev/vda:2mb --device-write-bps /dev/vda:1mb --device-read-iops /dev/vda:300 --device-write-iops /dev/vda:200",
      "io.max",
    ),
    ({ stdout }) => expect(stdout).toBe("io.max 254:0 rbps=2097152 wbps=1048576 riops=300 wiops=200;\n"),
  );
  vm.check(
    "a weight is written where the kernel has one, else it is a warning",
    `proa run -d --network none --name weighed --blkio-weight 200 tiny sleep 1000 | remember weighed
cat $(cgroup weighed)/io.weight $(cgroup weighed)/io.bfq.weight 2>/dev/null; proa rm -f -t 0 weighed >/dev/null`,
    ({ stdout, stderr }) => expect(`${stdout}${stderr}`).toMatch(/default \d+|weight/i),
  );
});

vm.describe("files by their own name", () => {
  vm.check(
    "--cgroup-conf writes what it says",
    sleeping("raw", "--cgroup-conf memory.high=41943040 --cgroup-conf pids.max=77", "memory.high pids.max"),
    ({ stdout }) => expect(linesOf(stdout)).toEqual(["memory.high 41943040;", "pids.max 77;"]),
  );
  vm.check(
    "a file that is not there is an error or a warning that names it",
    `proa run --rm --network none --cgroup-conf memory.nonsense=1 tiny echo ran`,
    ({ stderr }) => expect(stderr).toContain("memory.nonsense"),
  );
  vm.check(
    "nothing of all that is left",
    `proa rm -f -a -t 0 >/dev/null; nothing_left`,
    ({ stdout, stderr, status }) =>
      expect({ stdout, stderr, status }).toEqual({ stdout: "", stderr: "", status: 0 }),
  );
});
