# Exits with 0 when the engine works: a container runs, and names are resolved in it. Arguments: names
# that count where the host itself resolves them. The image is the host's own Python: a registry that
# is away says nothing about the engine. The last line of the output says what does not work.
set -eu
exec 2>&1
name=penguin-try

remove() {
  docker rm -f $name; docker network rm $name; docker image rm -f $name
}

explain() {
  echo "$1"
  exit 1
}

systemctl restart docker || explain "dockerd does not start"
remove >/dev/null 2>&1 || true  # what an interrupted run left
trap 'remove >/dev/null 2>&1 || true' EXIT

cd /
python=$(readlink -f /usr/bin/python3)
libraries=$(ldd "$python" | grep -oE '/[^ ]+')
tar -ch --exclude=__pycache__ /usr/bin/python3 $libraries "usr/lib/${python##*/}" 2>/dev/null |
  docker import - $name >/dev/null || explain "no image can be made"
docker network create $name >/dev/null || explain "no network can be made"
for asked in "$@"; do
  getent hosts "$asked" >/dev/null || continue
  resolved="${resolved-} $asked"
done
run="docker run --rm --name $name --network $name $name python3 -c"
$run pass || explain "a container does not run"
$run 'import socket, sys; [socket.getaddrinfo(name, None) for name in sys.argv[1:]]' \
  $name ${resolved-} || explain "names are not resolved in a container: $name ${resolved-}"
