/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of quota.c: cgroup v1, v2, both at once, in containers; and what is
 * no quota at all.
 *
 * rooms: quota
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quota.h"
#include "unit/fake_os.h"

#define CGROUP "/proc/self/cgroup"
#define MOUNTS "/proc/self/mountinfo"

#define OTHER_MOUNTS                                                       \
	"22 1 0:21 / /proc rw,nosuid - proc proc rw\n"                     \
	"23 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw,errors=a\n" \
	"nonsense\n\n- -\n1 2 3 / /x rw - cgroup2\n"
#define V2_MOUNT                                                              \
	"30 23 0:26 / /sys/fs/cgroup rw shared:4 master:2 - cgroup2 cgroup2 " \
	"rw\n"
#define V1_MOUNT \
	"33 25 0:29 / /cg/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
#define V1_OTHERS                                                \
	"31 25 0:27 / /cg/cpuset rw - cgroup cgroup rw,cpuset\n" \
	"32 25 0:28 / /cg/acct rw - cgroup cgroup rw,cpuacct\n"  \
	"34 25 0:30 / /cg/name rw - cgroup cgroup rw,name=cpu\n"

static int setup(void **state)
{
	(void)state;
	fake_reset();
	quota_reset();
	return 0;
}

static int look(void)
{
	quota_look();
	return quota_cpus();
}

static void system_v2(const char *path)
{
	fake_file(CGROUP, path);
	fake_file(MOUNTS, OTHER_MOUNTS V2_MOUNT);
}

static void system_v1(const char *lines)
{
	fake_file(CGROUP, lines);
	fake_file(MOUNTS, V1_OTHERS OTHER_MOUNTS V1_MOUNT);
}

static void test_nothing_there(void **state)
{
	(void)state;
	assert_int_equal(look(), QUOTA_NONE);
	fake_file(CGROUP, "0::/a\n");
	assert_int_equal(look(), QUOTA_NONE);
	fake_file(MOUNTS, "");
	fake_file(CGROUP, "0::/b\n");
	assert_int_equal(look(), QUOTA_NONE);
}

static void test_v2(void **state)
{
	(void)state;
	system_v2("0::/user/me\n");
	assert_int_equal(look(), QUOTA_NONE);
	fake_file("/sys/fs/cgroup/user/me/cpu.max", "200000 100000\n");
	assert_int_equal(look(), 2);
	fake_file("/sys/fs/cgroup/user/me/cpu.max", "max 100000\n");
	assert_int_equal(look(), QUOTA_NONE);
}

/* To whole CPUs, upwards; at least one. */
static void test_rounding(void **state)
{
	static const struct {
		const char *text;
		int cpus;
	} c[] = {
		{ "100000 100000\n", 1 },
		{ "100001 100000\n", 2 },
		{ "1000 100000\n", 1 },
		{ "250000 100000\n", 3 },
		{ "0 100000\n", 1 },
		{ "400000 50000\n", 8 },
		{ "18446744073709551615 1\n", QUOTA_NONE },
		{ "150000 0\n", QUOTA_NONE },
	};

	(void)state;
	system_v2("0::/a\n");
	for (unsigned int i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		fake_file("/sys/fs/cgroup/a/cpu.max", c[i].text);
		assert_int_equal(look(), c[i].cpus);
	}
}

static void test_garbage(void **state)
{
	static const char *const text[] = {
		"",	     "\n",  "max",	  "100000",	    "100000 ",
		"-1 100000", "a b", "200000 max", "200000\n100000", " 1 1",
		"\xff\xff",
	};

	(void)state;
	system_v2("0::/a\n");
	for (unsigned int i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
		fake_file("/sys/fs/cgroup/a/cpu.max", text[i]);
		assert_int_equal(look(), QUOTA_NONE);
	}
}

/* The tightest of all that can be seen, in whatever order. */
static void test_ancestors(void **state)
{
	(void)state;
	system_v2("0::/a/b/c\n");
	fake_file("/sys/fs/cgroup/a/b/c/cpu.max", "800000 100000\n");
	assert_int_equal(look(), 8);
	fake_file("/sys/fs/cgroup/a/cpu.max", "300000 100000\n");
	assert_int_equal(look(), 3);
	fake_file("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
	assert_int_equal(look(), 3);
	fake_file("/sys/fs/cgroup/cpu.max", "200000 100000\n");
	assert_int_equal(look(), 2);
	fake_file("/sys/fs/cgroup/a/b/c/cpu.max", "100000 100000\n");
	assert_int_equal(look(), 1);
	/* Not beyond the mount, and not its neighbours. */
	fake_file("/sys/fs/cpu.max", "1 100000\n");
	fake_file("/sys/fs/cgroup/a/b/c/cpu.max", NULL);
	assert_int_equal(look(), 2);
}

static void test_v1(void **state)
{
	(void)state;
	system_v1("5:cpuset:/wrong\n4:cpuacct,cpu:/a/b\n3:name=cpu:/wrong\n");
	assert_int_equal(look(), QUOTA_NONE);
	fake_file("/cg/cpu,cpuacct/a/b/cpu.cfs_quota_us", "250000\n");
	assert_int_equal(look(), QUOTA_NONE);
	fake_file("/cg/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n");
	assert_int_equal(look(), 3);
	fake_file("/cg/cpu,cpuacct/a/cpu.cfs_quota_us", "-1\n");
	fake_file("/cg/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
	assert_int_equal(look(), 3);
	fake_file("/cg/cpu,cpuacct/a/cpu.cfs_quota_us", "50000\n");
	assert_int_equal(look(), 1);
	fake_file("/cg/cpu,cpuacct/a/cpu.cfs_period_us", "garbage\n");
	assert_int_equal(look(), 3);
}

/* The controller is in one of them, and quotas of both would count. */
static void test_hybrid(void **state)
{
	(void)state;
	fake_file(CGROUP, "4:cpu,cpuacct:/a\n1:name=systemd:/s\n0::/u\n");
	fake_file(MOUNTS, V1_MOUNT V1_OTHERS V2_MOUNT);
	fake_file("/cg/cpu,cpuacct/a/cpu.cfs_quota_us", "300000\n");
	fake_file("/cg/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
	assert_int_equal(look(), 3);
	fake_file("/sys/fs/cgroup/u/cpu.max", "200000 100000\n");
	assert_int_equal(look(), 2);
	fake_file("/cg/cpu,cpuacct/a/cpu.cfs_quota_us", "100000\n");
	assert_int_equal(look(), 1);
}

/* In a container without a namespace of its own: the path is the host's, and what is
 * mounted begins at the container's cgroup. */
static void test_mounted_from_within(void **state)
{
	(void)state;
	fake_file(CGROUP, "0::/docker/f00/sub\n");
	fake_file(MOUNTS, "30 23 0:26 /docker/f0 /wrong rw - cgroup2 c rw\n"
			  "30 23 0:26 /docker/f00 /cg rw - cgroup2 c rw\n");
	fake_file("/cg/sub/cpu.max", "max 100000\n");
	fake_file("/cg/cpu.max", "200000 100000\n");
	fake_file("/wrong/cpu.max", "100000 100000\n");
	assert_int_equal(look(), 2);
	/* The process is the mount's top. */
	fake_file(CGROUP, "0::/docker/f00\n");
	assert_int_equal(look(), 2);
}

/* The mount that shows the most. */
static void test_several_mounts(void **state)
{
	(void)state;
	fake_file(CGROUP, "0::/a/b\n");
	fake_file(MOUNTS, "30 23 0:26 /a/b /low rw - cgroup2 c rw\n"
			  "30 23 0:26 / /high rw - cgroup2 c rw\n"
			  "30 23 0:26 /a /mid rw - cgroup2 c rw\n");
	fake_file("/low/cpu.max", "300000 100000\n");
	fake_file("/high/a/b/cpu.max", "300000 100000\n");
	fake_file("/high/a/cpu.max", "200000 100000\n");
	assert_int_equal(look(), 2);
}

static void test_outside_of_the_namespace(void **state)
{
	(void)state;
	system_v2("0::/../other\n");
	fake_file("/sys/fs/cgroup/cpu.max", "100000 100000\n");
	fake_file("/sys/fs/cgroup/../other/cpu.max", "100000 100000\n");
	assert_int_equal(look(), QUOTA_NONE);
}

static void test_escaped_mount_point(void **state)
{
	(void)state;
	fake_file(CGROUP, "0::/a\n");
	fake_file(MOUNTS, "30 23 0:26 / /my\\040cg\\134s rw - cgroup2 c rw\n");
	fake_file("/my cg\\s/a/cpu.max", "200000 100000\n");
	assert_int_equal(look(), 2);
}

/* Moved to another cgroup; mounts are read again only then. */
static void test_moved(void **state)
{
	unsigned long before;

	(void)state;
	system_v2("0::/a\n");
	fake_file("/sys/fs/cgroup/a/cpu.max", "200000 100000\n");
	fake_file("/sys/fs/cgroup/b/cpu.max", "300000 100000\n");
	assert_int_equal(look(), 2);
	before = fake.files_read;
	assert_int_equal(look(), 2);
	/* cgroup, a/cpu.max, cpu.max */
	assert_int_equal(fake.files_read, before + 3);
	fake_file(CGROUP, "0::/b\n");
	assert_int_equal(look(), 3);
	fake_file(CGROUP, NULL);
	assert_int_equal(look(), QUOTA_NONE);
}

/* Longer than any buffer of ours: ignored, nothing is overrun. */
static void test_long_paths(void **state)
{
	static char line[9000], mounts[70000];

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	memcpy(line, "0::/", 4);
	system_v2(line);
	assert_int_equal(look(), QUOTA_NONE);
	line[4100] = '\n';
	line[4101] = '\0';
	assert_int_equal(look(), QUOTA_NONE);
	line[4094] = '\n';
	line[4095] = '\0';
	assert_int_equal(look(), QUOTA_NONE);
	/* Many mounts before the right one. */
	for (size_t n = 0; n < 65000; n += strlen(mounts + n))
		snprintf(mounts + n, sizeof(mounts) - n, "%s",
			 "22 1 0:21 / /proc rw,nosuid - proc proc rw\n");
	strcat(mounts, V2_MOUNT);
	fake_file(CGROUP, "0::/a\n");
	fake_file(MOUNTS, mounts);
	fake_file("/sys/fs/cgroup/a/cpu.max", "200000 100000\n");
	assert_int_equal(look(), 2);
}

/* A child looks anew; until then what its parent knew holds. */
static void test_forked(void **state)
{
	(void)state;
	system_v2("0::/a\n");
	fake_file("/sys/fs/cgroup/a/cpu.max", "200000 100000\n");
	assert_int_equal(look(), 2);
	quota_reset();
	assert_int_equal(quota_cpus(), 2);
	fake_file(MOUNTS, "30 23 0:26 / /moved rw - cgroup2 c rw\n");
	fake_file("/moved/a/cpu.max", "300000 100000\n");
	assert_int_equal(look(), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_nothing_there, setup),
		cmocka_unit_test_setup(test_v2, setup),
		cmocka_unit_test_setup(test_rounding, setup),
		cmocka_unit_test_setup(test_garbage, setup),
		cmocka_unit_test_setup(test_ancestors, setup),
		cmocka_unit_test_setup(test_v1, setup),
		cmocka_unit_test_setup(test_hybrid, setup),
		cmocka_unit_test_setup(test_mounted_from_within, setup),
		cmocka_unit_test_setup(test_several_mounts, setup),
		cmocka_unit_test_setup(test_outside_of_the_namespace, setup),
		cmocka_unit_test_setup(test_escaped_mount_point, setup),
		cmocka_unit_test_setup(test_moved, setup),
		cmocka_unit_test_setup(test_long_paths, setup),
		cmocka_unit_test_setup(test_forked, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
