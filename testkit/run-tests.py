#!/usr/bin/env python3
"""Builds and runs all tests of the workspace.

The output of a program is printed as a whole when it has ended. The exit code is 1 if a test failed. LANES sets how many programs run
at a time (2): most of them wait most of the time, for servers, a kubelet or a browser.
"""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import time

CARGO = os.environ.get("CARGO", "cargo")
# Those that take longest begin first. Beside the longest of all run those that wait most.
FIRST = ["cluster", "node", "docs", "plugin", "local", "chart", "oauthclient_operator", "simulation"]


def programs():
    """The test programs as (name, path, folder of the package), in the order in which they start."""
    found = {}
    # The test on a real node is built only when it is named.
    for selection in [[], ["--test", "node"]]:
        command = [CARGO, "test", "--workspace", "--locked", "--no-run", "--message-format=json-render-diagnostics", *selection]
        built = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        for line in built.stdout.splitlines():
            message = json.loads(line)
            if message["reason"] != "compiler-artifact" or not message["executable"]:
                continue
            # A test with a `main` of its own is not built with the test profile's harness.
            if message["profile"]["test"] or message["target"]["kind"] == ["test"]:
                folder = pathlib.Path(message["manifest_path"]).parent
                found[message["executable"]] = (message["target"]["name"], message["executable"], folder)
    order = {name: place for place, name in enumerate(FIRST)}
    return sorted(found.values(), key=lambda it: (order.get(it[0], len(order)), it[0]))


def run(program):
    """Runs one program as `cargo test` does, and prints what it printed."""
    name, path, folder = program
    begun = time.monotonic()
    environment = {**os.environ, "CARGO_MANIFEST_DIR": str(folder)}
    ended = subprocess.run([path], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text = ended.stdout.decode(errors="replace")
    print(f"==> {name}: {time.monotonic() - begun:.0f} s\n{text}", flush=True)
    return name if ended.returncode else None


def main():
    all_programs = programs()
    print("Tests:", ", ".join(name for name, _, _ in all_programs), flush=True)
    lanes = int(os.environ.get("LANES", "2"))
    with concurrent.futures.ThreadPoolExecutor(lanes) as pool:
        running = [pool.submit(run, program) for program in all_programs]
        failed = [ended.result() for ended in running if ended.result()]
    if subprocess.run([CARGO, "test", "--workspace", "--locked", "--doc"]).returncode:
        failed.append("documentation")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


main()
