#!/usr/bin/env bash
# Everything that a release consists of, into dist/ (or DIST). Environment:
#   IMAGE         repository that the image is pulled from, as registry.example.com/oauthclient-operator
#   PROJECT_URL   home page of the project
#   RELEASE_URL   where the archives are downloaded; default: PROJECT_URL/releases/download/vVERSION
#   COSIGN_KEY    key to sign with (a file, or what cosign takes), with COSIGN_PASSWORD; without it nothing is signed
#   PROGRAMS      folder with programs that are built already
. "$(dirname "$0")/common.sh"
dist=${DIST:-$ROOT/dist}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf "$dist"

programs=${PROGRAMS:-}
if [ -z "$programs" ]; then
  programs=$work/programs
  "$ROOT/release/programs.sh" "$programs"
fi
"$ROOT/release/sbom.sh" "$work/sbom.json"
revision=$(git -C "$ROOT" rev-parse HEAD)
[ -z "$(git -C "$ROOT" status --porcelain)" ] || echo "build.sh: the checkout has changes that are not committed" >&2
"$ROOT/release/pack.py" --programs "$programs" --out "$dist" --epoch "$SOURCE_DATE_EPOCH" --revision "$revision" \
  --roots "$(python_tools)/certifi/cacert.pem" --helm "$(tool helm-4)" --sbom "$work/sbom.json" \
  ${IMAGE:+--image "$IMAGE"} ${PROJECT_URL:+--project-url "$PROJECT_URL"} ${RELEASE_URL:+--release-url "$RELEASE_URL"}
"$(tool validate-krew-manifest)" -manifest "$dist/oauthclient.yaml" -skip-install >&2
"$ROOT/release/sign.sh" "$dist"
(cd "$dist" && sha256sum --quiet --check SHA256SUMS)
echo "The release is in $dist:" >&2
ls -l "$dist" >&2
