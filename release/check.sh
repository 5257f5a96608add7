#!/usr/bin/env bash
# Proves that a release is reproducible: builds it twice, from two checkouts in different folders with different build folders,
# and compares every file; then signs, publishes and verifies it (verify.sh). Takes as long as two builds with everything optimized.
# With PROGRAMS, a folder that programs.sh has filled for this commit in another folder, that is the first build.
. "$(dirname "$0")/common.sh"
work=$(mktemp -d "${TMPDIR:-/tmp}/release-check.XXXXXX")
trap 'rm -rf "$work"' EXIT
for run in first second-with-a-longer-name; do
  git clone --quiet "$ROOT" "$work/$run"
  (
    cd "$work/$run"
    git checkout --quiet "$(git -C "$ROOT" rev-parse HEAD)"
    if [ "$run" = first ] && [ -n "${PROGRAMS:-}" ]; then
      cp -R "$PROGRAMS" "$work/$run-programs"
    else
      release/programs.sh "$work/$run-programs" "$work/$run-target"
    fi
    PROGRAMS=$work/$run-programs DIST=$work/$run-dist COSIGN_KEY='' release/build.sh
  )
  rm -rf "$work/$run-target"
done
diff --recursive "$work/first-dist" "$work/second-with-a-longer-name-dist"
echo "Both builds are the same: $(sha256sum <"$work/first-dist/SHA256SUMS" | cut -c1-64)"
"$ROOT/release/verify.sh" "$work/first-programs"
