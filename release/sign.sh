#!/usr/bin/env bash
# Signs what lies in DIST with COSIGN_KEY (and COSIGN_PASSWORD): the checksums, and for each archive who made it of what.
# COSIGN_OFFLINE=1 leaves the public log of signatures out. Without COSIGN_KEY nothing is signed. Usage: release/sign.sh DIST
. "$(dirname "$0")/common.sh"
dist=$1
if [ -z "${COSIGN_KEY:-}" ]; then
  echo "sign.sh: COSIGN_KEY is not set: nothing is signed" >&2
  exit 0
fi
cosign=$(tool cosign)
options=(--yes --key "$COSIGN_KEY")
[ -z "${COSIGN_OFFLINE:-}" ] || options+=(--tlog-upload=false --use-signing-config=false)
"$cosign" sign-blob "${options[@]}" --bundle "$dist/SHA256SUMS.sigstore.json" "$dist/SHA256SUMS" >/dev/null
"$cosign" public-key --key "$COSIGN_KEY" >"$dist/cosign.pub"
sbom=$dist/oauthclient-operator-$VERSION.cdx.json
for archive in "$dist"/*.tar.gz "$dist"/*.zip; do
  [ -f "$archive" ] || continue
  "$cosign" attest-blob "${options[@]}" --type slsaprovenance1 --predicate "$dist/provenance.json" \
    --bundle "$archive.provenance.sigstore.json" "$archive" >/dev/null
  # The bill of materials is of what is linked for Linux.
  [[ ! -f $sbom || $archive = *-darwin-* ]] || "$cosign" attest-blob "${options[@]}" --type cyclonedx --predicate "$sbom" \
    --bundle "$archive.sbom.sigstore.json" "$archive" >/dev/null
done
