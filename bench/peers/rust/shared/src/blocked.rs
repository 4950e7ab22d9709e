// SPDX-License-Identifier: MIT

//! 64 tasks asleep for a second, and an instant one that must not wait for them; tasks
//! that use the CPU, sleep, and use the CPU again.

use crate::clock::{burn_cpu, now, process_cpu, sleep, MSEC, SEC, USEC};
use crate::count::Countdown;
use crate::{amount, emit, proc, quick, skip, Pool};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

const SLEEPERS: usize = 64;
const GIVE_UP: u64 = 70 * SEC;

static STARTED: AtomicUsize = AtomicUsize::new(0);

fn submit_sleepers<P: Pool>(pool: P) {
    let nap = if quick() { 20 * MSEC } else { SEC };
    for _ in 0..SLEEPERS {
        pool.spawn_blocking(move || {
            STARTED.fetch_add(1, Ordering::Relaxed);
            sleep(nap);
        });
    }
}

/// Returns when the task ran.
fn run_instant<P: Pool>(pool: P) -> u64 {
    let (send, result) = mpsc::channel();
    let start = now();
    pool.spawn(move || {
        let ran = now();
        send.send((ran, proc::threads()))
            .expect("the waiter is there");
    });
    let (ran, threads) = result.recv().expect("the task sends");
    emit("run_us", (ran - start) as f64 / 1e3);
    emit("threads", threads as f64);
    ran
}

/// Asks 1 ms after the last sleeper was submitted.
pub fn cold<P: Pool>(pool: P) {
    let begin = now();
    submit_sleepers(pool);
    sleep(MSEC);
    emit("all_us", (run_instant(pool) - begin) as f64 / 1e3);
}

/// Asks once all the sleepers have started.
pub fn warm<P: Pool>(pool: P) {
    let begin = now();
    submit_sleepers(pool);
    while STARTED.load(Ordering::Relaxed) < SLEEPERS {
        if now() - begin > GIVE_UP {
            emit("run_us", (now() - begin) as f64 / 1e3);
            skip("the sleepers do not start");
        }
        sleep(100 * USEC);
    }
    run_instant(pool);
}

/// CPU before and after the block.
const MIX_CPU: u64 = 50 * USEC;
pub const MIX_TASKS: usize = 2000;

/// Prints the makespan of n tasks over that of their CPU work alone, spread over all
/// CPUs, and the CPU time of the process over the same.
pub fn run_mix<P: Pool>(pool: P, n: usize, block: impl Fn(usize) + Copy + Send + 'static) {
    let ideal = (n as u64 * 2 * MIX_CPU) as f64 / proc::cpus();
    let end = Countdown::new(n);
    let start_cpu = process_cpu();
    let start = now();
    for i in 0..n {
        pool.spawn_mixed(
            || burn_cpu(MIX_CPU),
            move || block(i),
            move || {
                burn_cpu(MIX_CPU);
                end.task_ran();
            },
        );
    }
    end.wait();
    let took = (now() - start) as f64;
    let cpu = (process_cpu() - start_cpu) as f64;
    emit("makespan_x", took / ideal);
    emit("cpu_x", cpu / proc::cpus() / ideal);
}

pub fn blockmix<P: Pool>(pool: P) {
    run_mix(pool, amount(MIX_TASKS), |_| sleep(MSEC));
}
