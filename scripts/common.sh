# Functions of scripts/quickstart and scripts/test. This file is sourced, not
# run.
#
# Rules: packages are installed only if something is missing, so no root is
# needed when everything is present. Servers run as an unprivileged user,
# listen only on a unix socket, and are stopped by way of their own data
# directory.

root=$(cd "$(dirname "$0")/.." && pwd)

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# Prints the major version of the newest installed server that we can build
# against.
installed_major() {
	for dir in $(ls -d /usr/lib/postgresql/[0-9]* 2>/dev/null | sort -rV); do
		[ -x "$dir/bin/postgres" ] && [ "${dir##*/}" -ge 15 ] &&
			{ echo "${dir##*/}"; return; }
	done
	return 0
}

# Prints the major version of the package "postgresql" of this Debian.
packaged_major() {
	apt-cache show postgresql 2>/dev/null |
		sed -n 's/^Depends:.*postgresql-\([0-9]*\).*/\1/p' | head -n 1
}

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"
	elif command -v sudo >/dev/null; then sudo "$@"
	else die "root or sudo is needed to install: $missing"
	fi
}

# Installs the missing packages. The server package would create and start a
# cluster of its own; a setting prevents that during the installation.
install_packages() {
	say "installing: $missing"
	dropin=/etc/postgresql-common/createcluster.d/session-scripts.conf
	as_root sh -c "mkdir -p ${dropin%/*} &&
		echo 'create_main_cluster = false' >$dropin"
	as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y --no-install-recommends $missing >&2 || status=$?
	as_root rm -f "$dropin"
	[ "${status:-0}" = 0 ] || die "could not install: $missing"
}

# need PACKAGE TEST...: adds the package to the missing ones unless the test
# succeeds.
need() {
	package=$1
	shift
	"$@" >/dev/null 2>&1 || missing="$missing $package"
}

# Finds or installs the packages for building and running, and those that the
# given function names by calling need. Sets major, pg_lib and pg_config.
# PG_PREFIX is the folder of an installation to use in place of Debian's, which
# has the same major version.
ensure_packages() {
	missing=
	major=${PG_MAJOR:-$(installed_major)}
	if [ -n "${PG_PREFIX:-}" ]; then
		major=$("$PG_PREFIX/bin/pg_config" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
	fi
	if [ -z "$major" ]; then
		major=$(packaged_major)
		[ -n "$major" ] || { missing=postgresql; as_root apt-get update >&2; }
		major=$(packaged_major)
		[ -n "$major" ] || die "no postgresql package found"
	fi
	pg_lib=/usr/lib/postgresql/$major
	missing=
	need "postgresql-$major" test -x "$pg_lib/bin/postgres"
	need "postgresql-server-dev-$major" \
		test -f "$pg_lib/lib/pgxs/src/makefiles/pgxs.mk" \
		-a -f "/usr/include/postgresql/$major/server/postgres.h"
	need gcc command -v gcc
	need make command -v make
	need libc6-dev test -f /usr/include/stdio.h
	need libssl-dev test -f /usr/include/openssl/evp.h
	need zlib1g-dev test -f /usr/include/zlib.h
	"$@"
	if [ -n "$missing" ]; then
		as_root apt-get update >&2
		install_packages
	fi
	pg_config=$pg_lib/bin/pg_config
	[ -x "$pg_config" ] || pg_config=/usr/bin/pg_config
	if [ -n "${PG_PREFIX:-}" ]; then
		pg_lib=$PG_PREFIX
		pg_config=$PG_PREFIX/bin/pg_config
	fi
}

# Runs a command as the user that servers run as: the caller, or for root the
# user that the server package created.
as_user() {
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid postgres --regid postgres --init-groups \
			env HOME="$home" "$@"
	else
		"$@"
	fi
}

# Copies the source tree to a directory that as_user can write.
copy_tree() {
	mkdir -p "$1"
	(cd "$root" && tar -cf - --exclude=./.git --exclude=./.quickstart \
		--exclude='*.o' --exclude='*.so' --exclude='*.bc' .) | tar -xf - -C "$1"
	if [ "$(id -u)" = 0 ]; then chown -R postgres:postgres "$1"; fi
}

# Builds in the directory and installs under its folder "install".
build_in() {
	as_user make -C "$1" -s -j2 with_llvm=no PG_CONFIG="$pg_config" \
		COPT="${COPT:-}" >"$1/build.log" 2>&1 ||
		{ cat "$1/build.log" >&2; die "the build failed"; }
	as_user make -C "$1" -s with_llvm=no PG_CONFIG="$pg_config" \
		DESTDIR="$1/install" install >>"$1/build.log" 2>&1 ||
		{ cat "$1/build.log" >&2; die "the installation failed"; }
}

# make_cluster DIRECTORY: runs initdb, independent of the caller's locale.
make_cluster() {
	as_user "$pg_lib/bin/initdb" -D "$1" -U postgres -A trust \
		-E UTF8 --locale=C --no-sync
}

# Prints the settings with which a server finds what build_in installed, and
# those of the variable SESSION_SETTINGS.
install_settings() {
	if [ "$major" -ge 18 ]; then
		echo "extension_control_path = '$1/install$("$pg_config" --sharedir):\$system'"
	else
		echo "extension_destdir = '$1/install'"
	fi
	echo "dynamic_library_path = '$1/install$("$pg_config" --pkglibdir):\$libdir'"
	echo "${SESSION_SETTINGS:-}"
}
