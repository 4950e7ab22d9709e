/* SPDX-License-Identifier: MIT */
/* hello.c - 64 items that sleep for a second each: done after one second. */
#include <stdio.h>
#include <unistd.h>
#include <cmwq/workqueue.h>

static void nap(struct work_struct *work)
{
	sleep(1);
	printf("item %p slept\n", (void *)work);
}

int main(void)
{
	static struct work_struct item[64];

	for (int i = 0; i < 64; i++) {
		INIT_WORK(&item[i], nap);
		schedule_work(&item[i]);
	}
	flush_scheduled_work();
	return 0;
}
