// SPDX-License-Identifier: MIT

//! What a task costs: submitted from outside, by itself, and with a waiter.

use crate::clock::{emit_latency, now, USEC};
use crate::{amount, count, emit, Pool};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{mpsc, Arc, Barrier};
use std::thread;

/// Threads outside the pool submit a million tasks.
pub fn submit<P: Pool>(pool: P, producers: usize) {
    let each = amount(1_000_000) / producers;
    let gun = Arc::new(Barrier::new(producers + 1));
    for _ in 0..producers {
        let gun = gun.clone();
        thread::spawn(move || {
            gun.wait();
            for _ in 0..each {
                pool.spawn(count::task_ran);
            }
        });
    }
    gun.wait();
    let start = now();
    count::await_tasks(each * producers, 20 * USEC);
    emit(
        "item_ns",
        (now() - start) as f64 / (each * producers) as f64,
    );
}

fn link<P: Pool>(pool: P, left: usize, end: mpsc::Sender<()>) {
    if left == 0 {
        end.send(()).expect("the waiter is there");
    } else {
        pool.spawn(move || link(pool, left - 1, end));
    }
}

/// A task submits its successor.
pub fn chain<P: Pool>(pool: P) {
    let n = amount(1_000_000);
    let (end, done) = mpsc::channel();
    let start = now();
    link(pool, n, end);
    done.recv().expect("the last task sends");
    emit("item_ns", (now() - start) as f64 / n as f64);
}

/// Waits for one result at a time, parked, which is cheaper than a channel.
pub fn pingpong<P: Pool>(pool: P) {
    static DONE: AtomicBool = AtomicBool::new(false);
    let n = amount(20000);
    let mut trips = Vec::with_capacity(n);
    let waiter = thread::current();
    for _ in 0..n {
        let start = now();
        let waiter = waiter.clone();
        pool.spawn(move || {
            DONE.store(true, Ordering::Release);
            waiter.unpark();
        });
        while !DONE.swap(false, Ordering::Acquire) {
            thread::park();
        }
        trips.push((now() - start) as i64);
    }
    emit_latency(trips, &[50.0, 99.0]);
}

/// Ends the process in the first task, for whoever takes the time of that.
pub fn startup<P: Pool>(pool: P) {
    pool.spawn(|| std::process::exit(0));
    loop {
        thread::park();
    }
}
