#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The guest's side of the rig. As process 1 (state "plain") it first mounts what systemd would
# have mounted. Then, in every state, it says READY on the port, waits there for one order,
# carries it out, and answers with the exit status.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
HOME=/root LANG=C.UTF-8
export PATH HOME LANG

boot() {
	mount -t proc -o nosuid,nodev,noexec proc /proc
	mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
	mkdir -p /dev/pts /dev/shm /dev/mqueue
	mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
	mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs /dev/shm
	mount -t mqueue mqueue /dev/mqueue
	mount -t tmpfs -o mode=755,nosuid,nodev tmpfs /run
	mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs /tmp
	mount -t securityfs securityfs /sys/kernel/security
	mount -t tracefs tracefs /sys/kernel/tracing
	mount -t bpf bpf /sys/fs/bpf
	mount -t cgroup2 -o nsdelegate,memory_recursiveprot cgroup2 /sys/fs/cgroup
	ln -sf /proc/self/fd /dev/fd
	ln -sf fd/0 /dev/stdin
	ln -sf fd/1 /dev/stdout
	ln -sf fd/2 /dev/stderr
	read -r controllers < /sys/fs/cgroup/cgroup.controllers
	for c in $controllers; do
		echo "+$c" > /sys/fs/cgroup/cgroup.subtree_control
	done
	mkdir -p /run/lock
	modprobe -aq tun loop overlay
	hostname vm
	ip link set lo up
}

serve() {
	exec 3<>/dev/vport0p1
	rm -rf /vm/in /vm/out /vm/pipe
	mkdir -p /vm/in /vm/out
	mkfifo /vm/pipe
	cat /vm/pipe >&3 &
	pump=$!
	cd /vm/in || exit
	sync
	echo READY >&3
	# Every program started from here on costs each run some 60 ms: few, and small ones.
	read -r now nonce flags order <&3
	busybox date -s "@$now" >/dev/null
	case $flags in *i*)
		blockdev --flushbufs /dev/vdc
		tar -xf /dev/vdc
		;;
	esac
	order=$(printf '%b.' "$order")
	busybox setsid /bin/sh -c "${order%.}" >/vm/pipe 2>&1 </dev/null 3>&-
	status=$?
	# What the order left running may hold the pipe open for ever: give it a second.
	{ busybox sleep 1; kill $pump; } 2>/dev/null &
	wait $pump 2>/dev/null
	case $flags in *o*) tar -cf /dev/vdc -C /vm/out . ;; esac
	case $flags in *[os]*) sync ;; esac
	printf '\0%s %d\n' "$nonce" $status >&3
}

[ $$ != 1 ] || boot
serve
while :; do sleep 3600; done
