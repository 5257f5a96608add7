#!/usr/bin/env bash
# Builds the programs of a release into OUT/OS-ARCHITECTURE/: static on Linux (musl), and the same bytes for the same commit wherever
# the checkout lies. Usage: release/programs.sh OUT [TARGET_DIR]; PLATFORMS narrows them down, as PLATFORMS=linux-amd64
. "$(dirname "$0")/common.sh"
out=$1
export CARGO_TARGET_DIR=${2:-$CACHE/release-target}
python=$(python_tools)
# The compiler itself instead of `python3 -m ziglang`, which takes most of the time of small C files.
export CARGO_ZIGBUILD_ZIG_PATH=$python/ziglang/zig PATH=$python/bin:$PATH

# A platform's name in the archives, and Rust's. For macOS there is only the plugin: people have it, clusters do not.
platforms="
linux-amd64 x86_64-unknown-linux-musl
linux-arm64 aarch64-unknown-linux-musl
darwin-amd64 x86_64-apple-darwin
darwin-arm64 aarch64-apple-darwin
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

# What the linker has to know of the frameworks of macOS.
stubs=$CARGO_TARGET_DIR/apple-stubs
mkdir -p "$stubs"
"$ROOT/release/apple_stubs.py" "$stubs"

built=0
while read -r platform target; do
  [ -n "$platform" ] || continue
  [[ -z "${PLATFORMS:-}" || " $PLATFORMS " == *" $platform "* ]] || continue
  if ! rustup target add "$target" >&2; then
    echo "programs.sh: Rust has no target $target here; the release lacks $platform" >&2
    continue
  fi
  echo "programs.sh: $platform" >&2
  programs=(oauthclient-operator kubectl-oauthclient)
  options=()
  flags=$RUSTFLAGS
  if [[ $platform = darwin-* ]]; then
    programs=(kubectl-oauthclient)
    options=(--no-default-features --features plugin)
    flags+=" -L framework=$stubs"
  fi
  (cd "$ROOT" && RUSTFLAGS=$flags cargo zigbuild --release --locked -p oauthclient-operator "${options[@]}" \
    "${programs[@]/#/--bin=}" --target "$target" >&2)
  mkdir -p "$out/$platform"
  for program in "${programs[@]}"; do
    cp "$CARGO_TARGET_DIR/$target/release/$program" "$out/$platform/"
  done
  built=$((built + 1))
done <<<"$platforms"
[ "$built" -gt 0 ] || { echo "programs.sh: no platform could be built" >&2; exit 1; }
echo "programs.sh: built $built platforms; not built: windows (the programs need Unix terminals, signals and file permissions)" >&2
