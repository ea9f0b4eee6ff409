#!/bin/bash
# Starts a Windows program whose output goes through a pipe: in a file that it shares with others, wine writes where it believes
# the end to be.
set -o pipefail
/usr/lib/wine/wine64 "$@" 2>&1 | cat
