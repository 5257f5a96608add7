#!/usr/bin/env bash
# Checks the Dockerfile. One rule is off: versions of Alpine's packages come with the base image's, and old ones are removed there.
. "$(dirname "$0")/common.sh"
"$(python_tools requirements-check.txt)/bin/hadolint" --ignore DL3018 "$ROOT/Dockerfile"
