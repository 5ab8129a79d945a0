/** What is left of a container's scope, and what is said, where something goes wrong: nothing, and the truth. */
import { expect } from "bun:test";
import { useVm } from "../harness";

const vm = useVm({
  prelude: "mkdir -p hasty; echo 'cgroup-manager-timeout = 3' >hasty/config.toml", // for a manager that is not going to answer
});
const linesOf = (stdout: string) => stdout.trimEnd().split("\n");
const NOTHING_LEFT = "nothing_left";
const nothingLeft = { stdout: "", stderr: "" };

vm.describe("the scope, where something goes wrong", () => {
  vm.check(
    "a program that is not there leaves none",
    `proa run --network none --name bad tiny /no/such; echo $?; proa rm bad >/dev/null; ${NOTHING_LEFT}`,
    ({ stdout }) => expect(stdout).toBe("127\n"),
  );
  vm.check(
    "kill -9 of the supervisor ends the container and leaves none",
    `proa run -d --network none --pid host --name killed tiny sh -c 'setsid sleep 4441 & exec sleep 4442' | remember killed; group=$(cgroup killed); until_true count_is 2 '^sleep 444'
kill -9 $(cat \${group%/container}/supervisor/cgroup.procs); proa inspect -f '{{.State.Status}}' killed; until_true count_is 0 '^sleep 444'; ps -u alice -o args | grep '^sleep 444'
proa rm -f killed; ${NOTHING_LEFT}`,
    ({ stdout, stderr }) => expect({ stdout, stderr }).toEqual({ stdout: "exited\nkilled\n", stderr: "" }),
  );
  vm.check(
    "kill -9 between the scope and the start leaves none, and the next command sees it",
    `for wait in 0 0.05 0.2; do
  proa run -d --network none --name cut tiny sleep 4443 >/dev/null 2>&1 &
  until dir=$(find /sys/fs/cgroup/user.slice/user-1001.slice/user@1001.service -name 'proa-*.scope' | grep .); do kill -0 $! 2>/dev/null || break; done
  sleep $wait; pids=$(cat $dir/cgroup.procs $dir/supervisor/cgroup.procs 2>/dev/null | grep -v '^0'); [ "$pids" ] && kill -9 $pids; wait $!
  until_true count_is 0 '^sleep 4443'; proa rm -f cut >/dev/null 2>&1; proa ps -aq
done; ${NOTHING_LEFT}`,
    ({ stdout, stderr }) => expect({ stdout, stderr }).toEqual(nothingLeft),
    300,
  );
  vm.check(
    "a scope of that name belongs to somebody else: the container gets one of another name",
    `id=$(proa create --network none --name taken tiny sleep 1000); systemd-run --user --scope --quiet --unit=proa-$id.scope sleep 4444 &
until_true systemctl --user is-active proa-$id.scope; proa start taken; echo $?; cgroup taken | grep -c "/proa-$id.scope/"; cgroup taken | grep -c "/proa-$id.*.scope/"
ps -u alice -o args | grep -c 'sleep 4444$'; systemctl --user stop proa-$id.scope; proa rm -f -t 0 taken; ${NOTHING_LEFT}`,
    ({ stdout, stderr }) =>
      expect({ stdout, stderr }).toEqual({ stdout: "taken\n0\n0\n1\n1\ntaken\n", stderr: "" }),
  );
  vm.check(
    "a controller that is taken away while it runs: stats, inspect, exec and the end give clear answers, and an update brings it back",
    `proa run -d --network none -m 64m --name robbed tiny sleep 1000 | remember robbed; group=$(cgroup robbed); echo -memory >\${group%/container}/cgroup.subtree_control; ls $group | grep -c '^memory.max'
proa stats --no-stream --format '{{.Name}} {{.PIDs}}' robbed; proa inspect -f '{{.State.Status}}' robbed; proa update -m 32m robbed; echo $?; value robbed memory.max; proa exec robbed echo inside; proa rm -f -t 0 robbed; ${NOTHING_LEFT}`,
    ({ stdout, stderr }) => {
      expect(linesOf(stdout)).toEqual([
        "0",
        "robbed 1",
        "running",
        "robbed",
        "0",
        "33554432",
        "inside",
        "robbed",
      ]);
      expect(stderr).toBe("");
    },
  );
  vm.check(
    "the bus is gone: one warning for a limit, and the container runs",
    `mv /run/user/1001/bus /run/user/1001/bus.away; proa run --rm --network none -m 32m tiny echo ran; echo $?; proa run --rm --network none tiny echo plain; mv /run/user/1001/bus.away /run/user/1001/bus`,
    ({ stdout, stderr }) => {
      expect(stdout).toBe("ran\n0\nplain\n");
      expect(linesOf(stderr).filter((line) => /memory/.test(line))).toHaveLength(1);
    },
  );
  vm.check(
    "the bus is gone: --cgroup-manager systemd is an error",
    `mv /run/user/1001/bus /run/user/1001/bus.away; proa --cgroup-manager systemd run --rm --network none -m 32m tiny echo ran; echo $?; mv /run/user/1001/bus.away /run/user/1001/bus; ${NOTHING_LEFT}`,
    ({ stdout, stderr }) => {
      expect(stdout).toBe("125\n");
      expect(stderr).toMatch(/bus|systemd/);
    },
  );
  vm.check(
    "nobody listens at the bus",
    `mv /run/user/1001/bus /run/user/1001/bus.away; proa version >/dev/null; perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => "/run/user/1001/bus", Listen => 1)'
proa run --rm --network none -m 32m tiny echo ran; echo $?; rm -f /run/user/1001/bus; mv /run/user/1001/bus.away /run/user/1001/bus`,
    ({ stdout, stderr }) => {
      expect(stdout).toBe("ran\n0\n");
      expect(stderr).toMatch(/warning/i);
    },
  );
  vm.check(
    "a bus that does not answer is not waited for for long",
    `bus=$(pgrep -u alice -x dbus-daemon | head -n 1); kill -STOP $bus; SECONDS=0; proa --config hasty run --rm --network none -m 32m tiny echo ran; echo $?; [ $SECONDS -lt 60 ] && echo soon; kill -CONT $bus; ${NOTHING_LEFT}`,
    ({ stdout, stderr }) => {
      expect(stdout).toBe("ran\n0\nsoon\n");
      expect(stderr).toMatch(/warning/i);
    },
  );
  vm.check(
    "a manager that answers late leaves no scope behind when it does",
    // Who asks it something when it goes on is answered after what was asked before.
    `manager=$(systemctl show -p MainPID --value user@1001.service); kill -STOP $manager; SECONDS=0; proa --config hasty run --rm --network none -m 32m tiny echo ran; echo $?; [ $SECONDS -lt 60 ] && echo soon
kill -CONT $manager; systemctl --user show-environment >/dev/null; ${NOTHING_LEFT}`,
    ({ stdout, stderr }) => {
      expect(stdout).toBe("ran\n0\nsoon\n");
      expect(stderr).toMatch(/warning/i);
    },
  );
  vm.check(
    "a manager that answers late finds nobody whom it could move: the container runs on without a scope, as it says",
    `manager=$(systemctl show -p MainPID --value user@1001.service); kill -STOP $manager; proa --config hasty run -d --network none -m 32m --name late tiny sleep 1000 2>late.err | remember late; cat late.err
kill -CONT $manager; systemctl --user show-environment >/dev/null; ${NOTHING_LEFT}; echo "group: $(cgroup late)"
proa exec late echo inside; proa inspect -f '{{.State.Status}}' late; proa stop -t 0 late; proa start late; value late memory.max; proa rm -f -t 0 late; ${NOTHING_LEFT}`,
    ({ stdout, stderr }) => {
      const lines = linesOf(stdout);
      expect(lines.filter((line) => /^warning/i.test(line)).join()).toMatch(/no answer in 3 s/);
      expect(lines.filter((line) => !/^warning/i.test(line))).toEqual([
        "group: ",
        "inside",
        "running",
        "late",
        "late",
        "33554432",
        "late",
      ]);
      expect(stderr).toBe("");
    },
  );
  vm.check(
    "six containers at once have each a scope of their own",
    `for i in 1 2 3 4 5 6; do proa run -d --network none -m 32m --name many$i tiny sleep 1000 | remember many$i & done; wait; scopes | wc -l
for i in 1 2 3 4 5 6; do value many$i memory.max; done | sort | uniq -c | tr -s ' '; proa rm -f -t 0 $(proa ps -aq) >/dev/null; ${NOTHING_LEFT}`,
    ({ stdout, stderr }) => expect({ stdout, stderr }).toEqual({ stdout: "6\n 6 33554432\n", stderr: "" }),
    300,
  );
});
