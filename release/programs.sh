#!/usr/bin/env bash
# Builds the programs of a release into OUT/OS-ARCHITECTURE/: static (musl), and the same bytes for the same commit wherever the
# checkout lies. Usage: release/programs.sh OUT [TARGET_DIR]; PLATFORMS narrows them down, as PLATFORMS=linux-amd64
. "$(dirname "$0")/common.sh"
out=$1
export CARGO_TARGET_DIR=${2:-$CACHE/release-target}
python=$(python_tools)
# The compiler itself instead of `python3 -m ziglang`, which takes most of the time of small C files.
export CARGO_ZIGBUILD_ZIG_PATH=$python/ziglang/zig PATH=$python/bin:$PATH

# A platform's name in the archives, and Rust's.
platforms="
linux-amd64 x86_64-unknown-linux-musl
linux-arm64 aarch64-unknown-linux-musl
"

# No path of this machine gets into a program.
cargo_home=${CARGO_HOME:-$HOME/.cargo}
RUSTFLAGS=
CFLAGS=
for map in "$cargo_home=/cargo" "$CARGO_TARGET_DIR=/target" "$ROOT=/src"; do
  RUSTFLAGS+=" --remap-path-prefix=$map"
  CFLAGS+=" -ffile-prefix-map=$map"
done
export RUSTFLAGS CFLAGS CARGO_INCREMENTAL=0

built=0
while read -r platform target; do
  [ -n "$platform" ] || continue
  [[ -z "${PLATFORMS:-}" || " $PLATFORMS " == *" $platform "* ]] || continue
  if ! rustup target add "$target" >&2; then
    echo "programs.sh: Rust has no target $target here; the release lacks $platform" >&2
    continue
  fi
  echo "programs.sh: $platform" >&2
  (cd "$ROOT" && cargo zigbuild --release --locked -p oauthclient-operator --bins --target "$target" >&2)
  mkdir -p "$out/$platform"
  for program in oauthclient-operator kubectl-oauthclient; do
    cp "$CARGO_TARGET_DIR/$target/release/$program" "$out/$platform/"
  done
  built=$((built + 1))
done <<<"$platforms"
[ "$built" -gt 0 ] || { echo "programs.sh: no platform could be built" >&2; exit 1; }
echo "programs.sh: built $built platforms; not built: darwin (links frameworks of Apple's SDK), windows (needs a Unix terminal)" >&2
