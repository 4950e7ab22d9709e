// SPDX-License-Identifier: MIT

//! What the process costs when everything was used once and nothing is left to do. The
//! main thread, which sleeps meanwhile, is not counted.

use crate::clock::{burn_cpu, sleep, MSEC};
use crate::{amount, count, emit, proc, Pool};

pub fn emit_memory() {
    emit("rss_kib", proc::field_of("smaps_rollup", "Rss") as f64);
    emit(
        "private_dirty_kib",
        proc::field_of("smaps_rollup", "Private_Dirty") as f64,
    );
}

pub fn idle<P: Pool>(pool: P) {
    for _ in 0..16 {
        pool.spawn_blocking(|| {
            sleep(2 * MSEC);
            count::task_ran();
        });
        pool.spawn(|| {
            burn_cpu(12 * MSEC);
            count::task_ran();
        });
    }
    count::await_tasks(32, MSEC);
    sleep(500 * MSEC);
    let before = proc::usage();
    sleep(amount(10000) as u64 * MSEC);
    let after = proc::usage();
    emit("threads", proc::threads() as f64);
    // A thread that has ended takes its share with it.
    emit("switches", after.switches.abs_diff(before.switches) as f64);
    emit("cpu_us", (after.cpu_us - before.cpu_us).abs());
    emit_memory();
}
