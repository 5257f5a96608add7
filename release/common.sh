# What the scripts of a release share: where things are, the pinned tools, and the time of everything.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/oauthclient-operator
VERSION=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$ROOT/Cargo.toml" | head -1)
# Two builds of one commit write the same times.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$ROOT" log -1 --format=%ct)}
export SOURCE_DATE_EPOCH

# The path of a Go tool that testkit pins; the first call builds it.
tool() {
  (cd "$ROOT" && cargo run --quiet --locked -p testkit --bin tools -- "$1")
}

# A folder with what a file of requirements names, installed once for each content of that file: programs are in its bin.
python_tools() {
  local file key dir
  file=$ROOT/release/${1:-requirements.txt}
  key=$(sha256sum "$file" | cut -c1-16)
  dir=$CACHE/release-python/$key
  mkdir -p "$(dirname "$dir")"
  (
    flock 9
    [ -d "$dir" ] && exit 0
    rm -rf "$dir.partial"
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --require-hashes --only-binary :all: \
      --target "$dir.partial" -r "$file" >&2
    mv "$dir.partial" "$dir"
  ) 9>"$(dirname "$dir")/lock"
  echo "$dir"
}

# The path of a program from crates.io, of one version, installed once.
cargo_tool() {
  local name=$1 version=$2 dir
  dir=$CACHE/cargo-tools/$name-$version
  mkdir -p "$(dirname "$dir")"
  (
    flock 9
    [ -x "$dir/bin/$name" ] && exit 0
    # With settings of its own: what a release is built with is not for tools.
    env -u RUSTFLAGS -u CFLAGS -u CARGO_TARGET_DIR cargo install --locked --quiet --root "$dir" "$name@$version" >&2
  ) 9>"$(dirname "$dir")/$name.lock"
  echo "$dir/bin/$name"
}
