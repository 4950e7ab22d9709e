// SPDX-License-Identifier: MIT

//! Tasks that have run: two ways to wait for them.
//!
//! Where a task takes nanoseconds, and the waiter may look from time to time, it adds one to
//! a counter of the thread that it runs on; no cache line is written by two threads.
//! Where it takes long, all tasks count down one number, and the last wakes the waiter.

use crate::clock;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::Mutex;
use std::thread::{self, Thread};

#[repr(align(128))]
struct Counter(AtomicU64);

static ALL: Mutex<Vec<&'static Counter>> = Mutex::new(Vec::new());

thread_local! {
    static MINE: Cell<Option<&'static Counter>> = const { Cell::new(None) };
}

#[cold]
fn new_counter() -> &'static Counter {
    let c: &'static Counter = Box::leak(Box::new(Counter(AtomicU64::new(0))));
    ALL.lock().unwrap().push(c);
    MINE.with(|mine| mine.set(Some(c)));
    c
}

/// The task that calls it is done.
pub fn task_ran() {
    let c = MINE.with(|mine| mine.get()).unwrap_or_else(new_counter);
    // The only writer: a plain addition, but one that others may read.
    c.0.store(c.0.load(Ordering::Relaxed) + 1, Ordering::Release);
}

fn ran() -> u64 {
    let all = ALL.lock().unwrap();
    all.iter().map(|c| c.0.load(Ordering::Acquire)).sum()
}

/// Until so many have run, looking every so often.
pub fn await_tasks(n: usize, every_ns: u64) {
    while ran() < n as u64 {
        clock::sleep(every_ns);
    }
}

/// Of the thread that makes it and waits.
#[derive(Clone, Copy)]
pub struct Countdown(&'static (AtomicUsize, Thread));

impl Countdown {
    pub fn new(n: usize) -> Self {
        let inner = Box::new((AtomicUsize::new(n), thread::current()));
        Countdown(Box::leak(inner))
    }

    pub fn task_ran(self) {
        if self.0 .0.fetch_sub(1, Ordering::Release) == 1 {
            self.0 .1.unpark();
        }
    }

    pub fn wait(self) {
        while self.0 .0.load(Ordering::Acquire) > 0 {
            thread::park();
        }
    }
}
