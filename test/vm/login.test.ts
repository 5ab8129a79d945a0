/** Sessions, lingering, controllers that are not delegated: what the system decides, and how it is told. */
import { expect } from "bun:test";
import { useVm } from "../harness";
import { PATIENT } from "../harness/vm";

const vm = useVm({
  user: "root",
  // `session USER SCRIPT`: a login of that user, with a session of its own that ends with the script
  prelude: `cat >/usr/local/bin/session <<'END'
#!/bin/bash
exec systemd-run --quiet --pipe --wait --collect -p PAMName=login -p User=$1 -p 'WorkingDirectory=~' -E PATH=/job:/usr/local/bin:/usr/bin:/bin bash -c ". /job/prelude.sh; $2"
END
chmod 755 /usr/local/bin/session; chmod -R a+rX /job; mkdir -p -m 1777 /tmp/vm; chmod 1777 /tmp/vm
for user in alice bob; do session $user '${PATIENT}'; done; session alice 'proa load -q -i /job/image >/dev/null'`,
});
const linesOf = (stdout: string) => stdout.trimEnd().split("\n");

vm.describe("a container and the login that started it", () => {
  vm.check(
    "it lives on after the logout where the user lingers, and nothing is said",
    `session alice 'proa run -d --network none --name keep tiny sleep 3331 >/dev/null'; until_true eval '! loginctl list-sessions --no-legend | grep -q alice'; loginctl list-sessions --no-legend | grep -c alice; ps -u alice -o args | grep -c '^sleep 3331'
session alice 'proa inspect -f "{{.State.Status}}" keep; proa rm -f -t 0 keep'`,
    ({ stdout, stderr }) =>
      expect({ stdout, stderr }).toEqual({ stdout: "0\n1\nrunning\nkeep\n", stderr: "" }),
  );
  vm.check(
    "run -d says once what would let it live on where the user does not linger",
    `session bob 'proa load -q -i /job/image >/dev/null; proa run -d --network none --name brief tiny sh -c "trap exit 0 TERM; while :; do sleep 1; done" >/dev/null; ps -u bob -o args | grep -c "^sh -c trap"'`,
    ({ stdout, stderr }) => {
      expect(stdout).toBe("1\n");
      expect(linesOf(stderr).filter((line) => line.includes("loginctl enable-linger"))).toHaveLength(1);
    },
  );
  vm.check(
    "and it has ended with the session, which the next command sees",
    `until_true eval "! ps -u bob -o args | grep -q '^sh -c trap'"; ps -u bob -o args | grep '^sh -c trap'; session bob 'proa inspect -f "{{.State.Status}}" brief; proa rm brief; proa ps -aq' 2>/dev/null`,
    ({ stdout }) => expect(stdout).toBe("exited\nbrief\n"),
  );
  vm.check(
    "run in the foreground says nothing of it",
    `session bob 'proa run --rm --network none tiny echo ran'`,
    ({ stdout, stderr }) => expect({ stdout, stderr }).toEqual({ stdout: "ran\n", stderr: "" }),
  );
});

vm.describe("what the system gives", () => {
  vm.check(
    "info tells version, manager and controllers",
    `session alice 'proa info --format "{{.CgroupVersion}} {{.CgroupDriver}} {{.MemoryLimit}} {{.PidsLimit}} {{.CpuCfsQuota}} {{.CPUSet}}"; proa info' `,
    ({ stdout }) => {
      expect(linesOf(stdout)[0]).toBe("2 systemd true true true true");
      for (const line of [
        /^Cgroup Driver: +systemd$/m,
        /^Cgroup Version: +2$/m,
        /^Controllers: +cpu, cpuset, io, memory, pids$/m,
      ])
        expect(stdout).toMatch(line);
    },
  );
  vm.check("doctor finds nothing to complain of in them", `session alice 'proa doctor'`, ({ stdout }) =>
    expect(stdout).toMatch(/control groups|cgroup/i),
  );
  vm.check(
    "a controller that is not delegated: one warning for each option, which names it and the file that would, and the container runs",
    `rm -r /etc/systemd/system/user@.service.d; systemctl daemon-reload; systemctl restart user@1001
session alice 'proa run --name poor --network none --cpuset-cpus 0 --device-write-bps /dev/vda:1mb -m 64m tiny echo ran; echo $?; proa inspect -f "{{json .Warnings}}" poor' 2>err; cat err`,
    ({ stdout }) => {
      expect(linesOf(stdout).slice(0, 2)).toEqual(["ran", "0"]);
      for (const [option, controller] of [
        ["cpuset", "cpuset"],
        ["device-write-bps|throttle|io", "io"],
      ] as const) {
        const warnings = linesOf(stdout).filter(
          (line) => /^warning/i.test(line) && new RegExp(option).test(line) && line.includes(controller),
        );
        expect(warnings.length).toBeGreaterThan(0);
      }
      expect(stdout).toMatch(/Delegate=/);
    },
  );
  vm.check(
    "the limits that are to be had hold all the same",
    `session alice 'proa run --rm --network none -m 32m tiny dd if=/dev/zero of=/dev/null bs=64M count=1; echo $?'`,
    ({ stdout }) => expect(stdout).toBe("137\n"),
  );
  vm.check(
    "info and doctor name what is missing",
    `session alice 'proa info; proa doctor'`,
    ({ stdout, stderr }) => {
      expect(`${stdout}${stderr}`).toMatch(/cpuset/);
      expect(`${stdout}${stderr}`).toMatch(/Delegate=/);
    },
  );
  vm.check(
    "without a manager of the user's the containers run without limits, with a warning that names the command",
    `systemctl stop user@1001; mkdir -p /tmp/xdg; chown alice /tmp/xdg; chmod 700 /tmp/xdg
setpriv --reuid alice --regid alice --init-groups env HOME=/home/alice XDG_RUNTIME_DIR=/tmp/xdg PATH=/job:/usr/bin:/bin proa run --rm --network none -m 64m tiny echo ran 2>err; echo $?; cat err`,
    ({ stdout }) => {
      expect(linesOf(stdout).slice(0, 2)).toEqual(["ran", "0"]);
      expect(stdout).toMatch(/memory.*loginctl enable-linger|loginctl enable-linger/);
    },
  );
});
