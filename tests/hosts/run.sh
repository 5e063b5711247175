#!/bin/sh
# Makes a host of another language, or of others, ready, beneath target/hosts, and prints the command that starts
# it. To be called as often as one likes: what is there already is not made again.
#
#     tests/hosts/run.sh python|node|wasmtime|wasmcloud|act|zeroclaw [COMPONENT]
#
# COMPONENT is the component file; without one it is taken from `pod-tools inspect --save`. The command is complete
# but for the host options:
#
#     pod-tools-conformance run --host-profile tests/hosts/python/profile.json -- $(tests/hosts/run.sh python)
set -eu

sources=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$sources/../.." && pwd)
place=${CARGO_TARGET_DIR:-$root/target}/hosts
host=${1:?python, node, wasmtime, wasmcloud, act or zeroclaw}
mkdir -p "$place"
place=$(cd "$place" && pwd)

# A program that is there already need not be built.
pod_tools() {
    if [ -n "${POD_TOOLS:-}" ]; then
        "$POD_TOOLS" "$@"
        return
    fi
    cargo run --quiet --locked --manifest-path "$root/Cargo.toml" --bin pod-tools -- "$@"
}

if [ $# -ge 2 ]; then
    component=$(realpath "$2")
else
    component=$place/pod-tools.wasm
    pod_tools inspect --save "$component" >/dev/null
fi

# Whether what was installed in $1 was installed from the file $2 as it is now.
is_current() { cmp -s "$2" "$1/installed-from"; }

case $host in
python)
    wanted=$sources/python/requirements.txt
    if ! is_current "$place/python" "$wanted"; then
        python3 -m venv --clear "$place/python" >&2
        "$place/python/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted" >&2
        cp "$wanted" "$place/python/installed-from"
    fi
    echo "$place/python/bin/python -B $sources/python/host.py call --batch --component $component"
    ;;
node)
    # Node looks for packages beside the program, so the program is copied to where they are.
    mkdir -p "$place/node"
    cp "$sources"/node/*.mjs "$sources"/node/package*.json "$place/node/"
    if ! is_current "$place/node" "$sources/node/package-lock.json"; then
        npm ci --prefix "$place/node" --no-audit --no-fund --ignore-scripts >&2
        cp "$sources/node/package-lock.json" "$place/node/installed-from"
    fi
    echo "node $place/node/host.mjs call --batch --component $component"
    ;;
wasmtime)
    wanted=$sources/wasmtime/requirements.txt
    if ! is_current "$place/wasmtime" "$wanted"; then
        python3 -m venv --clear "$place/wasmtime" >&2
        "$place/wasmtime/bin/pip" install --quiet --disable-pip-version-check --require-hashes \
            --requirement "$wanted" >&2
        # The package has the program, and does not say that it is one.
        chmod +x "$place"/wasmtime/lib/python3*/site-packages/wasmtime_cli/wasmtime
        cp "$wanted" "$place/wasmtime/installed-from"
    fi
    program=$(echo "$place"/wasmtime/lib/python3*/site-packages/wasmtime_cli/wasmtime)
    composition=$place/pod-tools-for-wasmtime.wasm
    pod_tools compose --for wasmtime --component "$component" --output "$composition" 2>/dev/null
    echo "python3 -B $sources/wasmtime/host.py call --batch --composition $composition --wasmtime $program" \
        "--pod-tools ${POD_TOOLS:-${CARGO_TARGET_DIR:-$root/target}/debug/pod-tools}"
    ;;
wasmcloud)
    wanted=$sources/wasmcloud/requirements.txt
    if ! is_current "$place/wasmcloud" "$wanted"; then
        python3 -m venv --clear "$place/wasmcloud" >&2
        "$place/wasmcloud/bin/pip" install --quiet --disable-pip-version-check --require-hashes \
            --requirement "$wanted" >&2
        # The package has the program, and a program in Python that starts it.
        ln -sf "$(echo "$place"/wasmcloud/lib/python3*/site-packages/wash_cli/wash)" "$place/wasmcloud/bin/wash"
        chmod +x "$place/wasmcloud/bin/wash"
        cp "$wanted" "$place/wasmcloud/installed-from"
    fi
    # Debian's, without the service that its installation would start.
    registry=$place/wasmcloud/registry
    if ! command -v docker-registry >/dev/null && [ ! -d "$registry" ]; then
        mkdir -p "$registry.new"
        cd "$registry.new"
        apt-get download -qq docker-registry >&2 || { apt-get update -qq && apt-get download -qq docker-registry; } >&2
        dpkg -x docker-registry_*.deb .
        cd - >/dev/null
        mv "$registry.new" "$registry"
    fi
    ln -sf "${POD_TOOLS:-${CARGO_TARGET_DIR:-$root/target}/debug/pod-tools}" "$place/wasmcloud/bin/pod-tools"
    pod_tools compose --for wasmcloud --component "$component" --output "$place/wasmcloud/pod-tools.wasm" 2>/dev/null
    echo "$place/wasmcloud/bin/python -B $sources/wasmcloud/host.py call --batch --place $place/wasmcloud" \
        "--pod-tools ${POD_TOOLS:-${CARGO_TARGET_DIR:-$root/target}/debug/pod-tools}"
    ;;
act)
    wanted=$sources/act/requirements.txt
    if ! is_current "$place/act" "$wanted"; then
        python3 -m venv --clear "$place/act" >&2
        "$place/act/bin/pip" install --quiet --disable-pip-version-check --require-hashes \
            --requirement "$wanted" >&2
        cp "$wanted" "$place/act/installed-from"
    fi
    composition=$place/pod-tools-for-act.wasm
    pod_tools compose --for act --component "$component" --output "$composition" 2>/dev/null
    echo "python3 -B $sources/act/host.py call --batch --composition $composition --act $place/act/bin/act" \
        "--pod-tools ${POD_TOOLS:-${CARGO_TARGET_DIR:-$root/target}/debug/pod-tools}"
    ;;
zeroclaw)
    mkdir -p "$place/zeroclaw"
    # Long, the first time: it compiles ZeroClaw's crate and a wasmtime for it.
    CARGO_TARGET_DIR=$place/zeroclaw/target cargo build --quiet --release --locked \
        --manifest-path "$sources/zeroclaw/Cargo.toml" >&2
    for tool in ListPods SendToPod ReadPodOutput StopPod WaitForPods; do
        pod_tools compose --for zeroclaw --tool "$tool" --component "$component" \
            --output "$place/zeroclaw/$tool.wasm" 2>"$place/zeroclaw/$tool.txt"
    done
    echo "python3 -B $sources/zeroclaw/host.py call --batch --place $place/zeroclaw" \
        "--pod-tools ${POD_TOOLS:-${CARGO_TARGET_DIR:-$root/target}/debug/pod-tools}"
    ;;
*)
    echo "run.sh: there is a host in python, node, wasmtime, wasmcloud, act and zeroclaw, none in $host" >&2
    exit 2
    ;;
esac
