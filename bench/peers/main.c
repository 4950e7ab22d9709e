/* SPDX-License-Identifier: MIT */
/*
 * main.c - one scenario in one process.
 *
 *	peer-NAME SCENARIO [--quick]
 *	peer-NAME --list
 *
 * prints lines "NAME VALUE". Exit status 77: this peer cannot do this. --quick is a
 * thousandth of the work, to see that all is there; its values mean nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "shared.h"

/* Sleepers of 1 ms between 100 us of CPU: 11 for each running one, and some. */
#define MIX_BLOCKED -16

static bool quick;

static int empty(void)
{
	return PEER_OK;
}

static const struct scenario scenarios[] = {
	{ "submit1", submit1, 0, true },
	{ "submit2", submit2, 0, true },
	{ "submit4", submit4, 0, true },
	{ "chain", chain, 0, true },
	{ "pingpong", pingpong, 0, true },
	{ "pingpong1", pingpong, 0, true },
	{ "burst", burst, 0, false },
	{ "blocked64_cold", blocked64_cold, 64, false },
	{ "blocked64_warm", blocked64_warm, 64, false },
	{ "blockmix", blockmix, MIX_BLOCKED, false },
	{ "blockread", blockread, MIX_BLOCKED, false },
	{ "oversub", oversub, 0, false },
	{ "quota", oversub, 0, false },
	{ "timers_pair", timers_pair, 0, false },
	{ "timers_late", timers_late, 0, false },
	{ "idle", idle, 0, false },
	{ "startup", startup, 0, false },
	{ "empty", empty, 0, false },
	{ "empty_mem", memory_used, 0, false },
	{ NULL, NULL, 0, false },
};

void emit(const char *name, double value)
{
	printf("%s %.4f\n", name, value);
}

int work_size(int n, int least)
{
	if (quick)
		n /= 1000;
	return n > least ? n : least;
}

int fib_size(void)
{
	return quick ? 12 : 27;
}

static long fib_plain(int n)
{
	return n < 2 ? n : fib_plain(n - 1) + fib_plain(n - 2);
}

/* The tree of calls has fib(n + 1) leaves, and one node less than that. */
void emit_fib(int n, long sum, uint64_t ns)
{
	if (sum != fib_plain(n))
		die("fib(%d) is not %ld", n, sum);
	emit("task_ns", (double)ns / (double)(2 * fib_plain(n + 1) - 1));
}

static bool can(const char *name)
{
	if (!strncmp(name, "timers_", 7) && !peer_timer_arm)
		return false;
	return peer_can(name);
}

/* Whether @name is that of the scenario, and whether with the variant's suffix. */
static bool is_named(const struct scenario *sc, const char *name, bool *variant)
{
	size_t len = strlen(sc->name);

	*variant = peer_variant && sc->variant &&
		   !strncmp(sc->name, name, len) &&
		   !strcmp(name + len, peer_variant);
	return *variant || !strcmp(sc->name, name);
}

static const struct scenario *find(const struct scenario *sc, const char *name,
				   bool *variant)
{
	for (; sc && sc->name; sc++) {
		if (is_named(sc, name, variant))
			return sc;
	}
	return NULL;
}

static void list(const struct scenario *sc)
{
	for (; sc && sc->name; sc++) {
		if (!can(sc->name))
			continue;
		printf("%s\n", sc->name);
		if (peer_variant && sc->variant)
			printf("%s%s\n", sc->name, peer_variant);
	}
}

static int usage(void)
{
	fprintf(stderr,
		"Usage: peer-%s SCENARIO [--quick]\n       peer-%s --list\n",
		peer_name, peer_name);
	return 2;
}

static int run(const char *name)
{
	const struct scenario *sc;
	bool variant;

	sc = find(scenarios, name, &variant);
	if (!sc)
		sc = find(peer_scenarios, name, &variant);
	if (!sc || !can(sc->name)) {
		fprintf(stderr, "peer-%s cannot do %s\n", peer_name, name);
		return PEER_CANNOT;
	}
	if (sc->run == empty)
		return PEER_OK;
	peer_open(variant,
		  sc->blocked < 0 ? -sc->blocked * nr_cpus() : sc->blocked);
	peer_attach();
	return sc->run();
}

/*
 * Ends with _exit(): workers may still sleep in tasks, and how a library takes that is
 * not what is measured.
 */
int main(int argc, char **argv)
{
	int rc;

	if (argc == 3 && !strcmp(argv[2], "--quick"))
		quick = true;
	else if (argc != 2)
		return usage();
	if (!strcmp(argv[1], "--list")) {
		list(scenarios);
		list(peer_scenarios);
		return 0;
	}
	rc = run(argv[1]);
	if (fflush(stdout))
		rc = PEER_FAILED;
	_exit(rc);
}
