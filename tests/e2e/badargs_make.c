/* SPDX-License-Identifier: MIT */
/*
 * badargs_make.c - bad arguments: what is allocated, attributes and masks,
 * parameters and files, places for answers; and calls out of place.
 */
#include "badargs.h"

static long owner[8];

/* --- allocation --- */

static bool makes(struct workqueue_struct *wq)
{
	bool made = wq;

	if (made)
		destroy_workqueue(wq);
	return made;
}

TEST(no_name)
{
	struct device *dev = (void *)owner;

	begin();
	ROW(alloc_workqueue, "no name",
	    !alloc_workqueue(no_text, WQ_PERCPU, 0, 1), "NULL name");
	ROW(alloc_ordered_workqueue, "no name",
	    !alloc_ordered_workqueue(no_text, 0, 1), "NULL name");
	ROW(alloc_workqueue_lockdep_map, "no name",
	    !alloc_workqueue_lockdep_map(no_text, WQ_PERCPU, 0, NULL, 1),
	    "NULL name");
	ROW(alloc_ordered_workqueue_lockdep_map, "no name",
	    !alloc_ordered_workqueue_lockdep_map(no_text, 0, NULL, 1),
	    "NULL name");
	ROW(devm_alloc_workqueue, "no name",
	    !devm_alloc_workqueue(dev, no_text, WQ_PERCPU, 0, 1), "NULL name");
	ROW(devm_alloc_ordered_workqueue, "no name",
	    !devm_alloc_ordered_workqueue(dev, no_text, 0, 1), "NULL name");
	ROW(devm_alloc_workqueue, "no owner",
	    !devm_alloc_workqueue(nothing, "x", WQ_PERCPU, 0), "no owner");
	ROW(devm_alloc_ordered_workqueue, "no owner",
	    !devm_alloc_ordered_workqueue(nothing, "x", 0), "no owner");
	ROW(cmwq_device_release, "no owner", !cmwq_device_release(nothing),
	    NULL);
	ROW(cmwq_device_release, "an owner of nothing",
	    !cmwq_device_release(dev), NULL);
	ROW(alloc_workqueue_lockdep_map, "no map",
	    makes(alloc_workqueue_lockdep_map("x", WQ_PERCPU, 0, NULL)), NULL);
}

TEST(bad_flags)
{
	static const unsigned int unknown[] = {
		1U << 9,  1U << 12,	 1U << 20,
		1U << 31, __WQ_DRAINING, __WQ_DESTROYING
	};
	static const unsigned int with_bh[] = {
		WQ_UNBOUND,
		WQ_FREEZABLE,
		WQ_MEM_RECLAIM,
		WQ_SYSFS,
		WQ_CPU_INTENSIVE,
		WQ_POWER_EFFICIENT,
		WQ_CPU_INTENSIVE | WQ_UNBOUND,
	};
	struct device *dev = (void *)owner;

	begin();
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		unsigned int f = unknown[i];

		ROW(alloc_workqueue, "an unknown flag",
		    !alloc_workqueue("odd", WQ_UNBOUND | f, 0), "odd");
		ROW(alloc_ordered_workqueue, "an unknown flag",
		    !alloc_ordered_workqueue("odd", f), "odd");
		ROW(alloc_workqueue_lockdep_map, "an unknown flag",
		    !alloc_workqueue_lockdep_map("odd", WQ_PERCPU | f, 0, NULL),
		    "odd");
		ROW(alloc_ordered_workqueue_lockdep_map, "an unknown flag",
		    !alloc_ordered_workqueue_lockdep_map("odd", f, NULL),
		    "odd");
		ROW(devm_alloc_workqueue, "an unknown flag",
		    !devm_alloc_workqueue(dev, "odd", WQ_PERCPU | f, 0), "odd");
		ROW(devm_alloc_ordered_workqueue, "an unknown flag",
		    !devm_alloc_ordered_workqueue(dev, "odd", f), "odd");
	}
	for (size_t i = 0; i < sizeof(with_bh) / sizeof(with_bh[0]); i++)
		ROW(alloc_workqueue, "what does not go with WQ_BH",
		    !alloc_workqueue("odd", WQ_BH | with_bh[i], 0), "odd");
	ROW(alloc_ordered_workqueue, "WQ_BH",
	    !alloc_ordered_workqueue("odd", WQ_BH), "odd: WQ_BH");
	ROW(alloc_workqueue, "ordered, and per-CPU",
	    !alloc_workqueue("odd", __WQ_ORDERED | WQ_PERCPU, 0),
	    "odd: __WQ_ORDERED");
	ROW(alloc_workqueue, "ordered, and not unbound",
	    !alloc_workqueue("odd", __WQ_ORDERED | WQ_POWER_EFFICIENT, 1),
	    "odd: __WQ_ORDERED");
	ROW(alloc_workqueue, "max_active of a BH workqueue",
	    !alloc_workqueue("odd", WQ_BH, 1), "odd");
	ROW(cmwq_device_release, "nothing was made", !cmwq_device_release(dev),
	    NULL);
}

TEST(bad_max_active)
{
	static const int numbers[] = { -1, INT_MIN, 2049, INT_MAX };
	struct workqueue_struct *wq;

	begin();
	wq = alloc_workqueue("limits", WQ_UNBOUND, 3);
	ASSERT(wq);
	for (size_t i = 0; i < 4; i++) {
		ROW(alloc_workqueue, "max_active",
		    makes(alloc_workqueue("limit", WQ_PERCPU, numbers[i])),
		    "workqueue limit: max_active");
		ROW(alloc_workqueue_lockdep_map, "max_active",
		    makes(alloc_workqueue_lockdep_map("limit", WQ_PERCPU,
						      numbers[i], NULL)),
		    "workqueue limit: max_active");
		ROW_VOID(workqueue_set_max_active, "the number",
			 workqueue_set_max_active(wq, numbers[i]),
			 "workqueue limits: max_active");
		ROW_VOID(workqueue_set_min_active, "the number",
			 workqueue_set_min_active(wq, numbers[i]), NULL);
	}
	ROW_VOID(workqueue_set_max_active, "0", workqueue_set_max_active(wq, 0),
		 "workqueue limits: max_active");
	destroy_workqueue(wq);
	wq = alloc_ordered_workqueue("line", 0);
	ROW_VOID(workqueue_set_max_active, "an ordered workqueue",
		 workqueue_set_max_active(wq, 5), "line is ordered");
	ROW_VOID(workqueue_set_min_active, "an ordered workqueue",
		 workqueue_set_min_active(wq, 5), "line is ordered");
	EXPECT_EQ(workqueue_sysfs_register(wq), 0);
	ROW(workqueue_sysfs_register, "one that has files",
	    workqueue_sysfs_register(wq) == -EEXIST, "line");
	destroy_workqueue(wq);
	ROW_VOID(workqueue_set_max_active, "a BH workqueue",
		 workqueue_set_max_active(system_bh_wq, 5), "events_bh");
	ROW_VOID(workqueue_set_min_active, "a per-CPU workqueue",
		 workqueue_set_min_active(system_wq, 5), "events is per-CPU");
}

/* --- attributes and masks --- */

static int apply(struct workqueue_struct *wq, int nice, int scope, bool mask)
{
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();
	cpumask_var_t its;
	int err;

	ASSERT(attrs);
	its = attrs->cpumask;
	attrs->nice = nice;
	attrs->affn_scope = (enum wq_affn_scope)scope;
	if (!mask)
		attrs->cpumask = NULL;
	err = apply_workqueue_attrs(wq, attrs);
	attrs->cpumask = its;
	free_workqueue_attrs(attrs);
	return err;
}

TEST(bad_attributes)
{
	struct workqueue_struct *wq;

	begin();
	wq = alloc_workqueue("flat", WQ_UNBOUND, 0);
	ROW(apply_workqueue_attrs, "no attributes",
	    apply_workqueue_attrs(wq, nothing) == -EINVAL, "no attributes");
	ROW(apply_workqueue_attrs, "no mask", apply(wq, 0, 0, false) == -EINVAL,
	    "no cpumask");
	ROW(apply_workqueue_attrs, "nice 20", apply(wq, 20, 0, true) == -EINVAL,
	    "nice");
	ROW(apply_workqueue_attrs, "nice -21",
	    apply(wq, -21, 0, true) == -EINVAL, "nice");
	ROW(apply_workqueue_attrs, "a scope that there is not",
	    apply(wq, 0, WQ_AFFN_NR_TYPES, true) == -EINVAL, "scope");
	ROW(apply_workqueue_attrs, "scope -1",
	    apply(wq, 0, -1, true) == -EINVAL, "scope");
	ROW(apply_workqueue_attrs, "a per-CPU workqueue",
	    apply(system_wq, 0, 0, true) == -EINVAL, "is per-CPU");
	ROW_VOID(free_workqueue_attrs, "NULL", free_workqueue_attrs(nothing),
		 NULL);
	ROW(workqueue_unbound_housekeeping_update, "no mask",
	    workqueue_unbound_housekeeping_update(nothing) == -EINVAL,
	    "NULL mask");
	destroy_workqueue(wq);
}

TEST(bad_masks)
{
	static struct cpumask mask;
	char buf[64] = "x", text[32];

	begin();
	snprintf(text, sizeof(text), "%d", nr_possible());
	ROW(alloc_cpumask_var, "no pointer", !alloc_cpumask_var(nothing, 0),
	    NULL);
	ROW(zalloc_cpumask_var, "no pointer", !zalloc_cpumask_var(nothing, 0),
	    NULL);
	ROW_VOID(free_cpumask_var, "NULL", free_cpumask_var(nothing), NULL);
	ROW(cpulist_parse, "no text", cpulist_parse(no_text, &mask) == -EINVAL,
	    NULL);
	ROW(cpulist_parse, "no mask", cpulist_parse("0", nothing) == -EINVAL,
	    NULL);
	ROW(cpulist_parse, "no list", cpulist_parse("0-", &mask) == -EINVAL,
	    NULL);
	ROW(cpulist_parse, "no such CPU", cpulist_parse(text, &mask) == -ERANGE,
	    NULL);
	ROW(cpumask_parse, "no text", cpumask_parse(no_text, &mask) == -EINVAL,
	    NULL);
	ROW(cpumask_parse, "no mask", cpumask_parse("1", nothing) == -EINVAL,
	    NULL);
	ROW(cpumask_parse, "no number", cpumask_parse("xyz", &mask) == -EINVAL,
	    NULL);
	EXPECT(cpumask_empty(&mask));
	ROW(cpulist_scnprintf, "no mask",
	    !cpulist_scnprintf(buf, sizeof(buf), nothing) && !buf[0], NULL);
	ROW(cpulist_scnprintf, "no room", !cpulist_scnprintf(nothing, 0, &mask),
	    NULL);
	ROW(cpulist_scnprintf, "no buffer",
	    !cpulist_scnprintf(nothing, 9, &mask), NULL);
	buf[0] = 'x';
	ROW(cpumask_scnprintf, "no mask",
	    !cpumask_scnprintf(buf, sizeof(buf), nothing) && !buf[0], NULL);
	ROW(cpumask_scnprintf, "no room", !cpumask_scnprintf(nothing, 0, &mask),
	    NULL);
	ROW(cpumask_scnprintf, "no buffer",
	    !cpumask_scnprintf(nothing, 9, &mask), NULL);
}

/* CPUs that there are not are in no mask. */
TEST(masks_of_bad_cpus)
{
	static struct cpumask mask;

	begin();
	for (size_t i = 0; i < NR_BAD_CPUS; i++) {
		const char *wrong = bad_cpu[i].wrong;
		int cpu = bad_cpu_nr(i);

		ROW_VOID(cpumask_set_cpu, wrong,
			 cpumask_set_cpu((unsigned int)cpu, &mask), NULL);
		ROW_VOID(cpumask_clear_cpu, wrong,
			 cpumask_clear_cpu(cpu, &mask), NULL);
		ROW(cpumask_test_cpu, wrong, !cpumask_test_cpu(cpu, &mask),
		    NULL);
		ROW(cpumask_test_and_set_cpu, wrong,
		    !cpumask_test_and_set_cpu(cpu, &mask), NULL);
		ROW(cpu_possible, wrong, !cpu_possible((unsigned int)cpu),
		    NULL);
		ROW(cpu_online, wrong, !cpu_online((unsigned int)cpu), NULL);
		EXPECT(cpumask_empty(&mask));
	}
}

/* --- parameters, files, statistics, messages --- */

TEST(bad_parameters)
{
	char buf[8] = "x";
	long value = 5;

	begin();
	ROW(cmwq_param_set, "no name", cmwq_param_set(no_text, 1) == -ENOENT,
	    "(null)");
	ROW(cmwq_param_set, "an unknown name",
	    cmwq_param_set("cmwq.none", 1) == -ENOENT, "cmwq.none");
	ROW(cmwq_param_set, "a value out of range",
	    cmwq_param_set("cmwq.tick", 7) == -ERANGE, "cmwq.tick");
	ROW(cmwq_param_get, "no name",
	    cmwq_param_get(no_text, &value) == -ENOENT, NULL);
	ROW(cmwq_param_get, "an unknown name",
	    cmwq_param_get("cmwq.none", &value) == -ENOENT, NULL);
	ROW(cmwq_param_get, "nowhere to put it",
	    cmwq_param_get("cmwq.idle_ratio", nothing) == -EINVAL, NULL);
	EXPECT_EQ(value, 5);
	ROW(cmwq_param_set, "one that is read at the start",
	    cmwq_param_set("workqueue.unbound_cpus", 1) == -EPERM,
	    "workqueue.unbound_cpus");
	ROW(cmwq_param_set, "the number of no word",
	    cmwq_param_set("workqueue.default_affinity_scope", 0) == -ERANGE,
	    "workqueue.default_affinity_scope");
	ROW(cmwq_param_get, "one that is a list",
	    cmwq_param_get("workqueue.unbound_cpus", &value) == -EINVAL, NULL);
	EXPECT_EQ(value, 5);
	ROW(cmwq_param_set_string, "one that is read at the start",
	    cmwq_param_set_string("workqueue.unbound_cpus", "0") == -EPERM,
	    "workqueue.unbound_cpus");
	ROW(cmwq_param_set_string, "an unknown name",
	    cmwq_param_set_string("cmwq.none", "1") == -ENOENT, "cmwq.none");
	ROW(cmwq_param_set_string, "a number beyond all",
	    cmwq_param_set_string("cmwq.idle_ratio",
				  "99999999999999999999999") == -ERANGE,
	    "cmwq.idle_ratio");
	ROW(cmwq_param_set_string, "a word that is none",
	    cmwq_param_set_string("workqueue.default_affinity_scope",
				  "nowhere") == -EINVAL,
	    "'nowhere' is none of");
	ROW(cmwq_param_set_string, "no name",
	    cmwq_param_set_string(no_text, "1") == -ENOENT, "(null)");
	ROW(cmwq_param_set_string, "no value",
	    cmwq_param_set_string("cmwq.tick", no_text) == -EINVAL,
	    "cmwq.tick");
	ROW(cmwq_param_set_string, "not a value",
	    cmwq_param_set_string("cmwq.tick", "one") == -EINVAL, "cmwq.tick");
	ROW(cmwq_param_get_string, "no name",
	    cmwq_param_get_string(no_text, buf, sizeof(buf)) == -ENOENT, NULL);
	ROW(cmwq_param_get_string, "an unknown name, and no buffer",
	    cmwq_param_get_string("cmwq.none", nothing, 8) == -ENOENT, NULL);
	ROW(cmwq_param_get_string, "no buffer for a list",
	    cmwq_param_get_string("workqueue.unbound_cpus", nothing, 8) ==
		    -EINVAL,
	    NULL);
	ROW(cmwq_param_get_string, "no buffer",
	    cmwq_param_get_string("cmwq.idle_ratio", nothing, 8) == -EINVAL,
	    NULL);
	ROW(cmwq_param_get_string, "no room",
	    cmwq_param_get_string("cmwq.idle_ratio", nothing, 0) > 0, NULL);
	EXPECT(!strcmp(buf, "x"));
}

TEST(bad_files)
{
	char buf[64];

	begin();
	ROW(cmwq_sysfs_read, "no path",
	    cmwq_sysfs_read(no_text, buf, sizeof(buf)) == -EINVAL, NULL);
	ROW(cmwq_sysfs_read, "no buffer",
	    cmwq_sysfs_read("cpumask", nothing, 8) == -EINVAL, NULL);
	ROW(cmwq_sysfs_read, "no room",
	    cmwq_sysfs_read("cpumask", nothing, 0) > 0, NULL);
	ROW(cmwq_sysfs_read, "no such file",
	    cmwq_sysfs_read("none/max_active", buf, sizeof(buf)) == -ENOENT,
	    NULL);
	ROW(cmwq_sysfs_write, "no path",
	    cmwq_sysfs_write(no_text, "1") == -EINVAL, "NULL for the path");
	ROW(cmwq_sysfs_write, "no text",
	    cmwq_sysfs_write("cpumask", no_text) == -EINVAL,
	    "NULL for the text");
	ROW(cmwq_sysfs_write, "no such file",
	    cmwq_sysfs_write("none/max_active", "1") == -ENOENT, "none");
	ROW(cmwq_sysfs_write, "a directory",
	    cmwq_sysfs_write("", "1") == -EISDIR, "");
	ROW(cmwq_sysfs_write, "not to be written",
	    cmwq_sysfs_write("cpumask_requested", "1") == -EACCES, "cpumask");
	ROW(cmwq_sysfs_write, "no mask",
	    cmwq_sysfs_write("cpumask", "xyz") == -EINVAL, "cpumask");
}

/* Numbers that no int holds are not cut to one that does. */
TEST(bad_values_of_files)
{
	static const char *const values[] = {
		"",	      "x",	     " ",
		"4294967301", "-4294967297", "9999999999999999999999"
	};
	static const char *const files[] = { "max_active", "nice",
					     "affinity_strict" };
	static const char *const before[] = { "6\n", "0\n", "0\n" };
	struct workqueue_struct *wq;
	char path[32], buf[32];

	begin();
	wq = alloc_workqueue("filed", WQ_UNBOUND | WQ_SYSFS, 6);
	ASSERT(wq);
	for (size_t f = 0; f < 3; f++) {
		snprintf(path, sizeof(path), "filed/%s", files[f]);
		for (size_t v = 0; v < 6; v++)
			ROW(cmwq_sysfs_write, values[v],
			    cmwq_sysfs_write(path, values[v]) == -EINVAL, path);
		EXPECT_EQ(cmwq_sysfs_read(path, buf, sizeof(buf)), 2);
		EXPECT(!strcmp(buf, before[f]));
	}
	ROW(alloc_workqueue, "files under a name that has some",
	    !alloc_workqueue("filed", WQ_PERCPU | WQ_SYSFS, 0), "'filed'");
	destroy_workqueue(wq);
}

TEST(bad_places)
{
	static const char *const levels[] = { "", "x", "99", "\001" };
	char buf[8] = "x";

	begin();
	ROW(cmwq_get_stats, "nowhere to put them",
	    !cmwq_get_stats(system_wq, nothing), "events");
	ROW_VOID(wq_worker_comm, "no room", wq_worker_comm(buf, 0, self_tid()),
		 NULL);
	EXPECT(!strcmp(buf, "x"));
	ROW_VOID(wq_worker_comm, "no buffer",
		 wq_worker_comm(nothing, 8, self_tid()), NULL);
	ROW_VOID(wq_worker_comm, "no such thread", wq_worker_comm(buf, 8, -1),
		 NULL);
	EXPECT(!strcmp(buf, ""));
	ROW_VOID(print_worker_info, "no level, and no such thread",
		 print_worker_info(no_text, -1), NULL);
	for (size_t i = 0; i < 4; i++)
		ROW_VOID(print_worker_info, "a level that is none",
			 print_worker_info(levels[i], self_tid()), NULL);
	ROW_VOID(set_worker_desc, "no text", set_worker_desc(no_text, 1), NULL);
	ROW_VOID(set_worker_desc, "outside of a worker", set_worker_desc("x"),
		 NULL);
	ROW(cmwq_set_rcu_flavor, "the default", !cmwq_set_rcu_flavor(nothing),
	    NULL);
}

/* In a worker, where a description is kept. */
static void describe_nothing(struct item *it)
{
	(void)it;
	set_worker_desc(no_text, 1);
	set_worker_desc("%s", "x");
	set_worker_desc(no_text, 1);
}

TEST(bad_description)
{
	struct item it;

	begin();
	item_init(&it);
	it.hook = describe_nothing;
	EXPECT(queue_work(system_wq, &it.work));
	flush_work(&it.work);
	EXPECT_EQ(item_runs(&it), 1);
}

/* To standard error and back; the harness's own is what went before. */
TEST(no_log_function, .hidden = true)
{
	cmwq_set_log(NULL, nothing);
	queue_work(NULL, NULL);
	check_library_works();
}

TEST(log_to_stderr)
{
	static char out[65536];

	begin();
	ROW(cmwq_set_log, "no function",
	    !run_hidden("no_log_function", "", out, sizeof(out)) &&
		    strstr(out, "workqueue NULL"),
	    NULL);
}

/* --- calls out of place --- */

TEST(out_of_place)
{
	begin();
	ROW_VOID(cmwq_blocking_end, "without a begin", cmwq_blocking_end(),
		 NULL);
	ROW_VOID(cmwq_blocking_begin, "outside of a worker",
		 cmwq_blocking_begin(), NULL);
	ROW(current_work, "outside of a worker", !current_work(), NULL);
	ROW(current_is_workqueue_rescuer, "outside of a worker",
	    !current_is_workqueue_rescuer(), NULL);
	ROW_VOID(thaw_workqueues, "without a freeze", thaw_workqueues(), NULL);
	ROW(freeze_workqueues_busy, "without a freeze",
	    !freeze_workqueues_busy(), "nothing is being frozen");
	ROW_VOID(freeze_workqueues_begin, "once", freeze_workqueues_begin(),
		 NULL);
	ROW_VOID(freeze_workqueues_begin, "twice", freeze_workqueues_begin(),
		 "frozen already");
	ROW_VOID(thaw_workqueues, "after two", thaw_workqueues(), NULL);
}
