/** The group that a container gets: systemd's scope, a delegated directory, or none. */
import { expect } from "bun:test";
import { useVm } from "../harness";

const vm = useVm();
const linesOf = (stdout: string) => stdout.trimEnd().split("\n");
const NOTHING_LEFT = "nothing_left";
const nothingLeft = { stdout: "", stderr: "" };

vm.describe("the scope", () => {
  vm.check(
    "is named after the container, belongs to the user's manager, and is delegated",
    `id=$(proa run -d --network none --name web tiny sleep 1000); [ "$(scopes | cut -d ' ' -f 1)" = "proa-$id.scope" ] && echo named
systemctl --user show -p Delegate,ActiveState,CollectMode "proa-$id.scope" | sort
case $(cgroup web) in /sys/fs/cgroup/user.slice/user-1001.slice/user@1001.service/*/proa-$id.scope/container) echo placed ;; *) cgroup web ;; esac`,
    ({ stdout }) =>
      expect(linesOf(stdout)).toEqual([
        "named",
        "ActiveState=active",
        "CollectMode=inactive-or-failed",
        "Delegate=yes",
        "placed",
      ]),
  );
  vm.check(
    "says what it is to those who list units",
    `scopes -o json | head -c 2000; systemctl --user show -p Description --value "$(scopes | cut -d ' ' -f 1)"`,
    ({ stdout }) => expect(stdout).toMatch(/proa|web/),
  );
  vm.check(
    "has the supervisor beside the container, in groups of their own",
    `group=$(cgroup web); wc -l <$group/cgroup.procs; wc -l <\${group%/container}/supervisor/cgroup.procs; cat \${group%/container}/cgroup.procs; proa inspect -f '{{.State.Pid}}' web | cmp - $group/cgroup.procs && echo same`,
    ({ stdout }) => expect(stdout).toBe("1\n1\nsame\n"),
  );
  vm.check(
    "goes with the end of the container",
    `proa stop -t 0 web >/dev/null; ${NOTHING_LEFT}`,
    ({ stdout, stderr }) => expect({ stdout, stderr }).toEqual(nothingLeft),
  );
  vm.check(
    "leaves nobody of those who had the kernel make ready for it, and moves nobody else",
    `before=$(cat /proc/$$/cgroup); proa run --network none --name front tiny sleep 1000 & front=$!
until_true sh -c '[ "$(proa inspect -f {{.State.Running}} front 2>/dev/null)" = true ]'; until_true count_is 0 '^proa-hasten'
ps -o stat= --ppid $front | grep -c Z; ps -o stat= --ppid $(ps -o ppid= -p $(proa inspect -f '{{.State.Pid}}' front)) | grep -c Z
[ "$(cat /proc/$$/cgroup)" = "$before" ] && echo stayed; proa rm -f -t 0 front; wait; ${NOTHING_LEFT}`,
    ({ stdout, stderr }) =>
      expect({ stdout, stderr }).toEqual({ stdout: "0\n0\nstayed\nfront\n", stderr: "" }),
  );
  vm.check(
    "is there again after start, and goes with rm -f",
    `proa start web >/dev/null; scopes | wc -l; proa rm -f -t 0 web; ${NOTHING_LEFT}`,
    ({ stdout, stderr }) => expect({ stdout, stderr }).toEqual({ stdout: "1\nweb\n", stderr: "" }),
  );
  vm.check(
    "serves the next life of a container that starts again",
    `proa run -d --network none --restart always -m 32m --name again tiny sh -c 'sleep 1; exit 3' >/dev/null
until_true sh -c '[ "$(proa inspect -f "{{.RestartCount}}" again)" -ge 2 ]'; scopes | wc -l; until_true eval 'max=$(cat /sys/fs/cgroup/user.slice/user-1001.slice/user@1001.service/app.slice/proa-*.scope/container/memory.max)'; echo $max; proa rm -f -t 0 again; ${NOTHING_LEFT}`,
    ({ stdout, stderr }) =>
      expect({ stdout, stderr }).toEqual({ stdout: "1\n33554432\nagain\n", stderr: "" }),
  );
  vm.check(
    "is in the slice that --cgroup-parent names",
    `proa run -d --network none --cgroup-parent mine.slice --name sliced tiny sleep 1000 | remember sliced; cgroup sliced | grep -c '/mine.slice/proa-'
proa inspect -f '{{.HostConfig.CgroupParent}}' sliced; proa rm -f -t 0 sliced; ${NOTHING_LEFT}`,
    ({ stdout, stderr }) =>
      expect({ stdout, stderr }).toEqual({ stdout: "1\nmine.slice\nsliced\n", stderr: "" }),
  );
  vm.check(
    "is not made with --cgroups disabled",
    `proa run -d --network none --cgroups disabled --name without tiny sleep 1000 >/dev/null; scopes; proa inspect -f '{{.State.Status}}' without
proa pause without >/dev/null && proa inspect -f '{{.State.Status}}' without; proa unpause without >/dev/null; proa stats --no-stream --format '{{.PIDs}}' without; proa rm -f -t 0 without`,
    ({ stdout, stderr }) => {
      expect(stdout).toBe("running\npaused\n1\nwithout\n");
      expect(stderr).toMatch(/^Warning: .* without a control group of their own.*\n$/);
    },
  );
  vm.check(
    "holds the container alone with --cgroups no-conmon",
    `proa run -d --network none --cgroups no-conmon -m 48m --name alone tiny sleep 1000 | remember alone; value alone memory.max; proa rm -f -t 0 alone; ${NOTHING_LEFT}`,
    ({ stdout, stderr }) => expect({ stdout, stderr }).toEqual({ stdout: "50331648\nalone\n", stderr: "" }),
  );
});

vm.describe("a delegated directory", () => {
  // what a login without systemd would have: a group that was handed to the user, here by a scope of systemd's
  const inside = (script: string) => `systemd-run --user --scope --quiet -p Delegate=yes bash -c '
. /job/prelude.sh; own=/sys/fs/cgroup$(cut -d: -f3 </proc/self/cgroup); mkdir $own/shell; echo $$ >$own/shell/cgroup.procs; for each in cpu cpuset io memory pids; do echo +$each >$own/cgroup.subtree_control; done
${script}'`;
  vm.check(
    "serves --cgroup-manager cgroupfs without asking the bus",
    inside(`proa --cgroup-manager cgroupfs run -d --network none -m 32m --pids-limit 20 --name fs tiny sleep 1000 | remember fs; value fs memory.max; value fs pids.max; case $(cgroup fs) in */proa-*.scope/*) cgroup fs;; */user@1001.service/*proa-*/container) echo placed;; *) cgroup fs; esac
scopes; proa pause fs; proa unpause fs; proa update -m 48m fs; value fs memory.max; proa exec fs cat /proc/self/cgroup; group=$(cgroup fs); proa rm -f -t 0 fs; [ -e $group ] && echo left; ls -d $own/proa-* 2>/dev/null`),
    ({ stdout, stderr }) =>
      expect({ stdout, stderr }).toEqual({
        stdout: "33554432\n20\nplaced\nfs\nfs\nfs\n50331648\n0::/\nfs\n",
        stderr: "",
      }),
  );
  for (const map of ["keep-id --user root", "auto"])
    vm.check(
      `takes what exec and health checks start, where its group was given to the root of --userns ${map}`,
      inside(`proa --cgroup-manager cgroupfs run -d --network none --userns ${map} --privileged --health-cmd "cat /proc/self/cgroup" --health-interval 1h --name given tiny sleep 1000 | remember given; group=$(cgroup given)
[ $(stat -c %u $group/cgroup.procs) = $(id -u) ] || echo given; proa exec given cat /proc/self/cgroup; proa exec -d given sleep 4446; wc -l <$group/cgroup.procs
proa healthcheck run given; echo $?; proa rm -f -t 0 given; [ -e $group ] && echo left`),
      ({ stdout, stderr }) => {
        expect(stdout).toMatch(/^given\n0::\/\n2\n(.*\n)*0\ngiven\n$/);
        expect(stderr).toBe("");
      },
    );
  vm.check(
    "kills what is too big there, too",
    inside(
      `proa --cgroup-manager cgroupfs run --rm --network none -m 32m tiny dd if=/dev/zero of=/dev/null bs=64M count=1; echo $?; ls -d $own/proa-* 2>/dev/null`,
    ),
    ({ stdout }) => expect(stdout).toBe("137\n"),
  );
  vm.check(
    "is cleared by the next command after kill -9 of the supervisor",
    inside(`proa --cgroup-manager cgroupfs run -d --network none --name fs tiny sleep 4445 >/dev/null; group=$(cgroup fs); kill -9 $(ps -o ppid= -p $(proa inspect -f "{{.State.Pid}}" fs)); until_true count_is 0 "^sleep 4445"
proa rm -f fs; [ -e $group ] && echo left; ls -d $own/proa-* 2>/dev/null`),
    ({ stdout }) => expect(stdout).toBe("fs\n"),
  );
  vm.check(
    "is divided by --cgroups split",
    `systemd-run --user --scope --quiet -p Delegate=yes bash -c '. /job/prelude.sh; own=/sys/fs/cgroup$(cut -d: -f3 </proc/self/cgroup); proa run --network none --cgroups split -m 32m --name halves tiny sleep 1000 & 
until_true sh -c "[ \\"\\$(proa inspect -f {{.State.Running}} halves 2>/dev/null)\\" = true ]"; value halves memory.max; case $(cgroup halves) in $own/*) echo placed;; *) cgroup halves; esac; proa rm -f -t 0 halves; wait'`,
    ({ stdout, stderr }) =>
      expect({ stdout, stderr }).toEqual({ stdout: "33554432\nplaced\nhalves\n", stderr: "" }),
  );
  vm.check(
    "is not to be had in a login session: a warning that names what would help, and the container runs",
    `proa --cgroup-manager cgroupfs run --rm --network none tiny echo ran; echo $?; proa --cgroup-manager cgroupfs run --rm --network none -m 32m tiny echo ran; echo $?`,
    ({ stderr }) => expect(stderr).toMatch(/memory|control group/),
  );
});
