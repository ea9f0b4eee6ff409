# Arguments: the tag as NAME=value, and the resource limit that stands for it.
# Input: the pid of the group's leader on the first line; it ends when the host process dies.
tag=$1
limit=$2
read -r leader
read -r _
# Without /proc no tag is visible, but ps shows the leader's descendants while it lives.
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
signal_all() {
  # Checks the tag, because the pid may have been reused.
  if [ -n "$leader" ] && { [ ! -d /proc/self ] || grep -qaFe "$tag" -e "$limit" "/proc/$leader/environ" "/proc/$leader/limits"; }; then
    kill -s "$1" -- "-$leader"
  fi
  for process in $descendants; do
    kill -s "$1" "$process"
  done
  for process in $(grep -laFe "$tag" -e "$limit" /proc/[0-9]*/environ /proc/[0-9]*/limits); do
    process=${process#/proc/}
    kill -s "$1" "${process%/*}"
  done
}
signal_all TERM
sleep 1
signal_all KILL
# Again, for processes that were started during the first pass.
signal_all KILL
