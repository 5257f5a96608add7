#!/usr/bin/env bash
# Runs the tests that depend on the API server on other versions of Kubernetes: installation, the rules of the resource definition, the life
# of resources, watches and outages, and the admission policies where the version has them. Usage: testkit/test-versions.sh VERSION...
set -euo pipefail
cd "$(dirname "$0")/.."
failed=0
results=()
for version in "$@"; do
  KUBEBUILDER_ASSETS=$(testkit/api-server-version.sh "$version")
  export KUBEBUILDER_ASSETS
  echo "==> Kubernetes $version" >&2
  cluster=(life:: life_cycle:: api_server:: own_account::)
  deploy=()
  if [ "$(cut -d. -f2 <<<"$version")" -lt 30 ]; then
    # ValidatingAdmissionPolicy is in v1 since 1.30.
    cluster=(life:: life_cycle:: api_server::)
    deploy=(--skip a_cluster_takes_it_all_strictly)
  fi
  log=$(mktemp)
  result=passed
  {
    cargo test --locked --no-fail-fast --test manifests --test deploy -- "${deploy[@]}" &&
      cargo test --locked --no-fail-fast --test cluster -- "${cluster[@]}"
  } 2>&1 | tee "$log" >&2 || { result=failed; failed=1; }
  counts=$(sed -n 's/^test result: .*\. \([0-9]*\) passed; \([0-9]*\) failed; .*/\1 \2/p' "$log" | awk '{p += $1; f += $2} END {print p " passed, " f " failed"}')
  rm -f "$log"
  results+=("Kubernetes $version: $result ($counts)")
done
printf '%s\n' "${results[@]}"
exit "$failed"
