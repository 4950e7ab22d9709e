// SPDX-License-Identifier: MIT

//! The peer tokio: its multi-thread runtime, which has as many workers as there are
//! CPUs, and up to 512 threads for what blocks.
//!
//! A task is an async block on the runtime. What blocks is in `spawn_blocking`, as the
//! documentation demands: a task that uses the CPU before and after awaits that part.

mod timers;

use shared::clock::now;
use shared::{emit, quick, Pool};
use std::future::Future;
use std::pin::Pin;
use tokio::runtime::Runtime;

#[derive(Clone, Copy)]
pub struct Tokio(&'static Runtime);

impl Pool for Tokio {
    const NAME: &'static str = "peer-tokio";

    fn open() -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.enable_time().build().expect("a runtime");
        Tokio(Box::leak(Box::new(runtime)))
    }

    fn spawn<F: FnOnce() + Send + 'static>(self, task: F) {
        self.0.spawn(async move { task() });
    }

    fn spawn_blocking<F: FnOnce() + Send + 'static>(self, task: F) {
        self.0.spawn_blocking(task);
    }

    fn spawn_mixed<A, B, C>(self, before: A, block: B, after: C)
    where
        A: FnOnce() + Send + 'static,
        B: FnOnce() + Send + 'static,
        C: FnOnce() + Send + 'static,
    {
        self.0.spawn(async move {
            before();
            tokio::task::spawn_blocking(block).await.expect("no panic");
            after();
        });
    }
}

fn fib(n: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move {
        if n < 2 {
            return n;
        }
        let half = tokio::spawn(fib(n - 1));
        fib(n - 2).await + half.await.expect("no panic")
    })
}

fn forkjoin(pool: Tokio) {
    let n = if quick() { 12 } else { 27 };
    let (want, calls) = shared::fib_calls(n);
    let start = now();
    let root = pool.0.spawn(fib(n));
    let got = pool.0.block_on(root).expect("no panic");
    let took = now() - start;
    assert_eq!(got, want);
    emit("task_ns", took as f64 / calls as f64);
}

fn main() {
    shared::main::<Tokio>(&[
        ("forkjoin", forkjoin),
        ("timers_pair", timers::pair),
        ("timers_late", timers::late),
    ])
}
