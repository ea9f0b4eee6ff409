# The arguments are NAME=value and the limit that stands for it. The first line of the input is the number of the group's leader, its end the daemon's.
marker=$1
limit=$2
read -r leader
read -r _
# Without /proc no marker is visible, but ps shows what descends from the leader, as long as it lives.
descendants=
if [ -n "$leader" ] && [ ! -d /proc/self ]; then
  descendants=$(ps -ax -o pid= -o ppid= | awk -v leader="$leader" '
    { parent[$1] = $2 }
    END {
      for (process in parent) {
        for (p = parent[process]; p > 1 && p != leader; p = parent[p]);
        if (p == leader) print process
      }
    }')
fi
strike() {
  # The number may have been reused meanwhile; the marker has not.
  if [ -n "$leader" ] && { [ ! -d /proc/self ] || grep -qaFe "$marker" -e "$limit" "/proc/$leader/environ" "/proc/$leader/limits"; }; then
    kill -s "$1" -- "-$leader"
  fi
  for process in $descendants; do
    kill -s "$1" "$process"
  done
  for process in $(grep -laFe "$marker" -e "$limit" /proc/[0-9]*/environ /proc/[0-9]*/limits); do
    process=${process#/proc/}
    kill -s "$1" "${process%/*}"
  done
}
strike TERM
sleep 1
strike KILL
strike KILL
