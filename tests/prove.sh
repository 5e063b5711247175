#!/bin/sh
# The whole proof: the conformance kit against every host that there is here, and against hosts that are wrong on
# purpose. Ends with status 0 when each does as it should: what a profile declares is not supported, all else
# passes, and every wrong host is caught by the cases that claim to catch it.
#
#     tests/prove.sh [HOST…]      HOST: sandboxed native python node wasmtime wasmcloud act zeroclaw wrong; without any, all of them
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
# With what the tests are built with, so that what they have built serves here.
cargo build --locked --workspace --all-targets
built=$(cd "${CARGO_TARGET_DIR:-target}/debug" && pwd)
export POD_TOOLS="$built/pod-tools"

failed=
prove() {
    what=$1
    shift
    printf '\n== %s\n' "$what"
    "$@" || failed="$failed; $what"
}
kit() { "$built/pod-tools-conformance" run "$@"; }

for host in ${*:-sandboxed native python node wasmtime wasmcloud act zeroclaw wrong}; do
    case $host in
    sandboxed) prove "$host" kit -- "$built/pod-tools" call --batch ;;
    native) prove "$host" kit --host-profile tests/native/profile.json -- "$built/native-host" call --batch ;;
    python | node | wasmtime | act | zeroclaw)
        command=$(tests/hosts/run.sh "$host")
        # shellcheck disable=SC2086 # The command is several words.
        prove "$host" kit --host-profile "tests/hosts/$host/profile.json" -- $command
        [ "$host" != act ] || prove "act over MCP" tests/hosts/act/over_mcp.sh
        [ "$host" != zeroclaw ] || prove "zeroclaw: a real pod" python3 -B tests/hosts/zeroclaw/real_pod.py \
            "${CARGO_TARGET_DIR:-target}/hosts/zeroclaw" "$built/pod-tools"
        ;;
    wasmcloud)
        command=$(tests/hosts/run.sh "$host")
        # Once for all that the kit starts: each would take a second and more to start them, and compile the composition.
        place=${CARGO_TARGET_DIR:-target}/hosts/wasmcloud
        services="$place/bin/python -B tests/hosts/wasmcloud/services.py $place"
        prove "$host: a real pod" "$place/bin/python" -B tests/hosts/wasmcloud/over_nats.py "$place" "$built/pod-tools"
        # shellcheck disable=SC2086 # The commands are several words.
        prove "$host" $services "$built/pod-tools-conformance" run \
            --host-profile "tests/hosts/$host/profile.json" -- $command
        # It has brought a newer server of NATS than the tests have found.
        prove "pods of other machines, over that server" env -u POD_TOOLS \
            NATS_SERVER="$(cd "$place" && pwd)/bin/nats-server" cargo test --locked --workspace --test node
        ;;
    wrong) prove "$host" cargo test --locked --workspace --test wrong_hosts ;;
    *)
        echo "prove.sh: there is no host named $host" >&2
        exit 2
        ;;
    esac
done
if [ -n "$failed" ]; then
    printf '\nnot proven: %s\n' "${failed#; }" >&2
    exit 1
fi
printf '\nAll is proven.\n'
