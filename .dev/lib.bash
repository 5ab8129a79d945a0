# Shared by the scripts of this folder. Sourced, with `set -euo pipefail` in force.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUN=$ROOT/node_modules/.bin/bun
ENGINE_USER=${PROA_USER:-proa} # who runs the engine when the scripts are started as root
export ROOT BUN ENGINE_USER

say() { printf '==> %s\n' "$*" >&2; }
die() {
	printf 'Error: %s\n' "$*" >&2
	exit 1
}

is_root() { [ "$(id -u)" = 0 ]; }

# as_engine_user DIR COMMAND...: run the command in DIR as the unprivileged user, with a clean environment. Called by root.
# The user's variables are those of a login; what a terminal and the network need is kept.
as_engine_user() {
	local dir=$1 uid home name
	shift
	uid=$(id -u "$ENGINE_USER")
	home=$(getent passwd "$ENGINE_USER" | cut -d: -f6)
	local -a environment=(
		"HOME=$home" "USER=$ENGINE_USER" "LOGNAME=$ENGINE_USER" SHELL=/bin/bash
		PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin
		"XDG_RUNTIME_DIR=/run/user/$uid" "TERM=${TERM:-dumb}" LANG=C.UTF-8
	)
	for name in http_proxy https_proxy no_proxy NO_COLOR CI PROA_TEST_TMP; do
		[ -z "${!name:-}" ] || environment+=("$name=${!name}")
	done
	(cd / && setpriv --reuid "$uid" --regid "$(id -g "$ENGINE_USER")" --init-groups --inh-caps=-all \
		env -i "${environment[@]}" sh -c 'cd "$1" && shift && exec "$@"' sh "$dir" "$@")
}

# Bring dist/proa up to date; one at a time, as the objects in native/build are shared.
build() {
	mkdir -p "$ROOT/dist"
	flock "$ROOT/dist" "$BUN" "$ROOT/.dev/build.ts"
}

home_of_engine_user() { getent passwd "$ENGINE_USER" | cut -d: -f6; }

# stage: a copy of the tree where the unprivileged user can read it (the clone may lie in a directory that only root enters), for
# this run alone. Prints its path. What is large and seldom changes, node_modules and dist/proa, is kept between runs.
# Called by root, after the build; the caller removes the copy with unstage.
stage() {
	local base modules proa run
	base=$(home_of_engine_user)/.cache/proa-checkout
	modules=modules-$(sha256sum <"$ROOT/node_modules/.proa-stamp" | cut -c1-16)
	proa=proa-$(cut -c1-16 "$ROOT/dist/proa.inputs")
	as_engine_user / mkdir -p "$base"
	exec 8<"$base"
	flock 8
	# the last few are kept: other runs may be using them
	find "$base" -mindepth 1 -maxdepth 1 \( -name 'modules-*' -o -name 'proa-*' -o -name 'run-*' \) -mmin +1440 -exec rm -rf {} +
	if [ ! -e "$base/$modules/node_modules/.proa-stamp" ]; then
		tar -C "$ROOT/node_modules" --exclude=./@oven --exclude=./@biomejs --exclude=./typescript --exclude=./@typescript \
			--exclude=./.proa-stamp -cf - . | as_engine_user / sh -c 'mkdir -p "$1" && tar -C "$1" -xf -' sh "$base/$modules/node_modules"
		as_engine_user / tee "$base/$modules/node_modules/.proa-stamp" <"$ROOT/node_modules/.proa-stamp" >/dev/null
	fi
	if [ ! -e "$base/$proa" ]; then
		as_engine_user / sh -c 'cat >"$1.tmp" && chmod 755 "$1.tmp" && mv "$1.tmp" "$1"' sh "$base/$proa" <"$ROOT/dist/proa"
	fi
	as_engine_user / touch "$base/$modules" "$base/$proa"
	run=$(as_engine_user / mktemp -d "$base/run-XXXXXX")
	tar -C "$ROOT" --exclude=./.git --exclude=./node_modules --exclude=./dist -cf - . | as_engine_user "$run" tar -xf -
	as_engine_user "$run" sh -c 'chmod 755 . && mkdir dist && ln "../$1" dist/proa && ln -s "../$2/node_modules" node_modules' sh "$proa" "$modules"
	exec 8<&-
	printf '%s\n' "$run"
}

unstage() { rm -rf -- "$1"; }
