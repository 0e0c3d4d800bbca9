# shellcheck shell=bash disable=SC2154,SC2034
# Sourced by scripts/demo: makes what will be destroyed, and the order for it.
#
# Sets: confirm (options for run), run_ends and audit_ends (exit codes to expect), carriers (TOML tables).

make_carriers() {
    if is_root; then make_carriers_as_root; else make_carriers_as_user; fi
}

# A file system of its own holds the images, so that the demo does not depend on what this machine's disk is.
make_carriers_as_root() {
    truncate -s 900M "$work/vault.img"
    mkfs.ext4 -q "$work/vault.img"
    with_loop "$work/vault.img"
    with_mount "$loop" "$work/vault"

    dd if=/dev/zero bs=1M count=64 status=none | tr '\0' 'S' >"$work/vault/disk.img"
    with_loop "$work/vault/disk.img"
    disk=$loop

    truncate -s 256M "$work/vault/share.img"
    mkfs.ext4 -q "$work/vault/share.img"
    with_loop "$work/vault/share.img"
    share=$loop
    with_mount "$loop" "$work/share"
    fill_with_documents "$work/share/cases" 160
    make_database "$work/share/persons.sqlite"
    sync

    truncate -s 32M "$work/vault/crypt.img"
    printf 'a passphrase of the demo' |
        cryptsetup luksFormat --type luks2 --batch-mode --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "$work/vault/crypt.img" -
    cryptsetup luksHeaderBackup "$work/vault/crypt.img" --header-backup-file "$work/share/crypt-header.bin"
    with_loop "$work/vault/crypt.img"
    crypt=$loop

    confirm=(--confirm DISK-1 --confirm SHARE-1 --confirm CRYPT-1 --confirm BASE-1)
    run_ends=6
    audit_ends=0
    echo "A device ($disk, 64 MiB), $(count_files "$work/share/cases") documents on a 256 MiB ext4 ($share),"
    echo "a LUKS2 container ($crypt) with a header backup, and an SQLite database of 100,000 rows."
}

make_carriers_as_user() {
    mkdir -p "$work/share"
    fill_with_documents "$work/share/cases" 16
    make_database "$work/share/persons.sqlite"
    confirm=(--confirm SHARE-1 --confirm BASE-1)
    run_ends=5
    audit_ends=5
    echo "$(count_files "$work/share/cases") documents and an SQLite database of 100,000 rows, in files of this user."
}

count_files() { find "$1" -type f | wc -l; }

# Real documents: what Debian itself documents its packages with, in years, until so many MiB are full.
fill_with_documents() { # folder, MiB
    local year sources=(/usr/share/doc /usr/share/common-licenses /usr/share/perl "$PWD/docs" "$bin/../lib")
    mkdir -p "$1"
    for year in 2009 2010 2011 2012 2013 2014 2015; do
        mkdir "$1/$year"
        find "${sources[@]}" -type f -size -512k -readable 2>/dev/null | head -n 1500 |
            tar -cf - --files-from=- --transform="s|^.*/\([^/]*/[^/]*\)$|\1|" 2>/dev/null |
            tar -xf - -C "$1/$year" --no-same-owner 2>/dev/null || true
        [ "$(du -sm "$1" | cut -f1)" -lt "$2" ] || return 0
    done
}

# Loaded without a journal: what a journal leaves in free blocks is history, which an order for the database does not reach.
make_database() { # file
    sqlite3 "$1" >/dev/null <<'SQL'
PRAGMA journal_mode = OFF;
CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, born TEXT, note TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
INSERT INTO person SELECT i, 'Person ' || i, date('1950-01-01', i % 20000 || ' days'), hex(randomblob(24)) FROM n;
CREATE INDEX person_by_name ON person (name);
CREATE INDEX person_by_birth ON person (born);
SQL
}

# One hash over all that is to be destroyed.
fingerprint() {
    sync
    if is_root; then sha256sum <"$disk"; sha256sum <"$crypt"; fi
    find "$work/share/cases" -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum
    sha256sum <"$work/share/persons.sqlite"
}

carrier() { # id, label, TOML of the identity and the rest
    printf '\n[[carriers]]\nid = "%s"\nlabel = "%s"\nassets = ["ZC-2019-00431"]\nhosts = ["arch-07"]\n' "$1" "$2"
    printf 'level = "clear"\ndestination = "internal-reuse"\nverification = "full"\n%s\n' "$3"
}

carriers_toml() {
    if is_root; then
        carrier disk-1 DISK-1 "[carriers.identity]
kind = \"image\"
attached = true
[carriers.selects]
path = \"$work/vault/disk.img\""
    fi
    carrier share-1 SHARE-1 "[carriers.identity]
kind = \"files\"
[carriers.selects]
root = \"$work/share\"
names = [\"cases\"]"
    if is_root; then
        carrier crypt-1 CRYPT-1 "[carriers.identity]
kind = \"luks\"
[carriers.identity.container]
kind = \"image\"
attached = true
[carriers.selects]
path = \"$work/vault/crypt.img\"
header_backups = [\"$work/share/crypt-header.bin\"]
[carriers.crypto_erase]
always_encrypted = true
key_strength = true
validated_module = true
all_copies_known = true
zeroization = true
no_escrow = true
no_known_flaws = true"
    fi
    carrier base-1 BASE-1 "[carriers.identity]
kind = \"database\"
[carriers.selects]
path = \"$work/share/persons.sqlite\""
}

make_order() {
    echo "minutes of the demo" >"$work/minutes.txt"
    {
        sed -e "s|@FROM@|$(instant '-1 hour')|" -e "s|@TO@|$(instant '+7 days')|" scripts/demo.d/order.toml
        carriers_toml
    } >"$work/order.toml"
    expunge order draft "$work/order.toml" -o "$work/order.dsse.json" --measure
}

# Anyone can recompute a keystream pass: the key stands in the certificate.
compare_by_openssl() {
    is_root || { echo "Nothing to compare: files have no device of their own."; return 0; }
    local key size
    key=$(certificate disk-1 | jq -r '.evidence.records[0].pattern.key')
    size=$(blockdev --getsize64 "$disk")
    echo "openssl enc -aes-256-ctr -K $key -iv 0... -in /dev/zero | cmp -n $size - $disk"
    openssl enc -aes-256-ctr -K "$key" -iv 00000000000000000000000000000000 -in /dev/zero 2>/dev/null |
        cmp -n "$size" - "$disk" && echo "   equal, every byte"
    "$bin/expunge" audit "$out/disk-1.expunge" --trust "$out/trust.json" --against "$disk" | tail -n 3
    cryptsetup isLuks "$crypt" && { say "still a container"; exit 1; }
    echo "cryptsetup no longer takes $crypt for a container."
}

certificate() { # carrier -> JSON
    unzip_entry "$out/$1.expunge" certificate.dsse.json | jq -r .payload | base64 -d
}

unzip_entry() { # zip, entry
    "$bin/python" -c 'import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))' "$1" "$2"
}

look_for_remains() {
    is_root || return 0
    local found
    sync
    found=$(grep -cao 'Person 99[0-9]' "$share" || true)
    echo "Rows of the database on the raw storage below the file system: $found"
    [ "$found" = 0 ] || { say "something is left"; exit 1; }
}
