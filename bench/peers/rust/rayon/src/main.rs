// SPDX-License-Identifier: MIT

//! The peer rayon: its global pool, which has as many threads as there are CPUs.
//!
//! `rayon::spawn` is for tasks that nobody joins, `rayon::join` for fork-join. rayon is
//! for CPU work: it has no hint for a task that blocks, and no timers.

use shared::clock::now;
use shared::{emit, quick, Pool};

#[derive(Clone, Copy)]
struct Rayon;

impl Pool for Rayon {
    const NAME: &'static str = "peer-rayon";

    fn open() -> Self {
        Rayon
    }

    fn spawn<F: FnOnce() + Send + 'static>(self, task: F) {
        rayon::spawn(task);
    }

    fn spawn_blocking<F: FnOnce() + Send + 'static>(self, task: F) {
        rayon::spawn(task);
    }

    fn spawn_mixed<A, B, C>(self, before: A, block: B, after: C)
    where
        A: FnOnce() + Send + 'static,
        B: FnOnce() + Send + 'static,
        C: FnOnce() + Send + 'static,
    {
        rayon::spawn(move || {
            before();
            block();
            after();
        });
    }
}

fn fib(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = rayon::join(|| fib(n - 1), || fib(n - 2));
    a + b
}

fn forkjoin(_pool: Rayon) {
    let n = if quick() { 12 } else { 27 };
    let (want, calls) = shared::fib_calls(n);
    let start = now();
    let got = fib(n);
    let took = now() - start;
    assert_eq!(got, want);
    emit("task_ns", took as f64 / calls as f64);
}

fn main() {
    shared::main::<Rayon>(&[("forkjoin", forkjoin)])
}
