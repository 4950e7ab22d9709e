// SPDX-License-Identifier: MIT

//! Timers of the runtime: futures that any thread may make, reset and drop. They have a
//! resolution of a millisecond.

use crate::Tokio;
use shared::clock::{emit_latency, now, MSEC, SEC};
use shared::{amount, count, emit};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::task::unconstrained;
use tokio::time::{sleep, sleep_until, Instant};

struct Pairs(usize);

impl Future for Pairs {
    type Output = f64;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<f64> {
        let start = now();
        for _ in 0..self.0 {
            let timer = sleep(Duration::from_secs(60));
            tokio::pin!(timer);
            assert!(timer.poll(cx).is_pending());
        }
        Poll::Ready((now() - start) as f64 / self.0 as f64)
    }
}

/// Arms a timer by polling it, cancels it by dropping it, on the main thread. Without
/// `unconstrained` the runtime would have the thread pause, after 128 timers.
pub fn pair(pool: Tokio) {
    let pairs = Pairs(amount(1_000_000));
    emit("pair_ns", pool.0.block_on(unconstrained(pairs)));
}

/// The i-th is armed for 200 ms and i times 10 us from then on, so that they end spread
/// over a second. A task of its own waits for each.
pub fn late(pool: Tokio) {
    let n = amount(100_000);
    let late: Vec<AtomicI64> = (0..n).map(|_| AtomicI64::new(0)).collect();
    let late: &'static [AtomicI64] = Box::leak(late.into_boxed_slice());
    for (i, slot) in late.iter().enumerate() {
        let delay = 200 * MSEC + i as u64 * SEC / n as u64;
        let due = now() + delay;
        let when = Instant::now() + Duration::from_nanos(delay);
        pool.0.spawn(async move {
            sleep_until(when).await;
            slot.store(now() as i64 - due as i64, Ordering::Relaxed);
            count::task_ran();
        });
    }
    count::await_tasks(n, MSEC);
    let late = late
        .iter()
        .map(|slot| slot.load(Ordering::Relaxed))
        .collect();
    emit_latency(late, &[50.0, 99.0, 100.0, 0.0]);
}
