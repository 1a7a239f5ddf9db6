#!/bin/sh
# entrypoint.sh PROGRAM USER WORD...: as the upstream images do, options may come without the program's name,
# and the program runs as its own user when the container was started as root.
program=$1 user=$2
shift 2
[ "$1" = "$program" ] && shift
for folder in /data/db /consul/data; do
  [ "$(id -u)" = 0 ] && [ -d "$folder" ] && chown "$user" "$folder"
done
[ "$(id -u)" = 0 ] && exec setpriv --reuid "$user" --regid "$user" --clear-groups "$program" "$@"
exec "$program" "$@"
