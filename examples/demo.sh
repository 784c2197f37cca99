#!/usr/bin/env bash
# The main job on real input: from a git repository to a page and its log, with
# no registry and no internet. All of it is on loopback, under an instance name
# of its own, and gone at the end. On a terminal it goes on until Ctrl-C.
set -euo pipefail
cd "$(dirname "$0")/.."

bold='' dim='' off=''
[ -t 1 ] && bold=$'\e[1m' dim=$'\e[2m' off=$'\e[0m'
title() { printf '\n%s%s%s\n' "$bold" "$*" "$off"; }

# show runs a command of dockwire as a reader would type it.
show() {
	printf '%s$ dockwire %s%s\n' "$dim" "$*" "$off"
	bin/dockwire "$@"
}

# free_port gives the first port from $1 on that nobody listens on.
free_port() {
	local port=$1
	while (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
	echo "$port"
}

# remove_all removes every container and image of the demo's instance, those
# that somebody made while it ran too.
remove_all() {
	bin/dockwire ls 2>/dev/null | awk 'NR > 1 { print $1 }' | xargs --no-run-if-empty bin/dockwire rm >/dev/null || true
	bin/dockwire images 2>/dev/null | awk 'NR > 1 { print $1 }' | sort -u | xargs --no-run-if-empty bin/dockwire rmi >/dev/null || true
}

dir=$(mktemp -d) daemon='' git=''
clean_up() {
	trap '' INT
	title "Cleaning up"
	if [ -n "$daemon" ]; then
		remove_all
		kill "$daemon" && wait "$daemon" || true
	fi
	[ -z "$git" ] || kill "$git"
	rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 0' INT TERM

title "A small web app becomes a git repository, served on loopback"
arch=$(docker version --format '{{.Server.Arch}}' 2>/dev/null || go env GOARCH)
mkdir "$dir/hello"
CGO_ENABLED=0 GOOS=linux GOARCH=$arch go build -trimpath -ldflags '-s -w' -o "$dir/hello/hello" ./examples/hello
cp examples/hello/Dockerfile "$dir/hello"
git -C "$dir/hello" init --quiet --initial-branch main
git -C "$dir/hello" add .
git -C "$dir/hello" -c user.name=demo -c user.email=demo@localhost commit --quiet --message 'Say hello'
go build -o "$dir/gitserve" ./examples/gitserve
exec 3< <(exec setsid "$dir/gitserve" -root "$dir")
git=$!
read -r origin <&3
url=$origin/hello
echo "$url"

title "The daemon starts"
export DOCKWIRE_URL="ws://127.0.0.1:$(free_port 7420)"
ingress=127.0.0.1:$(free_port 8420)
setsid bin/dockwire serve --listen "${DOCKWIRE_URL#ws://}" --ingress "$ingress" --allow-git 127.0.0.1 \
	--state-dir "$dir/state" --instance "demo-$$" >"$dir/daemon.log" 2>&1 &
daemon=$!
until DOCKWIRE_TOKEN=$(bin/dockwire token --state-dir "$dir/state" 2>/dev/null) && export DOCKWIRE_TOKEN && bin/dockwire ls >/dev/null 2>&1; do
	kill -0 $daemon 2>/dev/null || { cat "$dir/daemon.log"; daemon=''; exit 1; }
	sleep 0.1
done
echo "JSON-RPC at $DOCKWIRE_URL, apps at http://NAME.localhost:${ingress#*:}"

title "It builds an image from the repository"
show build hello "$url"

title "It runs a container with a domain of its own"
show create hello hello
show ls

title "The page at http://hello.localhost:${ingress#*:}/"
page() {
	exec 4<>"/dev/tcp/127.0.0.1/${ingress#*:}"
	printf 'GET / HTTP/1.1\r\nHost: hello.localhost\r\nConnection: close\r\n\r\n' >&4
	cat <&4
	exec 4>&-
}
for _ in {1..100}; do # the app may need a moment to listen
	html=$(page)
	[[ $html == *' 200 OK'* ]] && break
	sleep 0.1
done
[[ $html == *' 200 OK'* ]] || { echo "$html"; exit 1; }
sed -n '/<h1>/,$ { s/<[^>]*>//g; /./p }' <<<"$html"

title "Its log, as it is written"
printf '%s$ dockwire logs -f hello%s\n' "$dim" "$off"
for ((n = 0; n < 4; n++)); do
	read -r line && echo "$line"
done < <(exec bin/dockwire logs -f hello)

title "Now it is your turn"
cat <<END
In a browser       http://hello.localhost:${ingress#*:}/
The repository     $url
In another shell   export DOCKWIRE_URL=$DOCKWIRE_URL DOCKWIRE_TOKEN=$DOCKWIRE_TOKEN
                   $PWD/bin/dockwire top -f hello
With wscat         wscat -c $DOCKWIRE_URL -H "Authorization: Bearer $DOCKWIRE_TOKEN"
                   {"jsonrpc":"2.0","id":1,"method":"list"}
                   {"jsonrpc":"2.0","id":2,"method":"hello/logs","params":{"follow":true}}
END
[ -t 0 ] && [ -t 1 ] || exit 0
title "The log goes on; Ctrl-C ends the demo and removes all that it made"
bin/dockwire logs -f hello --tail 0
