#!/bin/sh
# Installs what the tests need and the machine has not got: a JDK 17 and Maven, which fetch and run the search servers,
# and unzip. `ci-install.sh race` instead installs a C compiler, which the race detector needs; `ci-install.sh promtool`
# promtool, which evaluates alert rules. Running it again changes nothing. For Debian, as root.
set -eu

# jdk OLDEST [NEWEST]: prints the home of a JDK whose major version lies between the two.
jdk() {
	for home in "${ESNAP_JAVA17_HOME:-}" "${ESNAP_JAVA21_HOME:-}" "${JAVA_HOME:-}" /usr/lib/jvm/*; do
		[ -x "$home/bin/java" ] && [ -r "$home/release" ] || continue
		major=$(sed -n 's/^JAVA_VERSION="\{0,1\}\([0-9]*\).*/\1/p' "$home/release")
		if [ "${major:-0}" -ge "$1" ] && [ "$major" -le "${2:-9999}" ]; then
			echo "$home"
			return
		fi
	done
}

# install PACKAGES...
install() {
	[ $# -gt 0 ] || return 0
	echo "installing: $*"
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

if [ "${1:-}" = race ]; then
	# A compiler alone is not enough: it has to find the C library.
	works() { echo 'int main(void) { return 0; }' | ${CC:-gcc} -x c -include stdlib.h -o /dev/null - 2>/dev/null; }
	works || install gcc libc6-dev
	works || { echo "${CC:-gcc} does not build a C program, which the race detector needs" >&2; exit 1; }
	echo "C compiler: $(command -v "${CC:-gcc}")"
	exit
fi

if [ "${1:-}" = promtool ]; then
	# Out of the package: installed, it would start a Prometheus.
	if ! command -v promtool >/dev/null; then
		work=$(mktemp -d)
		trap 'rm -rf "$work"' EXIT
		apt-get update -q
		(cd "$work" && apt-get -o APT::Sandbox::User=root download -q prometheus)
		dpkg-deb -x "$work"/prometheus_*.deb "$work/x"
		cp "$work/x/usr/bin/promtool" /usr/local/bin/
	fi
	echo "promtool: $(command -v promtool)"
	exit
fi

missing=
[ -n "$(jdk 17 17)" ] || missing="$missing openjdk-17-jdk-headless"
for command in mvn unzip; do
	command -v "$command" >/dev/null && continue
	case $command in
	mvn) missing="$missing maven" ;;
	*) missing="$missing $command" ;;
	esac
done

# shellcheck disable=SC2086 # a list of packages
install $missing

echo "JDK 17: $(jdk 17 17)"
echo "mvn: $(command -v mvn)"
echo "unzip: $(command -v unzip)"

newer=$(jdk 21)
if [ -n "$newer" ]; then
	echo "JDK 21 or later: $newer"
else
	echo "JDK 21 or later: none. 'make test' does not need it; Elasticsearch 9.2 (es920) and OpenSearch 3.3 (os330) of the test matrix do."
	if apt-cache show openjdk-21-jdk-headless >/dev/null 2>&1; then
		echo "  apt-get install openjdk-21-jdk-headless gives one."
	else
		echo "  This Debian has none: unpack one and set ESNAP_JAVA21_HOME to its folder."
	fi
fi
