#!/bin/bash
# Runs a Windows program with its output in a pipe. In a file that other processes write as well,
# wine writes to a stale offset.
set -o pipefail
/usr/lib/wine/wine64 "$@" 2>&1 | cat
