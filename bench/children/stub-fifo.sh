#!/bin/sh
# A stub of Codex that costs almost no processor time. It prints what another process writes into
# the FIFO $STUB_FIFO, then leaves a picture and exits.

[ "$1" = exec ] || exec echo codex-cli 0.169.0
cat >/dev/null
read -r thread </proc/sys/kernel/random/uuid
day="$CODEX_HOME/sessions/2026/01/01"
mkdir -p "$day"
# The default sandbox, as Codex states it.
printf '{"type":"turn_context","payload":{"sandbox_policy":{"type":"workspace-write"}}}\n' \
  >"$day/rollout-x-$thread.jsonl"
printf '{"type":"thread.started","thread_id":"%s"}\n' "$thread"
cat "$STUB_FIFO"
store="$CODEX_HOME/generated_images/$thread"
mkdir -p "$store" && cp "$STUB_PICTURE" "$store/exec-1.png"
