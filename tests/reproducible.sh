#!/usr/bin/env bash
# The components of this checkout, as a build has them, and compiled once more: from another folder, with cargo's crates
# in another one. They must be the same to the byte; their digests are printed.
#
#     tests/reproducible.sh          takes rustup and git
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
# Within `target`, where what is there is ours to remove.
place=$target/reproducible
rm -rf "$place"
mkdir -p "$place/another/cargo/registry"
trap 'rm -rf "$place"' EXIT

packages=$(grep -hoE '"pod-tools-[a-z-]+"' host/build.rs host/cli/build.rs | tr -d '"' | sort -u)
cargo fetch --quiet --locked
rustc --edition 2024 -o "$place/components" host/build/main.rs

# Compiles the components of that folder to that target directory, and prints their digests.
build() {
  # shellcheck disable=SC2086 # The names are words.
  "$place/components" "$1" "$2" $packages >&2
  for package in $packages; do
    (cd "$2/wasm32-wasip2/guest" && sha256sum "${package//-/_}.wasm")
  done
}

# Beside each other, so that a build of the workspace has compiled them already.
here=$(build "$PWD" "$target/components")

another=$place/another
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$another"
home=${CARGO_HOME:-$HOME/.cargo}
# What was fetched is fetched no second time, and unpacked anew.
ln -s "$home/registry/index" "$home/registry/cache" "$another/cargo/registry/"
[ ! -e "$home/config.toml" ] || ln -s "$home/config.toml" "$another/cargo/"
export CARGO_HOME=$another/cargo
(cd "$another" && cargo fetch --quiet --locked --offline)
there=$(build "$another" "$another/target")

printf '%s\n' "$here"
if [ "$here" != "$there" ]; then
  printf 'in another folder:\n%s\n' "$there" >&2
  exit 1
fi
echo "the same in two folders: $(wc -l <<<"$here") components"
