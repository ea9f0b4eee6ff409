#!/bin/sh
# A Codex that costs next to nothing while it talks: it passes on what another process writes into the FIFO named by
# STUB_VOICE. Then it leaves a picture, and ends.

cat >/dev/null
read -r thread </proc/sys/kernel/random/uuid
printf '{"type":"thread.started","thread_id":"%s"}\n' "$thread"
cat "$STUB_VOICE"
store="$CODEX_HOME/generated_images/$thread"
mkdir -p "$store" && cp "$STUB_PICTURE" "$store/exec-1.png"
