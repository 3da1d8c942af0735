#!/bin/sh
# Checksums of thousands of small files: procpool beside GNU parallel and xargs. The contenders take turns, the table has medians.
#
#	sh testdata/peers/files.sh [PROCPOOL [FILES [ROUNDS]]]     by default: procpool 4000 7
#
# It installs nothing; a contender that is missing is told of and left out. Every contender's output is compared with that of a single sha256sum.
set -eu

procpool=${1:-procpool} files=${2:-4000} rounds=${3:-7}
workers=$(nproc)

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
mkdir "$dir/in"
head -c $((files * 4096)) /dev/urandom | split -b 4096 -a 5 - "$dir/in/f"
find "$dir/in" -type f >"$dir/list"
xargs sha256sum <"$dir/list" | sort >"$dir/want"

# Each contender reads the list and writes the sums.
procpool_run() { "$procpool" run sha256 --workers "$workers" --quiet -; }
procpool_unordered() { "$procpool" run sha256 --workers "$workers" --quiet --unordered -; }
parallel_1() { parallel --will-cite -j "$workers" sha256sum; }
parallel_m() { parallel --will-cite -j "$workers" -m sha256sum; }
xargs_1() { xargs -P "$workers" -n 1 sha256sum; }
xargs_64() { xargs -P "$workers" -n 64 sha256sum; }

name() {
	case $1 in
	procpool_run) echo "procpool run sha256 -" ;;
	procpool_unordered) echo "procpool run sha256 - --unordered" ;;
	parallel_1) echo "parallel sha256sum" ;;
	parallel_m) echo "parallel -m sha256sum" ;;
	xargs_1) echo "xargs -P$workers -n1 sha256sum" ;;
	xargs_64) echo "xargs -P$workers -n64 sha256sum" ;;
	esac
}

contenders=""
have() { # PROGRAM CONTENDER...
	program=$1
	shift
	if command -v "$program" >/dev/null; then
		contenders="$contenders $*"
	else
		echo "files.sh: there is no $program here: left out" >&2
	fi
}
have "$procpool" procpool_run procpool_unordered
have parallel parallel_1 parallel_m
have xargs xargs_1 xargs_64

for round in $(seq 0 "$rounds"); do
	for c in $contenders; do
		began=$(date +%s%N)
		"$c" <"$dir/list" >"$dir/got"
		ended=$(date +%s%N)
		sort "$dir/got" | cmp -s - "$dir/want" || { echo "files.sh: $(name "$c"): wrong sums" >&2; exit 1; }
		[ "$round" -eq 0 ] || echo $(((ended - began) / 1000)) >>"$dir/$c" # the first round warms up
	done
done

median() { sort -n "$1" | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'; }
first=$(median "$dir/$(echo "$contenders" | awk '{ print $1 }')")
echo "| $files files of 4 KiB, $workers at a time | seconds | files/s | times the first |"
echo "|---|---|---|---|"
for c in $contenders; do
	t=$(median "$dir/$c")
	awk -v name="$(name "$c")" -v t="$t" -v n="$files" -v first="$first" \
		'BEGIN { printf "| `%s` | %.3f | %d | %.1f |\n", name, t / 1e6, n * 1e6 / t, t / first }'
done
