#!/usr/bin/env bash
# Pushes what lies in dist/ (or DIST): the image to the repository in dist/image.txt, the chart to CHART_REPOSITORY, as
# oci://registry.example.com/charts. With COSIGN_KEY the image is signed and attested. REGISTRY_OPTIONS are further options of
# crane, COSIGN_REGISTRY_OPTIONS of cosign, HELM_REGISTRY_OPTIONS of helm push.
. "$(dirname "$0")/common.sh"
dist=${DIST:-$ROOT/dist}
image=$(cat "$dist/image.txt")
repository=${image%@*}
case $repository in
  */*) ;;
  *) echo "publish.sh: dist/image.txt names no registry: build with IMAGE=REGISTRY/oauthclient-operator" >&2; exit 1 ;;
esac

crane=$(tool crane)
# shellcheck disable=SC2086 # options are words
"$crane" push ${REGISTRY_OPTIONS:-} "$dist/image" "$repository:$VERSION" >&2
# shellcheck disable=SC2086
pushed=$("$crane" digest ${REGISTRY_OPTIONS:-} "$repository:$VERSION")
[ "$pushed" = "${image#*@}" ] || { echo "publish.sh: the registry has $pushed, not ${image#*@}" >&2; exit 1; }

if [ -n "${COSIGN_KEY:-}" ]; then
  cosign=$(tool cosign)
  # shellcheck disable=SC2206
  options=(--yes --key "$COSIGN_KEY" ${COSIGN_REGISTRY_OPTIONS:-})
  [ -z "${COSIGN_OFFLINE:-}" ] || options+=(--tlog-upload=false --use-signing-config=false)
  "$cosign" sign --recursive "${options[@]}" "$image" >&2
  "$cosign" attest "${options[@]}" --type cyclonedx --predicate "$dist/oauthclient-operator-$VERSION.cdx.json" "$image" >&2
  "$cosign" attest "${options[@]}" --type slsaprovenance1 --predicate "$dist/provenance.json" "$image" >&2
else
  echo "publish.sh: COSIGN_KEY is not set: the image is not signed" >&2
fi
if [ -n "${CHART_REPOSITORY:-}" ]; then
  # shellcheck disable=SC2086
  "$(tool helm-4)" push ${HELM_REGISTRY_OPTIONS:-} "$dist/oauthclient-operator-$VERSION.tgz" "$CHART_REPOSITORY" >&2
fi
echo "$image"
