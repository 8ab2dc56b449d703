# Makes a minimal Debian in a chroot, for scripts/test-suite and
# scripts/test-fresh. This file is sourced, not run. Needs root.
#
# Rules: the chroot uses the package sources, the proxies, the settings of npm
# and the extra certificates of this machine, and nothing else of it. No
# service starts. At the exit the processes in the chroot are killed, the
# mounts are removed, and the folder is deleted.

# machine_sources CODENAME: prints this machine's sources of that release of
# Debian, with its updates, as lines "URI SUITE COMPONENT".
machine_sources() {
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
		'Created-By: Packages' 'Origin: Debian' | sort -u |
		grep -E "^[^ ]+ $1(-updates|-security)? "
}

# copy_in FILE...: copies files and folders to the same place in the chroot.
# A file that does not exist here is left out.
copy_in() {
	for file; do
		[ -e "$file" ] || continue
		mkdir -p "$chroot${file%/*}"
		cp -RLp "$file" "$chroot${file%/*}/"
	done
}

# Copies the settings with which apt and npm reach their servers through the
# same proxies and with the same certificates as on this machine. Debian's npm
# reads /etc/npmrc and ~/.npmrc, whatever files the npm of this machine reads.
copy_network_settings() {
	apt-config dump Acquire >"$chroot/etc/apt/apt.conf.d/99machine"
	copy_in /etc/apt/auth.conf /etc/apt/auth.conf.d /etc/apt/trusted.gpg.d \
		/usr/local/share/ca-certificates "${NODE_EXTRA_CA_CERTS:-}" \
		"${npm_config_cafile:-}"
	cat /etc/npmrc /usr/etc/npmrc /usr/local/etc/npmrc \
		"${npm_config_globalconfig:-/dev/null}" \
		2>/dev/null >"$chroot/etc/npmrc" || :
	cat "${npm_config_userconfig:-$HOME/.npmrc}" \
		2>/dev/null >"$chroot/root/.npmrc" || :
	for file in $(sed -n 's/^cafile *= *"\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' \
		"$chroot/etc/npmrc" "$chroot/root/.npmrc" | sort -u); do
		copy_in "$file"
	done
}

# Prints the ids of the processes that run in the chroot.
chroot_processes() {
	for process in /proc/[0-9]*; do
		if [ "$(readlink "$process/root" 2>/dev/null)" = "$chroot" ]; then
			echo "${process#/proc/}"
		fi
	done
}

remove_chroot() {
	for attempt in 1 2 3 4 5 6 7 8 9 10; do
		processes=$(chroot_processes)
		[ -n "$processes" ] || break
		kill -KILL $processes 2>/dev/null || :
		sleep 0.5
	done
	umount "$chroot/proc" "$chroot/dev/shm" "$chroot/dev/pts" 2>/dev/null || :
	if grep -q " $chroot/" /proc/mounts; then
		echo "still mounted, so kept: $chroot" >&2
	else
		rm -rf --one-file-system "$chroot"
	fi
}

# Installs debootstrap on this machine unless it is there, and fetches the lists
# of packages if machine_sources does not find any.
install_debootstrap() {
	codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
	if ! command -v debootstrap >/dev/null ||
		[ -z "$(machine_sources "$codename")" ]; then
		apt-get update >&2
		apt-get install -y --no-install-recommends debootstrap >&2
	fi
}

# make_chroot SUITE: makes the chroot, sets the variable chroot to its folder,
# and sets the traps that remove it. Exits with status 3 if the suite cannot be
# made today, or its PostgreSQL cannot be installed: a suite that changes every
# day has such days.
make_chroot() {
	[ "$(id -u)" = 0 ] || { echo "a chroot needs root" >&2; exit 1; }
	install_debootstrap
	mirror=$(machine_sources "$codename" | sed -n "s/ $codename main$//p" |
		head -n 1)
	[ -n "$mirror" ] ||
		{ echo "no package source for $codename" >&2; exit 1; }

	# /tmp may be in memory, or mounted without devices and set-uid.
	chroot=$(mktemp -d /var/tmp/session-chroot.XXXXXX)
	chmod 755 "$chroot"
	trap remove_chroot EXIT
	trap 'exit 1' HUP INT TERM
	# A suite that is newer than debootstrap is made like sid.
	script=
	[ -e "/usr/share/debootstrap/scripts/$1" ] || script=sid
	debootstrap --variant=minbase "$1" "$chroot" "$mirror" $script \
		>"$chroot.log" 2>&1 ||
		{ cat "$chroot.log" >&2; rm -f "$chroot.log"; exit 3; }
	rm -f "$chroot.log"
	printf '#!/bin/sh\nexit 101\n' >"$chroot/usr/sbin/policy-rc.d"
	chmod +x "$chroot/usr/sbin/policy-rc.d"
	# The chroot need not survive a crash, and the installation needs no terminal.
	echo force-unsafe-io >"$chroot/etc/dpkg/dpkg.cfg.d/session"
	# A mirror may be some days behind a suite that changes every day.
	printf '%s\n' 'Dpkg::Use-Pty "false";' \
		'Acquire::Check-Valid-Until "false";' \
		>"$chroot/etc/apt/apt.conf.d/99session"
	mount -t proc proc "$chroot/proc"
	mount -t tmpfs tmpfs "$chroot/dev/shm"
	mkdir -p "$chroot/dev/pts"
	mount -t devpts -o newinstance,ptmxmode=666 devpts "$chroot/dev/pts"
	ln -sf pts/ptmx "$chroot/dev/ptmx"

	# Write the file as Debian's installer does: localhost has an address of
	# each family.
	printf '%s\n' '127.0.0.1 localhost' "127.0.1.1 $(uname -n)" \
		'::1 localhost ip6-localhost ip6-loopback' >"$chroot/etc/hosts"
	if [ "$1" = "$codename" ]; then
		machine_sources "$1" | sed 's/^/deb /' \
			>"$chroot/etc/apt/sources.list"
	fi
	copy_network_settings
	in_chroot apt-get update >/dev/null &&
		in_chroot apt-get install -s --no-install-recommends postgresql \
			postgresql-server-dev-all >/dev/null || exit 3
}

# in_chroot COMMAND...: runs the command as root with the environment of a
# fresh machine, with the proxies and the settings of npm of this one, and with
# FUZZ_SECONDS if that is set.
in_chroot() {
	(
		for name in $(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p'); do
			case $name in
				npm_config_userconfig | npm_config_globalconfig)
					unset "$name" ;;
				npm_config_* | NPM_CONFIG_* | NODE_EXTRA_CA_CERTS) ;;
				http_proxy | https_proxy | no_proxy) ;;
				HTTP_PROXY | HTTPS_PROXY | NO_PROXY) ;;
				FUZZ_SECONDS | TERM) ;;
				*) unset "$name" 2>/dev/null || : ;;
			esac
		done
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
		HOME=/root
		export PATH HOME
		cd /
		chroot "$chroot" "$@"
	)
}
