// SPDX-License-Identifier: MIT

//! Bursts on an absolute timetable: how late is the last of a crowd, and do the short
//! tasks wait for long ones?

use crate::clock::{emit_latency, now, sleep_until, spin, MSEC, USEC};
use crate::{amount, count, Pool};
use std::sync::atomic::{AtomicI64, Ordering};

const PERIOD: u64 = 10 * MSEC;

/// A burst in its order: how many tasks of how much CPU.
const MIX: [(usize, u64); 3] = [(1000, USEC), (1000, 5 * USEC), (100, 100 * USEC)];

/// A task's latency is from the due time of its burst, so a late submitter counts too.
pub fn burst<P: Pool>(pool: P) {
    let works: Vec<u64> = MIX.iter().flat_map(|m| vec![m.1; m.0]).collect();
    let bursts = amount(1000);
    let late: Vec<AtomicI64> = (0..bursts * works.len())
        .map(|_| AtomicI64::new(0))
        .collect();
    let late: &'static [AtomicI64] = Box::leak(late.into_boxed_slice());
    let start = now() + PERIOD;
    for (b, slots) in late.chunks(works.len()).enumerate() {
        let due = start + b as u64 * PERIOD;
        sleep_until(due);
        for (slot, &work) in slots.iter().zip(&works) {
            pool.spawn(move || {
                spin(work);
                slot.store((now() - due) as i64, Ordering::Relaxed);
                count::task_ran();
            });
        }
    }
    count::await_tasks(late.len(), MSEC);
    let late = late
        .iter()
        .map(|slot| slot.load(Ordering::Relaxed))
        .collect();
    emit_latency(late, &[50.0, 99.0, 99.9, 100.0]);
}
