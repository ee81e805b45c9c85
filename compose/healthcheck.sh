#!/bin/bash
# healthcheck PORT [PATH]: succeeds if http://127.0.0.1:PORT/PATH answers 200. For images, which have
# no curl; whoever calls it sets the time limit.
set -u
exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "${2:-/healthz}" >&3
read -r _ status _ <&3 || exit 1
[ "$status" = 200 ]
