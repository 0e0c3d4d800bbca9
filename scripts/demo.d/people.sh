# shellcheck shell=bash disable=SC2154
# Sourced by scripts/demo: the people of a small archive, their keys, the keyring, the site and its registry.

people="P-0101:requester:Wang Fang:Head of records
P-0417:approver:Li Na:Deputy director
P-0588:approver:Zhang Wei:Director
P-0102:security-officer:Liu Yang:Security officer
P-0230:executor:Chen Jie:System administrator
P-0311:witness:Yang Min:Archivist
P-0729:witness:Zhao Lei:Inspector
P-0150:validator:Huang Ping:Asset officer
P-0901:keeper:Zhou Hui:Key keeper
P-0902:keeper:Wu Qiang:Key keeper"

make_people() {
    mkdir -p "$work/keys" "$work/site/keyring"
    local id
    while IFS=: read -r id _; do
        "$bin/expunge" --quiet key new "$work/keys/$id.pem" >/dev/null
    done <<<"$people"
    "$bin/expunge" --quiet key new "$work/site/host.pem" >/dev/null
    echo "Ten people and one host have keys."
}

make_registry() {
    "$bin/expunge-registry" init --data "$work/registry" --origin registry.example/expunge --json >"$work/registry.json"
    public_key .log >"$work/keys/log.pub"
    public_key .hold >"$work/keys/hold.pub"
}

public_key() { # which key of the registry -> PEM
    printf -- '-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n' "$(jq -r "$1.spki" "$work/registry.json")"
}

make_keyring() {
    local id role name job
    {
        printf 'site = "demo-archive"\nkeepers = 2\n[validity]\n'
        printf 'not_before = %s\nnot_after = %s\n' "$(instant '-1 day')" "$(instant '+3 years')"
        while IFS=: read -r id role name job; do
            printf '[[persons]]\nid = "%s"\nname = "%s"\ntitle = "%s"\nunit = "Municipal Archive"\n' "$id" "$name" "$job"
            printf 'key = "%s"\nroles = ["%s"]\n' "$work/keys/$id.pem.pub" "$role"
        done <<<"$people"
        printf '[[hosts]]\nname = "arch-07"\nkey = "%s"\n' "$work/site/host.pem.pub"
        printf '[[logs]]\norigin = "registry.example/expunge"\nkey = "%s"\n' "$work/keys/log.pub"
        printf '[[hold_keys]]\nfile = "%s"\n' "$work/keys/hold.pub"
    } >"$work/keyring.toml"
    expunge keyring new "$work/keyring.toml" -o "$work/site/keyring/1.dsse.json" \
        --key "$work/keys/P-0901.pem" --key "$work/keys/P-0902.pem"
    root=$(jq -r .payload "$work/site/keyring/1.dsse.json" | base64 -d | sha256sum | cut -d' ' -f1)
    root=sha256:$root
}

instant() { # what `date` understands -> the form of TOML
    date -u -d "$1" +%Y-%m-%dT%H:%M:%SZ
}

make_site() {
    printf '[site]\nkeyring_root = "%s"\nregistry = "http://127.0.0.1:%s"\n' "$root" PORT >"$work/site/config.toml"
    "$bin/expunge-registry" keyring import --data "$work/registry" --root "$root" "$work/site/keyring/1.dsse.json"
}

start_registry() {
    "$bin/expunge-registry" serve --data "$work/registry" --bind 127.0.0.1:0 2>"$work/registry.log" &
    registry_pid=$!
    local tries port=
    for ((tries = 0; tries < 200; tries++)); do
        port=$(grep -om1 'http://127.0.0.1:[0-9]*' "$work/registry.log" | grep -o '[0-9]*$') && break
        sleep 0.1
    done
    [ -n "$port" ] || { say "the registry did not start"; cat "$work/registry.log" >&2; exit 1; }
    sed -i "s/PORT/$port/" "$work/site/config.toml"
    echo "The registry answers on 127.0.0.1:$port."
}

sign_order() { # people's ids
    local id
    for id in "$@"; do
        expunge --quiet order sign "$work/order.dsse.json" --key "$work/keys/$id.pem"
    done
}

accept_certificates() {
    local bundle
    [ "$run_ends" = 6 ] || return 0
    for bundle in "$work"/site/certificates/*/*.expunge; do
        expunge --quiet certificate validate "$bundle" --key "$work/keys/P-0150.pem" --decision accept \
            --grounds docs/examples/grounds.toml
    done
}

collect() {
    rm -rf "$out"
    mkdir -p "$out"
    cp "$work"/site/certificates/*/*.expunge "$out/"
    jq --arg root "$root" '{keyrings: [$root], logs: [{key: .log.spki, origin: .origin}]}' -cSj \
        "$work/registry.json" >"$out/trust.json"
}
