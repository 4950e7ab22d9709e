#!/bin/sh
# SPDX-License-Identifier: MIT
#
# table.sh FILE... - the table of all cases in these rooms, as C source.

set -eu
echo '/* Made by table.sh. */'
echo '#include "case.h"'
list=
rooms=
for file; do
	room=$(basename "$file" .c)
	for id in $(sed -n 's/^CASE(\([a-z0-9_]*\).*/\1/p' "$file"); do
		echo "extern const struct conf_case conf_$id;"
		list="$list	\&conf_$id,\n"
		rooms="$rooms	\"$room\",\n"
	done
done
printf 'const struct conf_case *const conf_cases[] = {\n'
printf '%b' "$list" | sed 's/\\&/\&/'
printf '};\nconst char *const conf_rooms[] = {\n'
printf '%b' "$rooms"
printf '};\nconst int conf_nr_cases = ARRAY_SIZE(conf_cases);\n'
