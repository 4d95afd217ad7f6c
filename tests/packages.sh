# What building and testing needs, in names of Debian 12. Sourced by `demo`, `run` and .ci/run.

build_packages="build-essential ninja-build meson pkg-config python3 scdoc ca-certificates tzdata publicsuffix
	libevent-dev libcurl4-openssl-dev libc-ares-dev libjson-c-dev liblmdb-dev libyaml-dev libsodium-dev
	libidn2-dev libpsl-dev libexpat1-dev libzip-dev libxlsxwriter-dev libsystemd-dev libjq-dev uthash-dev libcmocka-dev"
test_packages="clang libclang-rt-dev openssl procps python3-aiosmtpd python3-pytest python3-openpyxl curl systemd lmdb-utils nghttp2-proxy"
# LibreOffice reads what leadd wrote. The one without windows does, and would replace one with them.
[ "$(dpkg-query -W -f '${db:Status-Status}' libreoffice-calc 2>/dev/null)" = installed ] || test_packages="$test_packages libreoffice-calc-nogui"

# install_missing PACKAGE...: installs those that are not there; touches nothing and needs no network when all are.
install_missing() {
	missing=
	for package in "$@"; do
		case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
		*" installed") ;;
		*) missing="$missing $package" ;;
		esac
	done
	[ -n "$missing" ] || return 0
	echo "installing:$missing"
	if [ "$(id -u)" -ne 0 ]; then
		echo "only root can do that: apt-get install$missing" >&2
		return 1
	fi
	log=$(mktemp)
	# shellcheck disable=SC2086  # one word each
	if apt-get update -q >"$log" 2>&1 &&
		DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing >>"$log" 2>&1; then
		rm -f "$log"
		return 0
	fi
	tail -n 20 "$log" >&2
	rm -f "$log"
	echo "the packages cannot be installed" >&2
	return 1
}

# fetch_promtool FOLDER: puts promtool there, unless it is on the path. Its package (prometheus) would start a daemon: it is only unpacked.
# Without network, or where it is no Debian, there is none, and the test that wants it is skipped.
fetch_promtool() {
	if command -v promtool >/dev/null || [ -x "$1/promtool" ]; then
		return 0
	fi
	mkdir -p "$1" &&
		(cd "$1" && apt-get download -q prometheus && dpkg -x prometheus_*.deb . && mv usr/bin/promtool . && rm -rf prometheus_*.deb etc lib usr var) >/dev/null 2>&1
}
