/** What changes a container that runs, and what tells of it: update, pause, kill, stats, top. */
import { expect } from "bun:test";
import { useVm } from "../harness";

const vm = useVm({
  prelude:
    "proa run -d --network none --name web -m 64m --cpus 1 --pids-limit 100 tiny sleep 100000 | remember web",
});
const linesOf = (stdout: string) => stdout.trimEnd().split("\n");
const UPDATES: [string, string, string, string][] = [
  ["-m", "96m --memory-swap 128m", "memory.max", "100663296"],
  ["--memory-swap", "192m", "memory.swap.max", "100663296"],
  ["--memory-reservation", "32m", "memory.low", "33554432"],
  ["--cpus", "0.5", "cpu.max", "50000 100000"],
  ["--cpu-shares", "2048", "cpu.weight", "79"],
  ["--cpuset-cpus", "0", "cpuset.cpus", "0"],
  ["--cpuset-mems", "0", "cpuset.mems", "0"],
  ["--pids-limit", "55", "pids.max", "55"],
  ["--device-write-bps", "/dev/vda:5mb", "io.max", "254:0 rbps=max wbps=5242880 riops=max wiops=max"],
];

vm.describe("update of a container that runs", () => {
  for (const [option, value, file, expected] of UPDATES) {
    vm.check(
      `${option} is seen in ${file} at once`,
      `proa update ${option} ${value} web; value web ${file}`,
      ({ stdout, stderr }) =>
        expect({ stdout, stderr }).toEqual({ stdout: `web\n${expected}\n`, stderr: "" }),
    );
  }
  vm.check(
    "what an update does not name stays as it was",
    `proa update --cpus 0.7 web >/dev/null; value web pids.max; value web memory.max`,
    ({ stdout }) => expect(stdout).toBe("55\n100663296\n"),
  );
  vm.check(
    "all of it holds again after stop and start",
    `proa stop -t 0 web >/dev/null; proa start web >/dev/null
cd $(cgroup web) && cat memory.max memory.swap.max memory.low cpu.max cpu.weight cpuset.cpus pids.max io.max`,
    ({ stdout }) =>
      expect(linesOf(stdout)).toEqual([
        "100663296",
        "100663296",
        "33554432",
        "70000 100000",
        "79",
        "0",
        "55",
        "254:0 rbps=max wbps=5242880 riops=max wiops=max",
      ]),
  );
  vm.check(
    "inspect has the new values",
    `proa inspect -f '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.MemoryReservation}} {{.HostConfig.CpuShares}} {{.HostConfig.CpusetCpus}} {{.HostConfig.PidsLimit}}' web`,
    ({ stdout }) => expect(stdout).toBe("100663296 201326592 33554432 2048 0 55\n"),
  );
  vm.check(
    "of a container that does not run it counts at the next start",
    `proa create --network none --name later tiny sleep 1000 | remember later; proa update --pids-limit 44 later; proa start later >/dev/null; value later pids.max; proa rm -f -t 0 later >/dev/null`,
    ({ stdout }) => expect(stdout).toBe("later\n44\n"),
  );
  vm.check(
    "nonsense is refused and changes nothing",
    `proa update -m 1k web || echo refused; proa update --cpus nan web || echo refused; proa update --cpuset-cpus 99 web || echo refused; value web memory.max; value web cpuset.cpus`,
    ({ stdout, stderr }) => {
      expect(stdout).toBe("refused\nrefused\nrefused\n100663296\n0\n");
      expect(stderr).toMatch(/minimum memory limit/i);
    },
  );
});

vm.describe("pause", () => {
  vm.check(
    "the group is frozen: no process of it advances, also one that left its session",
    `proa run -d --network none --name busy tiny sh -c 'setsid sh -c "while :; do :; done" & while :; do :; done' | remember busy; cd $(cgroup busy)
used() { sed -n 's/^usage_usec //p' cpu.stat; }
proa pause busy; cat cgroup.freeze; until_true grep -q 'frozen 1' cgroup.events; first=$(used); sleep 1; echo $(( $(used) - first ))
proa inspect -f '{{.State.Status}} {{.State.Paused}}' busy`,
    ({ stdout }) => expect(stdout).toBe("busy\n1\n0\npaused true\n"),
  );
  vm.check(
    "unpause lets all go on",
    `cd $(cgroup busy); used() { sed -n 's/^usage_usec //p' cpu.stat; }
proa unpause busy; cat cgroup.freeze; first=$(used); until_true eval '[ $(( $(used) - first )) -gt 100000 ]' && echo advances; proa inspect -f '{{.State.Status}}' busy`,
    ({ stdout }) => expect(stdout).toBe("busy\n0\nadvances\nrunning\n"),
  );
  vm.check(
    "a paused container can be killed and removed",
    `proa pause busy >/dev/null; group=$(cgroup busy); proa rm -f -t 0 busy; echo $?; [ -e $group ] && echo left; ps -u alice -o args | grep -c '[w]hile :'`,
    ({ stdout }) => expect(stdout).toBe("busy\n0\n0\n"),
  );
});

vm.describe("kill and rm", () => {
  const forks = (number: number) =>
    `sh -c "(setsid sleep ${number}1 &) ; (sleep ${number}2 & sleep ${number}3 &) ; (setsid sh -c \\"(sleep ${number}4 &)\\" &); exec sleep ${number}5"`;
  for (const [number, name, options] of [
    [7000, "with a pid namespace", ""],
    [7100, "in the host's pid namespace", "--pid host"],
  ] as const) {
    for (const [offset, verb, after] of [
      [0, "proa kill tree", "proa rm -f tree >/dev/null 2>&1"],
      [1, "proa rm -f -t 0 tree", ""],
    ] as const) {
      vm.check(
        `${verb.split(" ").slice(0, 3).join(" ")} leaves no process, however it forked, ${name}`,
        `proa run -d --network none ${options} --name tree tiny ${forks(number + offset)} >/dev/null
until_true count_is 5 '^sleep ${number + offset}'; processes '^sleep ${number + offset}'
${verb}; until_true count_is 0 '^sleep ${number + offset}'; ps -u alice -o args | grep '^sleep ${number + offset}'; ${after}`,
        ({ stdout, stderr }) => expect({ stdout, stderr }).toEqual({ stdout: "5\ntree\n", stderr: "" }),
      );
    }
  }
  vm.check(
    "the end of the first process ends the others, in the host's pid namespace too",
    `proa run --rm --network none --pid host tiny sh -c '(setsid sleep 7200 &); sleep 0.5'
until_true count_is 0 '^sleep 7200'; ps -u alice -o args | grep '^sleep 7200'`,
    ({ stdout, stderr }) => expect({ stdout, stderr }).toEqual({ stdout: "", stderr: "" }),
  );
});

vm.describe("exec and health checks", () => {
  vm.check(
    "what exec runs is in the container's group, and counts",
    `proa exec -d web sleep 5555; until_true count_is 1 '^sleep 5555'; pid=$(ps -u alice -o pid,args | sed -n 's/^ *\\([0-9]*\\) sleep 5555$/\\1/p')
grep -c "^$pid$" $(cgroup web)/cgroup.procs; proa exec web cat /proc/self/cgroup`,
    ({ stdout }) => expect(stdout).toBe("1\n0::/\n"),
  );
  vm.check(
    "what exec allocates is held by the container's limit",
    `proa run -d --network none --name tight -m 32m tiny sleep 1000 >/dev/null; proa exec tight dd if=/dev/zero of=/dev/null bs=64M count=1; echo $?
proa inspect -f '{{.State.Status}}' tight; proa rm -f -t 0 tight >/dev/null`,
    ({ stdout }) => expect(stdout).toBe("137\nrunning\n"),
  );
  vm.check(
    "a health check is in the container's group",
    `proa run -d --network none --name checked --health-cmd 'cat /proc/self/cgroup' --health-interval 1s tiny sleep 1000 >/dev/null
until_true sh -c "proa inspect -f '{{json .State.Health.Log}}' checked | grep 0::"; proa inspect -f '{{range .State.Health.Log}}{{.Output}}{{end}}' checked | head -n 1; proa rm -f -t 0 checked >/dev/null`,
    ({ stdout }) => expect(stdout).toBe("0::/\n"),
  );
});

vm.describe("stats and top", () => {
  vm.check(
    "memory is the group's without the cache, of its limit; processes are the group's",
    `proa run -d --name held -m 100m tiny sh -c 'dd if=/dev/zero of=/dev/shm/held bs=1M count=20 2>/dev/null; dd if=/dev/zero of=/cache bs=1M count=8 2>/dev/null; sync; echo held; exec sleep 1000' | remember held
until_true sh -c 'proa logs held | grep held'; cd $(cgroup held)
memory() { echo $(( $(cat memory.current) - $(sed -n 's/^inactive_file //p' memory.stat) )); }
memory; proa stats --no-stream --format '{{.MemUsage}}|{{.MemPerc}}|{{.PIDs}}' held; memory; cat pids.current`,
    ({ stdout }) => {
      const [before = "", told = "", after = "", pids = ""] = linesOf(stdout);
      const [usage = "", percent = "", toldPids] = told.split("|");
      const mib = [before, after].map((bytes) => Number(bytes) / 1024 / 1024);
      const [least, most] = [Math.min(...mib), Math.max(...mib)];
      expect(usage).toMatch(/^[\d.]+MiB \/ 100MiB$/);
      expect(Number.parseFloat(usage)).toBeGreaterThan(least - 1);
      expect(Number.parseFloat(usage)).toBeLessThan(most + 1);
      expect(least).toBeGreaterThan(15);
      expect(Number.parseFloat(percent)).toBeGreaterThan(least - 1);
      expect(Number.parseFloat(percent)).toBeLessThan(most + 1);
      expect(toldPids).toBe(pids);
    },
  );
  vm.check(
    "block I/O is the group's, what it wrote",
    `written() { value held io.stat | tr ' ' '\\n' | sed -n 's/^wbytes=//p' | { sum=0; while read -r each; do sum=$((sum + each)); done; echo $sum; }; }
proa exec held dd if=/dev/zero of=/w bs=1M count=8 conv=fsync 2>/dev/null; written; proa stats --no-stream --format '{{.BlockIO}}' held; written`,
    ({ stdout }) => {
      const [before, told = "", after] = linesOf(stdout);
      const [, number, unit = ""] = /^[\d.]+[kM]?B \/ ([\d.]+)(k|M)?B$/.exec(told) ?? [];
      const bytes = Number(number) * (unit === "M" ? 1e6 : unit === "k" ? 1e3 : 1);
      expect(Number(before)).toBeGreaterThan(4e6);
      expect(bytes).toBeGreaterThan(Number(before) * 0.99); // three digits are told
      expect(bytes).toBeLessThan(Number(after) * 1.01);
    },
  );
  vm.check(
    "CPU is what the group has used meanwhile",
    // Its share since the start, which was between the two times before, when there was something of it to be seen.
    `now() { echo \${EPOCHREALTIME/./}; }; used() { sed -n 's/^usage_usec //p' cpu.stat; }
from=$(now); proa run -d --network none --name spin --cpus 0.5 tiny sh -c 'while :; do :; done' | remember spin; to=$(now); cd $(cgroup spin)
until_true eval '[ $(used) -gt 1000000 ]'
echo "$from $to $(now) $(used)"; proa stats --no-stream --format '{{.CPUPerc}}' spin; echo "$(now) $(used)"; proa rm -f -t 0 spin >/dev/null`,
    ({ stdout }) => {
      const [before = "", told = "", after = ""] = linesOf(stdout);
      const [from = 0, to = 0, firstAt = 0, firstUsed = 0] = before.split(" ").map(Number);
      const [lastAt = 0, lastUsed = 0] = after.split(" ").map(Number);
      expect(told).toMatch(/^[\d.]+%$/);
      expect(firstUsed).toBeGreaterThan(1e6);
      expect(Number.parseFloat(told)).toBeGreaterThan((firstUsed / (lastAt - from)) * 99);
      expect(Number.parseFloat(told)).toBeLessThan((lastUsed / (firstAt - to)) * 101);
      expect(Number.parseFloat(told)).toBeLessThan(70);
    },
  );
  vm.check(
    "network I/O is there for a container on a bridge, and all of it as JSON",
    `proa stats --no-stream --format '{{json .}}' held`,
    ({ stdout }) => {
      const told = JSON.parse(stdout);
      expect(Object.keys(told).sort()).toEqual(
        expect.arrayContaining([
          "BlockIO",
          "CPUPerc",
          "Container",
          "ID",
          "MemPerc",
          "MemUsage",
          "Name",
          "NetIO",
          "PIDs",
        ]),
      );
      expect(told.NetIO).toMatch(/B \/ /);
    },
  );
  vm.check(
    "top shows the processes of the group",
    `proa run -d --network none --pid host --name topped tiny sh -c 'setsid sleep 6666 & exec sleep 6667' >/dev/null; until_true count_is 2 '^sleep 666'; proa top topped -eo pid,args | grep -c '[s]leep 666'; proa rm -f -t 0 topped >/dev/null`,
    ({ stdout }) => expect(stdout).toBe("2\n"),
  );
  vm.check(
    "counting begins anew with each start",
    `proa run -d --network none --name anew tiny sh -c 'test -e /worked || { head -c 10000000 /dev/zero | md5sum; touch /worked; }; echo ready; exec sleep 1000' | remember anew
until_true sh -c 'proa logs anew | grep -q ready'; first=$(value anew cpu.stat | sed -n 's/^usage_usec //p')
proa stop -t 0 anew >/dev/null; proa start anew >/dev/null
until_true sh -c '[ $(proa logs anew | grep -c ready) = 2 ]'; second=$(value anew cpu.stat | sed -n 's/^usage_usec //p')
[ "$second" -lt "$first" ] && echo anew || echo "$first, then $second"; proa rm -f -t 0 anew >/dev/null`,
    ({ stdout }) => expect(stdout).toBe("anew\n"),
  );
});
