#!/usr/bin/env bash
# Runs the demo: a gateway on the in-memory broker and a feed of lifelike events for its page.
# REDIS=1: a redis-server, notifications-server, notifications-edge, and the feed published over Redis.
#
# PORT, GRPC_PORT, ADMIN_PORT: wished ports; one that is taken is replaced and said. RATE: events per
# second. HOST: the address to listen on. Ctrl-C stops everything. Logs: build/run/.
# shellcheck disable=SC2317  # functions that are called by traps and as arguments
set -euo pipefail
cd "$(dirname "$0")/.."

bin=build/bin
logs=build/run
host=${HOST:-127.0.0.1}
names=()
pids=()

fail() {
  echo "run: $*" >&2
  exit 1
}

# Newest first: the feed ends before what it feeds, Redis last.
stop_all() {
  local i
  trap '' INT TERM
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
    kill -TERM "${pids[i]}" 2>/dev/null || true
    wait "${pids[i]}" 2>/dev/null || true
  done
}
trap stop_all EXIT
trap 'echo; exit 130' INT
trap 'exit 143' TERM

start() { # name command...
  local name=$1
  shift
  "$@" >"$logs/$name.log" 2>&1 </dev/null &
  names+=("$name")
  pids+=("$!")
}

# Says which program ended although nobody asked it to.
report_ended() {
  local i
  for i in "${!pids[@]}"; do
    kill -0 "${pids[i]}" 2>/dev/null && continue
    echo "run: ${names[i]} ended; the end of $logs/${names[i]}.log:" >&2
    tail -n 15 "$logs/${names[i]}.log" >&2
    return 0
  done
  return 1
}

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Prints the first of 100 ports, from the given one on, that can be listened on. Binds to find out: a
# port may be in use although nobody answers there.
first_free_port() { # wished taken...
  /usr/bin/python3 - "$host" "$@" <<'PY'
import socket, sys
host, wished, taken = sys.argv[1], int(sys.argv[2]), {int(port) for port in sys.argv[3:]}
for port in range(wished, min(wished + 100, 65536)):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen()
        except OSError:
            continue
        if port not in taken:
            print(port)
            break
PY
}

taken_ports=()
# Sets `port` to the wished one, or to the next that is free.
choose_port() { # what wished
  port=$(first_free_port "$2" "${taken_ports[@]}")
  [ -n "$port" ] || fail "no free port for $1 from $2 on"
  taken_ports+=("$port")
  [ "$port" = "$2" ] || echo "run: port $2 is taken, $1 uses $port"
}

# In a subshell: a peer that closes early must not end this script with SIGPIPE.
http_ok() ( # port path
  exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
  printf 'GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' "$2" >&3
  IFS= read -r -t 5 status <&3 && [[ "$status" == *" 200 "* ]]
)

# Sleeps as a builtin, so that a signal is served at once: nobody writes to that pipe.
exec {idle}<> <(:)
nap() { read -r -t "$1" -u "$idle" || true; }

wait_until() { # what command...
  local what=$1 tries
  shift
  for ((tries = 0; tries < 150; tries++)); do
    if "$@" 2>/dev/null; then return 0; fi
    if report_ended; then exit 1; fi
    nap 0.1
  done
  fail "$what did not become ready in 15 s; see $logs/"
}

for program in notifications-gateway notifications-server notifications-edge notifyctl; do
  [ -x "$bin/$program" ] || fail "$bin/$program is missing: make build"
done
mkdir -p "$logs"

choose_port "the page" "${PORT:-3011}" && page_port=$port
choose_port gRPC "${GRPC_PORT:-50051}" && grpc_port=$port
choose_port "the admin listener" "${ADMIN_PORT:-9464}" && admin_port=$port
unset PORT HOST # they are settings of the programs, too
front=(--listen "$host:$page_port" --admin_listen "127.0.0.1:$admin_port" --demo on --drain 0s)
rate=${RATE:-5}

if [ -n "${REDIS:-}" ] && [ "$REDIS" != 0 ]; then
  choose_port redis-server "${REDIS_PORT:-6380}" && redis_port=$port
  choose_port "the server's admin listener" $((admin_port + 1)) && server_admin_port=$port
  redis_url=redis://127.0.0.1:$redis_port/0
  start redis-server redis-server --port "$redis_port" --bind 127.0.0.1 --save '' --appendonly no
  wait_until redis-server answers "$redis_port"
  start server "$bin/notifications-server" --grpc_listen "$host:$grpc_port" \
    --admin_listen "127.0.0.1:$server_admin_port" --redis_url "$redis_url" --drain 0s
  start edge "$bin/notifications-edge" "${front[@]}" --redis_url "$redis_url"
  wait_until notifications-server http_ok "$server_admin_port" /readyz
  wait_until notifications-edge http_ok "$admin_port" /readyz
  start feed "$bin/notifyctl" demo --redis_url "$redis_url" --rate "$rate"
else
  start gateway "$bin/notifications-gateway" "${front[@]}" --grpc_listen "$host:$grpc_port"
  wait_until notifications-gateway http_ok "$admin_port" /readyz
  start feed "$bin/notifyctl" --server "127.0.0.1:$grpc_port" demo --rate "$rate"
fi

printf '%s\n' "" \
  "  page     http://127.0.0.1:$page_port/demo/" \
  "  client   io('http://127.0.0.1:$page_port', {transports: ['websocket']})" \
  "  gRPC     $bin/notifyctl --server 127.0.0.1:$grpc_port stream --room graph" \
  "  redis    ${redis_url:-none, the broker is in memory (REDIS=1 for a real one)}" \
  "  metrics  http://127.0.0.1:$admin_port/metrics" \
  "  logs     $logs/" \
  "" "Ctrl-C stops everything."

# Not `wait -n`, which misses a program that ended before it was called.
until report_ended; do nap 0.3; done
exit 1
