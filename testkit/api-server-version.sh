#!/usr/bin/env bash
# Prints a folder for KUBEBUILDER_ASSETS with the API server and the controllers of another version of Kubernetes. Builds them the first time, into
# the cache outside the checkout: about ten minutes and 200 MB for a version. etcd and kubectl are those of the other tests.
# Usage: testkit/api-server-version.sh VERSION, as 1.29.15
set -euo pipefail
version=$1
root=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/oauthclient-operator/control-plane-versions
built=$cache/$version
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [ ! -d "$built" ]; then
  usual=$(cd "$root" && cargo run --quiet --locked -p testkit --bin control-plane -- build)
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  cd "$work"
  export GOWORK=off
  # The modules that Kubernetes keeps in its own repository have the same minor and patch version.
  original=$(go mod download -json "k8s.io/kubernetes@v$version" | python3 -c 'import json, sys; print(json.load(sys.stdin)["GoMod"])')
  {
    printf 'module oauthclient.dev/testkit/control-plane-version\n\ngo 1.26.0\n\n'
    printf 'tool (\n\tk8s.io/kubernetes/cmd/kube-apiserver\n\tk8s.io/kubernetes/cmd/kube-controller-manager\n)\n\n'
    printf 'require k8s.io/kubernetes v%s\n\n' "$version"
    sed -n 's#^\s*\(k8s.io/[a-z0-9-]*\) => ./staging/.*#\1#p' "$original" | sed "s#.*#replace & => & v0.${version#1.}#"
  } >go.mod
  # Up to 1.30, the controllers link cloud providers unless the build says otherwise.
  go mod tidy -e >&2
  variables=k8s.io/component-base/version
  flags="-s -w -X $variables.gitVersion=v$version -X $variables.gitMajor=1 -X $variables.gitMinor=$(cut -d. -f2 <<<"$version")"
  rm -rf "$built.tmp"
  mkdir "$built.tmp"
  # Without inlining, compiling takes a quarter less, and the tests need no speed of it.
  go build -mod=mod -tags providerless -trimpath -gcflags=all=-l -ldflags "$flags" -o "$built.tmp/" tool >&2
  ln -s "$usual/etcd" "$usual/kubectl" "$built.tmp/"
  mv "$built.tmp" "$built"
fi
echo "$built"
