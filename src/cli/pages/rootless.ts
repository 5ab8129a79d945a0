/** The text of proa-rootless(7). */
export const rootlessMarkup = `
# DESCRIPTION

proa runs with the rights of the user who types its commands, and never asks for more. There is no daemon, no group that is as good as root, and nothing to start
before the first container. This page says what that rests on, what the machine has to have, and what cannot be had so.

# IDS

Each container has a user namespace. Its root is the user; its other ids are the subordinate ones that \`/etc/subuid\` and \`/etc/subgid\` grant to the user, one
line each:

    alice:100000:65536

Id 0 inside is alice outside, id 1 inside is 100000, and so on. The programs \`newuidmap\` and \`newgidmap\` of the distribution (package uidmap) write that map: they
are the only privileged ones that take part. Where they or the lines are missing, containers have one id, a warning says so, and images whose files
belong to several owners have them all belong to root. To get a range, as root:

    usermod --add-subuids 100000-165535 --add-subgids 100000-165535 alice

\`proa run --userns\` has other maps: \`keep-id\` gives the user the same number inside as outside, which suits directories that are mounted; \`auto\` gives each container a
range of its own, so that no two share ids; \`nomap\` leaves the user out of it; \`--uidmap\` and \`--gidmap\` write it out.

# FILES

Images, containers and volumes lie in \`$XDG_DATA_HOME/proa\` (\`~/.local/share/proa\`). Files that a container makes as another user than root belong to a
subordinate id, which the user can neither change nor remove from outside. Inside of the map they can:

    proa unshare rm -rf ~/data

The store cannot lie on NFS and other file systems that do not keep foreign owners.

A directory that is mounted with \`-v\` shows its owners through the map: what belongs to the user is root's inside. The option \`:U\` changes the owners to those of the
container's user; \`--userns=keep-id\` avoids the question.

Layers are put on top of each other by the kernel's overlay file system, which an ordinary user may mount since Linux 5.11; where that is refused fuse-overlayfs
takes its place where it is installed, and else layers are copied (vfs). \`proa info\` names the driver and the reason.

# NETWORKS

Containers have addresses, reach the world and publish ports without a privilege; see proa-networks(7). Ports below
\`net.ipv4.ip_unprivileged_port_start\` (1024) need the administrator's leave. So does ping outside of \`net.ipv4.ping_group_range\`.

# LIMITS OF MEMORY, CPU AND PROCESSES

They are the kernel's control groups, which an ordinary user has where systemd hands them down (version 2, a session of the user's or lingering). It hands down memory and
pids, newer versions also cpu; the administrator adds the others in \`/etc/systemd/system/user@.service.d/delegate.conf\`:

    [Service]
    Delegate=cpu cpuset io memory pids

Where a limit cannot be had, the container starts without it and a warning says so.

# THE END OF A SESSION

systemd ends what a user runs when the last session of theirs ends, containers too, unless the user lingers:

    loginctl enable-linger

\`proa system enable\` has containers with a restart policy start at boot, with lingering, or at log-in without it. Without systemd a line in crontab(1) does:

    @reboot proa system boot

# WHAT THE HOST MUST ALLOW

: Linux 5.12 or newer
  with user namespaces, overlay and seccomp.

: \`kernel.unprivileged_userns_clone\`, \`user.max_user_namespaces\`
  Some distributions forbid user namespaces by these settings of sysctl(8): the first is 1 and the second above 0 where they are allowed.

: \`kernel.apparmor_restrict_unprivileged_userns\`
  Ubuntu lets only programs with a profile of AppArmor use them. The administrator writes one for proa, or sets it to 0.

: \`/dev/net/tun\`, \`/dev/fuse\`
  Only slirp4netns and pasta need the first, fuse-overlayfs the second.

# WHAT IS NOT POSSIBLE

: a privilege on the host
  \`--privileged\` and \`--cap-add\` give capabilities over the container's own namespaces. No container loads kernel modules, sets the clock, or opens a device that its
  user may not open.

: networks on the host's own interfaces
  macvlan, ipvlan, and bridges that other programs of the host are on.

: mounting block devices
  Only file systems that the kernel trusts an ordinary user with: overlay, tmpfs, proc, sysfs, FUSE.

: checkpoints
  CRIU needs rights that an ordinary user has not.

# PROA AS ROOT

Started as root, proa still makes a user namespace, from the subordinate ids of root: no process of a container is the host's root. Its files are
in \`/var/lib/proa\`, \`/run/proa\`, \`/etc/proa\` and \`/var/cache/proa\`. An ordinary user needs none of that.

# SEE ALSO

\`proa\`(1), \`proa-info\`(1), \`proa-run\`(1), \`proa-unshare\`(1), \`proa-networks\`(7), \`subuid\`(5), \`user_namespaces\`(7), \`loginctl\`(1)
`;
