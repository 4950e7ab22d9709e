// SPDX-License-Identifier: MIT

//! Clocks, work for the CPU, percentiles.

use crate::emit;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub const USEC: u64 = 1000;
pub const MSEC: u64 = 1000 * USEC;
pub const SEC: u64 = 1000 * MSEC;

fn read(clock: libc::clockid_t) -> u64 {
    let mut ts = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes to ts, which is there.
    unsafe { libc::clock_gettime(clock, &mut ts) };
    ts.tv_sec as u64 * SEC + ts.tv_nsec as u64
}

/// The monotonic clock in nanoseconds.
pub fn now() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

static SINK: AtomicU64 = AtomicU64::new(0);

/// Keeps the CPU busy: a chain that no compiler shortens.
fn turn(n: u64) {
    let mut x = n;
    for _ in 0..n {
        x = x
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
    }
    if x == 0 {
        SINK.store(n, Ordering::Relaxed); // keeps the loop
    }
}

/// Uses so much CPU time, on the monotonic clock. In a step that is long this thread
/// did not run.
pub fn spin(ns: u64) {
    const LONG_STEP: u64 = 2000;
    let (mut last, mut done) = (now(), 0);
    while done < ns {
        let t = now();
        done += (t - last).min(LONG_STEP);
        last = t;
    }
}

/// Uses that much CPU time of this thread.
pub fn burn_cpu(ns: u64) {
    let end = read(libc::CLOCK_THREAD_CPUTIME_ID) + ns;
    while read(libc::CLOCK_THREAD_CPUTIME_ID) < end {
        turn(200);
    }
}

pub fn sleep(ns: u64) {
    std::thread::sleep(Duration::from_nanos(ns));
}

pub fn sleep_until(when: u64) {
    let t = now();
    if t < when {
        sleep(when - t);
    }
}

/// CPU time of the process.
pub fn process_cpu() -> u64 {
    read(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// Prints percentiles in microseconds; 100 is the largest, 0 the smallest.
pub fn emit_latency(mut ns: Vec<i64>, percentiles: &[f64]) {
    ns.sort_unstable();
    for &p in percentiles {
        let i = (p / 100.0 * (ns.len() - 1) as f64 + 0.5) as usize;
        let name = match p {
            p if p == 0.0 => "min_us".to_string(),
            p if p == 100.0 => "max_us".to_string(),
            p => format!("p{}_us", p).replace('.', ""),
        };
        emit(&name, ns[i] as f64 / 1e3);
    }
}
