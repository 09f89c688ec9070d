#!/bin/sh
# Runs as process 1 in a node's fresh namespaces: puts its file system together, goes into it and becomes its init.
# Usage: boot.sh NODE_DIRECTORY LOWER TMP_KIB PYTHON_PREFIX
set -eu
node=$1 lower=$2 tmp_kib=$3 python=$4
root=$node/root

if [ -e "$node/mtd/fresh" ]; then
	rm -rf "$node/flash" "$node/work" "$node/mtd/fresh"
	mkdir "$node/flash" "$node/work"
	[ -e "$node/mtd/sysupgrade.tgz" ] && tar -C "$node/flash" -xzf "$node/mtd/sysupgrade.tgz"
	rm -f "$node/mtd/sysupgrade.tgz"
fi
mount -t overlay lab -o "lowerdir=$lower,upperdir=$node/flash,workdir=$node/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount --bind "$node/boot_id" "$root/proc/sys/kernel/random/boot_id"
mount --bind "$node/meminfo" "$root/proc/meminfo"
mount --bind "$node/mtd" "$root/mtd"
mount -t tmpfs -o "size=${tmp_kib}k,mode=1777" tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
for device in "null 1 3" "zero 1 5" "random 1 8" "urandom 1 9" "tty 5 0"; do
	# shellcheck disable=SC2086
	set -- $device
	mknod -m 666 "$root/dev/$1" c "$2" "$3"
done
# What is known of interfaces, as sysfs has it; a radio shows its phy there, which a wire does not.
mount -t tmpfs -o mode=755 tmpfs "$root/sys/class/net"
interface() {
	mkdir "$root/sys/class/net/$1"
	for about in address carrier ifindex operstate speed statistics; do
		ln -s "/sys/devices/virtual/net/$1/$about" "$root/sys/class/net/$1/$about"
	done
}
interface lo
interface br-lan
while read -r ifname mac band rest; do
	interface "$ifname"
	[ "$band" = wired ] || mkdir "$root/sys/class/net/$ifname/phy80211"
done < "$node/mtd/links"
for path in /usr/lib $python; do
	mount --bind "$path" "$root$path"
	mount -o remount,ro,bind "$root$path"
done
cd "$root"
pivot_root . mnt
exec chroot . /bin/sh -c 'umount -l /mnt; exec /sbin/init < /dev/null > /tmp/init.log 2>&1'
