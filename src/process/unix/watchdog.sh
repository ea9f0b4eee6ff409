# The argument is NAME=value. The first line of the input is the number of the group's leader, its end the daemon's.
marker=$1
read -r leader
read -r _
strike() {
  # A number may have been given to somebody else meanwhile; the marker has not.
  if [ -n "$leader" ] && { [ ! -d /proc/self ] || grep -qaFe "$marker" "/proc/$leader/environ"; }; then
    kill -s "$1" -- "-$leader"
  fi
  for process in $(grep -laFe "$marker" /proc/[0-9]*/environ); do
    process=${process#/proc/}
    kill -s "$1" "${process%/environ}"
  done
}
strike TERM
sleep 1
strike KILL
strike KILL
