#!/bin/sh
# SPDX-License-Identifier: MIT
#
# build.sh OUTDIR - put peer-java-fjp and peer-java-cached into OUTDIR: scripts
# that run the classes of OUTDIR/java. Exits 77 where there is no JDK 17.

set -eu
[ $# = 1 ] || {
	echo "usage: build.sh OUTDIR" >&2
	exit 2
}
for tool in javac jar java; do
	command -v "$tool" >/dev/null || {
		echo "peers/java: no $tool (Debian: openjdk-17-jdk-headless)" >&2
		exit 77
	}
done
# No other one: how Java calls madvise() differs from release to release.
release=$(javac -version 2>&1 | sed 's/[^0-9]*\([0-9]*\).*/\1/')
[ "$release" = 17 ] || {
	echo "peers/java: javac is of Java $release, not 17" >&2
	exit 77
}
mkdir -p "$1/java"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")"
classes=$(mktemp -d)
trap 'rm -rf "$classes"' EXIT
javac -Xlint:all --add-modules jdk.incubator.foreign -d "$classes" ./*.java
jar cf "$out/java/peers.jar" -C "$classes" .

# wrap PEER CLASS: the script that runs it. The module is an option only where it
# is used, because it costs the JVM its ready-made image of the others.
wrap()
{
	cat >"$out/$1" <<EOF
#!/bin/sh
case " \$* " in
*" blockread "*)
	set -- --add-modules jdk.incubator.foreign \\
		--enable-native-access=ALL-UNNAMED $2 "\$@"
	;;
*)
	set -- $2 "\$@"
	;;
esac
exec java -cp "\$(dirname "\$0")/java/peers.jar" "\$@"
EOF
	chmod +x "$out/$1"
}

wrap peer-java-fjp Fjp
wrap peer-java-cached Cached
