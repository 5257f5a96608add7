#!/usr/bin/env bash
# Writes the bill of materials of the programs to OUT: CycloneDX as JSON, of what is linked for Linux. Usage: release/sbom.sh OUT
. "$(dirname "$0")/common.sh"
out=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cyclonedx=$(cargo_tool cargo-cyclonedx 0.5.9)
# In a copy: it writes beside each Cargo.toml.
git -C "$ROOT" ls-files -z --cached -- ':*.toml' ':Cargo.lock' ':*.rs' | tar -C "$ROOT" --null -T - -cf - | tar -C "$work" -xf -
(cd "$work" && "$cyclonedx" cyclonedx --format json --spec-version 1.5 --target x86_64-unknown-linux-musl --override-filename sbom >&2)
# What names the copy, names the sources; the time of day and a serial number of chance would differ at each run.
sed "s#$work#/src#g" "$work/sbom.json" | python3 -c '
import datetime, hashlib, json, os, sys, uuid
sbom = json.load(sys.stdin)
sbom.pop("serialNumber", None)
at = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.timezone.utc)
sbom["metadata"]["timestamp"] = at.strftime("%Y-%m-%dT%H:%M:%SZ")
digest = hashlib.sha256(json.dumps(sbom, sort_keys=True).encode()).digest()
sbom["serialNumber"] = "urn:uuid:" + str(uuid.UUID(bytes=digest[:16], version=4))
json.dump(sbom, sys.stdout, indent=1, sort_keys=True)
print()
' >"$out"
