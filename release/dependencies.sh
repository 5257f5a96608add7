#!/usr/bin/env bash
# Checks licences, bans and sources of all dependencies (deny.toml), and advisories where ADVISORY_DB names a folder with a clone
# of RustSec's database.
. "$(dirname "$0")/common.sh"
cd "$ROOT"
deny=$(cargo_tool cargo-deny 0.20.2)
"$deny" --locked check --hide-inclusion-graph bans licenses sources
if [ -n "${ADVISORY_DB:-}" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  # The name that cargo-deny gives to a clone of RustSec's own address.
  ln -s "$(realpath "$ADVISORY_DB")" "$work/advisory-db-3157b0e258782691"
  sed "s#^\[advisories\]#[advisories]\ndb-path = \"$work\"#" deny.toml >"$work/deny.toml"
  "$deny" --locked --offline --config "$work/deny.toml" check --hide-inclusion-graph advisories
else
  echo "dependencies.sh: advisories were not checked: ADVISORY_DB names no folder with RustSec's database" >&2
fi
