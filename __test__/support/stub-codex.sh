#!/bin/sh
# A stand-in for the Codex CLI that costs a few milliseconds, for when there are thousands of them. STUB_ORDERS names what
# one `codex exec` does: the functions below, in that order. It exits 0 after the last; `mixture.ts` is the other side.

# Of one's own, unless the orders name it.
: "${STUB_THREAD:=$(cat /proc/sys/kernel/random/uuid 2>/dev/null || uuidgen)}"

say() { printf '%s\n' "$1"; }

# Its record states the default sandbox: without that no picture is verified by its place.
thread() {
  day="$CODEX_HOME/sessions/2026/01/01"
  mkdir -p "$day"
  say '{"type":"turn_context","payload":{"sandbox_policy":{"type":"workspace-write"}}}' \
    >"$day/rollout-x-$STUB_THREAD.jsonl"
  say '{"type":"thread.started","thread_id":"'"$STUB_THREAD"'"}'
}
message() {
  say '{"type":"item.completed","item":{"id":"item_0","type":"agent_message","text":"I am thinking."}}'
}
turn_failed() { say '{"type":"turn.failed","error":{"message":"'"$STUB_COMPLAINT"'"}}'; }

# A picture, where Codex itself puts it.
save() {
  store="$CODEX_HOME/generated_images/$STUB_THREAD"
  mkdir -p "$store" && cp "$STUB_PICTURE" "$store/exec-1.png"
}
# A picture, where the agent was told to put it.
copy() { cp "$STUB_PICTURE" od-codex-image.png; }

# 20 MB that are one line, and no event.
long_line() {
  head -c 20000000 /dev/zero | tr '\0' x
  say ''
}
# A gigabyte of messages, the last of them cut off.
flood() {
  yes "$(message)" | head -c 1000000000
  say ''
}

# Lives on, with a tool of the agent's beside it, until both are stopped; or not as long as a test may last.
hang() {
  sleep 90 &
  exec sleep 90
}
# What follows heeds no polite signal.
defy() { trap '' TERM INT HUP; }
fail() { exit 1; }
die() { kill -s KILL $$; }

if [ "$1" = --version ]; then
  say 'codex-cli 0.169.0'
  exit
fi
if [ "$1" = login ]; then
  say 'Not logged in' >&2
  exit 1
fi
cat >/dev/null
for order in $STUB_ORDERS; do "$order"; done
