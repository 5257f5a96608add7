#!/usr/bin/env bash
# Signs and publishes a release as for users, to a registry on loopback with a key of the moment, and verifies all of it as users
# would. Usage: release/verify.sh PROGRAMS, a folder with the programs (release/programs.sh)
. "$(dirname "$0")/common.sh"
export PROGRAMS=$1
work=$(mktemp -d)
cosign=$(tool cosign)
crane=$(tool crane)
helm=$(tool helm-4)

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$crane" registry serve --address "127.0.0.1:$port" >"$work/registry.log" 2>&1 &
registry=$!
trap 'kill $registry 2>/dev/null; rm -rf "$work"' EXIT
for _ in $(seq 100); do
  (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
  sleep 0.1
done

export COSIGN_PASSWORD=only-for-this-run COSIGN_OFFLINE=1 DIST=$work/dist
(cd "$work" && "$cosign" generate-key-pair >/dev/null 2>&1)
export COSIGN_KEY=$work/cosign.key
IMAGE=127.0.0.1:$port/oauthclient-operator "$ROOT/release/build.sh"
image=$(CHART_REPOSITORY=oci://127.0.0.1:$port/charts REGISTRY_OPTIONS=--insecure HELM_REGISTRY_OPTIONS=--plain-http \
  COSIGN_REGISTRY_OPTIONS=--allow-http-registry "$ROOT/release/publish.sh")

# Only with the key, never without: each check fails for another key.
(cd "$work" && mkdir other && cd other && "$cosign" generate-key-pair >/dev/null 2>&1)
offline=(--insecure-ignore-tlog=true)
verify() {
  local key=$1
  "$cosign" verify --key "$key" "${offline[@]}" --allow-http-registry "$image" >/dev/null 2>&1 || return 1
  for type in cyclonedx slsaprovenance1; do
    "$cosign" verify-attestation --key "$key" --type "$type" "${offline[@]}" --allow-http-registry "$image" >/dev/null 2>&1 || return 1
  done
}
verify "$DIST/cosign.pub" || { echo "verify.sh: the image does not verify with its own key" >&2; exit 1; }
! verify "$work/other/cosign.pub" || { echo "verify.sh: the image verifies with a key that did not sign it" >&2; exit 1; }
blob=(--key "$DIST/cosign.pub" "${offline[@]}")
"$cosign" verify-blob "${blob[@]}" --bundle "$DIST/SHA256SUMS.sigstore.json" "$DIST/SHA256SUMS" >/dev/null 2>&1
echo changed >"$work/changed"
! "$cosign" verify-blob "${blob[@]}" --bundle "$DIST/SHA256SUMS.sigstore.json" "$work/changed" >/dev/null 2>&1
for archive in "$DIST"/*.tar.gz; do
  "$cosign" verify-blob-attestation "${blob[@]}" --type slsaprovenance1 --bundle "$archive.provenance.sigstore.json" \
    "$archive" >/dev/null 2>&1
  [[ $archive = *-darwin-* ]] || "$cosign" verify-blob-attestation "${blob[@]}" --type cyclonedx --bundle "$archive.sbom.sigstore.json" "$archive" >/dev/null 2>&1
done
"$helm" template oauthclient-operator "oci://127.0.0.1:$port/charts/oauthclient-operator" --version "$VERSION" --plain-http \
  | grep -qF "image: \"$image\""
# The programs of this machine's architecture are static and say their version.
case $(uname -m) in x86_64) platform=linux-amd64 ;; *) platform=linux-arm64 ;; esac
for program in oauthclient-operator kubectl-oauthclient; do
  "$PROGRAMS/$platform/$program" --version | grep -qF "$VERSION"
  # What is linked dynamically names an interpreter.
  ! LC_ALL=C grep -qa '/lib64/ld-\|/lib/ld-' "$PROGRAMS/$platform/$program"
done
echo "Signatures, attestations, image, chart and programs verify."
