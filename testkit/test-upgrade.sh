#!/usr/bin/env bash
# Builds the operator of another revision, then lets that one and the operator of this checkout take over 500 resources from each other.
# Usage: testkit/test-upgrade.sh REVISION, a commit or a tag
set -euo pipefail
cd "$(dirname "$0")/.."
revision=$(git rev-parse --verify "$1^{commit}")
programs=${XDG_CACHE_HOME:-$HOME/.cache}/oauthclient-operator/upgrade
program=$programs/$revision/oauthclient-operator
if [ ! -x "$program" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  git clone --quiet . "$work/checkout"
  git -C "$work/checkout" checkout --quiet "$revision"
  # In the usual folder, so that what both depend on is compiled once.
  target=${CARGO_TARGET_DIR:-$PWD/target}
  (cd "$work/checkout" && CARGO_TARGET_DIR=$target cargo build --locked --bin oauthclient-operator >&2)
  mkdir -p "$programs/$revision"
  cp "$target/debug/oauthclient-operator" "$program.tmp"
  mv "$program.tmp" "$program"
fi
UPGRADE_FROM=$program cargo test --locked --test cluster -- --ignored --nocapture an_upgrade_and_a_downgrade
