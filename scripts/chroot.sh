# Makes a minimal Debian in a chroot, for scripts/test-suite and
# scripts/test-fresh; sourced, not run.  Needs root.
#
# Rules: the packages come from where this machine's own packages come from,
# npm's settings and extra certificates are those of this machine, and nothing
# else of it goes in.  No service starts.  At the exit the processes in the
# chroot are ended, what is mounted is unmounted, and the folder is removed.

# machine_sources CODENAME: this machine's sources of that release of Debian,
# with its updates, as lines "URI SUITE COMPONENT".
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

# What apt and npm need to reach their servers through the same proxies and
# with the same certificates as this machine.
copy_network_settings() {
	apt-config dump Acquire >"$chroot/etc/apt/apt.conf.d/99machine"
	copy_in /usr/local/share/ca-certificates "${NODE_EXTRA_CA_CERTS:-}" \
		"${npm_config_cafile:-}" "${npm_config_userconfig:-}" \
		"${npm_config_globalconfig:-}" /etc/npmrc /usr/etc/npmrc
	[ ! -e "$HOME/.npmrc" ] || cp -Lp "$HOME/.npmrc" "$chroot/root/.npmrc"
	for file in $(sed -n 's/^cafile *= *"\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' \
		/etc/npmrc /usr/etc/npmrc "$HOME/.npmrc" 2>/dev/null | sort -u); do
		copy_in "$file"
	done
	if [ -x "$chroot/usr/sbin/update-ca-certificates" ]; then
		chroot "$chroot" update-ca-certificates >/dev/null 2>&1
	fi
}

# The ids of the processes that run in the chroot.
chroot_processes() {
	for process in /proc/[0-9]*; do
		if [ "$(readlink "$process/root" 2>/dev/null)" = "$chroot" ]; then
			echo "${process#/proc/}"
		fi
	done
}

remove_chroot() {
	kill -KILL $(chroot_processes) 2>/dev/null || :
	umount "$chroot/proc" 2>/dev/null || :
	umount "$chroot/dev/shm" 2>/dev/null ||
		{ sleep 1; umount "$chroot/dev/shm" 2>/dev/null; } || :
	if grep -q " $chroot/" /proc/mounts; then
		echo "still mounted, so kept: $chroot" >&2
	else
		rm -rf --one-file-system "$chroot"
	fi
}

# make_chroot SUITE: makes the chroot and sets chroot to its folder.  Sets the
# traps that remove it.
make_chroot() {
	[ "$(id -u)" = 0 ] || { echo "a chroot needs root" >&2; exit 1; }
	codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
	if ! command -v debootstrap >/dev/null ||
		[ -z "$(machine_sources "$codename")" ]; then
		apt-get update >&2
		apt-get install -y --no-install-recommends debootstrap >&2
	fi
	mirror=$(machine_sources "$codename" | sed -n "s/ $codename main$//p" |
		head -n 1)
	[ -n "$mirror" ] ||
		{ echo "no package source for $codename" >&2; exit 1; }

	chroot=$(mktemp -d /tmp/session-chroot.XXXXXX)
	chmod 755 "$chroot"
	trap remove_chroot EXIT
	trap 'exit 1' HUP INT TERM
	debootstrap --variant=minbase "$1" "$chroot" "$mirror" \
		>"$chroot.log" 2>&1 ||
		{ cat "$chroot.log" >&2; rm -f "$chroot.log"; exit 1; }
	rm -f "$chroot.log"
	printf '#!/bin/sh\nexit 101\n' >"$chroot/usr/sbin/policy-rc.d"
	chmod +x "$chroot/usr/sbin/policy-rc.d"
	# The chroot need not survive a crash.
	echo force-unsafe-io >"$chroot/etc/dpkg/dpkg.cfg.d/session"
	mount -t proc proc "$chroot/proc"
	mount -t tmpfs tmpfs "$chroot/dev/shm"

	# As Debian's installer writes it: a name with an address of each family.
	printf '%s\n' '127.0.0.1 localhost' \
		'::1 localhost ip6-localhost ip6-loopback' >"$chroot/etc/hosts"
	if [ "$1" = "$codename" ]; then
		machine_sources "$1" | sed 's/^/deb /' \
			>"$chroot/etc/apt/sources.list"
	fi
	copy_network_settings
	in_chroot apt-get update >/dev/null
}

# in_chroot COMMAND...: runs it as root with the environment of a fresh
# machine, with the proxies and npm's settings of this one, and with
# FUZZ_SECONDS if that is set.
in_chroot() {
	(
		for name in $(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p'); do
			case $name in
				npm_config_* | NPM_CONFIG_* | NODE_EXTRA_CA_CERTS) ;;
				http_proxy | https_proxy | no_proxy) ;;
				HTTP_PROXY | HTTPS_PROXY | NO_PROXY) ;;
				FUZZ_SECONDS | PATH | TERM) ;;
				*) unset "$name" 2>/dev/null || : ;;
			esac
		done
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
		HOME=/root
		export PATH HOME
		chroot "$chroot" "$@"
	)
}
