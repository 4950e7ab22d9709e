// SPDX-License-Identifier: MIT

//! More tasks with CPU work than CPUs: does the pool stay out of their way? In a cgroup
//! with a quota the same program shows what throttling does to it.

use crate::clock::{burn_cpu, now, MSEC};
use crate::count::Countdown;
use crate::{amount, emit, proc, Pool};

const WORK: u64 = 5 * MSEC;

pub fn oversub<P: Pool>(pool: P) {
    let n = amount(200);
    let ideal = (n as u64 * WORK) as f64 / proc::cpus();
    let end = Countdown::new(n);
    let before = proc::switches();
    let start = now();
    for _ in 0..n {
        pool.spawn(move || {
            burn_cpu(WORK);
            end.task_ran();
        });
    }
    end.wait();
    emit("makespan_x", (now() - start) as f64 / ideal);
    emit("switches", proc::switches() - before);
}
