// SPDX-License-Identifier: MIT

//! Tasks that have run. Each adds one to a counter of the thread that it runs on; no
//! cache line is written by two threads.

use crate::clock;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;

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
