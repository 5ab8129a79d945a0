# The one description of the virtual machine, for `build` and `run`. Sourced, with `set -euo pipefail` in force.
# shellcheck disable=SC2034 # what the two scripts use
# shellcheck shell=bash

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# KVM where this user may use it; emulated, programs run 5 to 20 times slower.
accel=${PROA_VM_ACCEL:-$([ -w /dev/kvm ] && echo kvm || echo tcg,thread=multi)}
machine_home=${XDG_CACHE_HOME:-$HOME/.cache}/proa-vm

# recipe: what the machine is made from, as a name: another recipe is another machine. A saved memory belongs to one QEMU and one accelerator.
recipe() {
	{
		qemu-system-x86_64 --version | head -n 1
		echo "$accel"
		cat "$here/build" "$here/machine.bash"
	} | sha256sum | cut -c1-16
}

# port NAME FILE: a virtio-serial port whose bytes the host finds in FILE
port() {
	machine+=(-chardev "file,id=$1,path=$2" -device "virtserialport,chardev=$1,name=$1")
}

# disk FILE OPTION
disk() { machine+=(-drive "if=virtio,format=raw,file=$1,$2"); }

# describe_machine IMAGES ROOT_DISK_OPTION DIR STDOUT STDERR: puts the command in the array `machine`. DIR holds the disks `job` and `work`,
# whose sizes must never change.
describe_machine() {
	local images=$1 root_option=$2 dir=$3 stdout=$4 stderr=$5
	machine=(qemu-system-x86_64 -machine q35 -accel "$accel" -cpu max -smp 2 -m 2G
		-nodefaults -no-user-config -display none -no-reboot
		-kernel "$images/vmlinuz" -initrd "$images/initrd"
		-append "quiet console=ttyS0 panic=-1 mitigations=off tsc=reliable systemd.getty_auto=no"
		-serial "file:$dir/console" -device virtio-rng-pci -device virtio-serial-pci)
	disk "$images/root.img" "$root_option"
	disk "$dir/job" readonly=on
	disk "$dir/work" snapshot=on
	port stdout "$stdout"
	port stderr "$stderr"
	port status "$dir/status"
}

job_disk() { truncate -s 1M "$1"; }

# work_disk FILE [DIR]: a file system that holds what DIR holds
work_disk() {
	truncate -s 8G "$1"
	mke2fs -q -F -t ext4 -O ^has_journal -E lazy_itable_init=1,nodiscard ${2:+-d "$2"} "$1"
}
