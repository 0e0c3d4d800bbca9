# shellcheck shell=bash
# Sourced by the other scripts: makes or reuses .venv in the checkout, with what requirements/ locks and nothing else.
#
#   prepare_venv dev|runtime    the virtual environment, with expunge itself installed in place
#   prepare_system              the programs the integration tests and the demo run, by Debian package name
#   prepare_lab                 what builds and boots the virtual machine of tests/lab

cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PATH:/usr/sbin:/sbin"  # losetup, cryptsetup and mkfs are there, and an ordinary user's PATH is not
unset PYTHONDONTWRITEBYTECODE  # the tests start hundreds of interpreters, and compiling is half of their start
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore

say() { echo "${0##*/}: $*" >&2; }

is_root() { [ "$(id -u)" = 0 ]; }

# program:package, one a line
system_programs() {
    cat <<-'PROGRAMS'
		openssl:openssl
		jq:jq
		unzip:unzip
		cryptsetup:cryptsetup-bin
		mkfs.ext4:e2fsprogs
		debugfs:e2fsprogs
		sqlite3:sqlite3
		tsk_recover:sleuthkit
		photorec:testdisk
		losetup:util-linux
		sfdisk:fdisk
		mkfs.vfat:dosfstools
		parted:parted
		mount:mount
		nwipe:nwipe
		mariadbd:mariadb-server-core
		my_print_defaults:mariadb-client-core
		mariadb-dump:mariadb-client
		mariadb-backup:mariadb-backup
		redis-check-rdb:redis-tools
		mkfs.xfs:xfsprogs
		mkfs.btrfs:btrfs-progs
		ntfs-3g:ntfs-3g
		ext4magic:ext4magic
		extundelete:extundelete
		mcopy:mtools
		strace:strace
		/usr/lib/galera/libgalera_smm.so:galera-4
		/usr/lib/postgresql/15/bin/postgres:postgresql-15
	PROGRAMS
}

# The package of the server would make a cluster and start it; the tests start their own, in folders of their own.
without_main_cluster() {
    install -d -m 755 /etc/postgresql-common/createcluster.d
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/expunge-tests.conf
}

install_packages() {
    say "installing $*"
    export DEBIAN_FRONTEND=noninteractive
    if [ -z "${apt_is_fresh:-}" ]; then
        apt-get update -qq
        apt_is_fresh=yes
    fi
    apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}

lab_programs() {
    cat <<-'PROGRAMS'
		qemu-system-x86_64:qemu-system-x86
		mmdebstrap:mmdebstrap
		mke2fs:e2fsprogs
	PROGRAMS
}

prepare_system() {
    prepare_programs system_programs
    prepare_plugins
}

# MariaDB's plugins come in a package that would also make a server and start it: it is unpacked and not installed.
prepare_plugins() {
    local folder=build/mariadb-server of_these=usr/lib/mysql/plugin/file_key_management.so
    [ -e "/$of_these" ] || [ -e "$folder/$of_these" ] || ! command -v apt-get >/dev/null && return 0
    say "unpacking mariadb-server for its plugins"
    mkdir -p "$folder"
    if is_root && ! apt-cache show mariadb-server >/dev/null 2>&1; then apt-get update -qq || true; fi
    (cd "$folder" && apt-get download -qq mariadb-server 2>/dev/null && dpkg-deb --extract mariadb-server_*.deb .) ||
        say "could not; the tests of encrypted servers will say so"
}

prepare_lab() {
    prepare_programs lab_programs
    # The guest's kernel is a package that is only downloaded, so apt has to have heard of it.
    if is_root && command -v apt-cache >/dev/null && ! apt-cache show linux-image-amd64 >/dev/null 2>&1; then
        apt-get update -qq || say "apt knows no packages; what needs them will say so"
    fi
}

prepare_programs() {
    local program package missing=()
    while IFS=: read -r program package; do
        command -v "$program" >/dev/null || [ -e "$program" ] || missing+=("$package")
    done < <("$1")
    [ ${#missing[@]} -gt 0 ] || return 0
    mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
    if is_root && command -v apt-get >/dev/null; then
        [[ " ${missing[*]} " != *" postgresql-15 "* ]] || without_main_cluster
        install_packages "${missing[@]}" || say "could not install all of it; what needs it will say so"
    else
        say "not installed here, and only root could: ${missing[*]} (what needs them will say so)"
    fi
}

# True when the interpreter is 3.11 or later and can make a virtual environment with pip inside.
is_usable_python() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    local candidate
    for candidate in python3 python3.11 python3.12 python3.13 python3.14; do
        if is_usable_python "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

make_venv() {
    local python
    if ! python=$(find_python) && is_root && command -v apt-get >/dev/null; then
        install_packages python3 python3-venv
    fi
    if ! python=$(find_python); then
        say "needs Python 3.11 or later with its venv module (Debian: python3-venv)"
        exit 1
    fi
    say "making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
}

# What decides whether .venv is up to date, in one line.
environment_stamp() {
    { pwd; cat pyproject.toml "requirements/$1.txt" scripts/_environment.sh; } | sha256sum | cut -d' ' -f1
}

# dev holds everything runtime does, at the same versions, so a dev environment serves for both.
is_current() {
    local kind
    [ -x .venv/bin/expunge ] || return 1
    for kind in "$@"; do
        [ "$(cat ".venv/expunge-$kind.stamp" 2>/dev/null)" = "$(environment_stamp "$kind")" ] && return 0
    done
    return 1
}

# A virtual environment names its own path in every program, so one that was moved or copied is made anew.
is_usable_venv() {
    grep -qsF "$PWD/.venv/" .venv/bin/pip && is_usable_python .venv/bin/python
}

install_locked() {
    local kind=$1
    is_usable_venv || make_venv
    say "installing requirements/$kind.txt into .venv"
    .venv/bin/python -m pip install --quiet --require-hashes -r "requirements/$kind.txt"
    if [ "$kind" = dev ]; then
        .venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
    else
        .venv/bin/python -m pip install --quiet --no-deps --editable .
    fi
    rm -f .venv/expunge-*.stamp
    environment_stamp "$kind" >".venv/expunge-$kind.stamp"
}

prepare_venv() {
    local kind=$1 accepted=("$1")
    [ "$kind" = dev ] || accepted+=(dev)
    is_current "${accepted[@]}" && return 0
    # Two scripts started at once must not install into each other's half-made environment.
    exec 9>.venv.lock
    flock 9
    is_current "${accepted[@]}" || install_locked "$kind"
    exec 9>&-
}

# test_processes [more]        how many: every core this process may use, within reason, and more where some only wait
test_processes() {
    local cores
    cores=$(nproc)
    echo $(((cores > 8 ? 8 : cores) + ${1:-0}))
}
