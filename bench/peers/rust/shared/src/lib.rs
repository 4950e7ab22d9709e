// SPDX-License-Identifier: MIT

//! The peers in Rust: scenarios that rayon and tokio share.
//!
//! - `lib.rs`: options, the list of scenarios, what a pool is
//! - `throughput.rs`: submit, chain, ping-pong
//! - `burst.rs`: completion latency under bursts
//! - `blocked.rs`: sleepers, and what must not wait for them
//! - `blockread.rs`: CPU and real blocking mixed
//! - `cpu.rs`: more tasks with CPU work than CPUs
//! - `idle.rs`: what is left when there is nothing to do
//! - `clock.rs`, `count.rs`, `proc.rs`: clocks and work for the CPU, tasks that have
//!   run, what /proc says
//!
//! Both libraries are used with their default settings, optimised with LTO. Neither
//! takes a task that was allocated before: a closure, a future, is boxed when it is
//! spawned. The scenarios are generic, so a spawn is compiled for its closure as in a
//! user's program.

mod blocked;
mod blockread;
mod burst;
pub mod clock;
pub mod count;
mod cpu;
mod idle;
pub mod proc;
mod throughput;

use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};

pub const SKIP: i32 = 77;

pub trait Pool: Copy + Send + Sync + 'static {
    const NAME: &'static str;

    fn open() -> Self;

    /// From outside, or from a task.
    fn spawn<F: FnOnce() + Send + 'static>(self, task: F);

    /// A task that does nothing but block.
    fn spawn_blocking<F: FnOnce() + Send + 'static>(self, task: F);

    /// A task of which the part in the middle blocks.
    fn spawn_mixed<A, B, C>(self, before: A, block: B, after: C)
    where
        A: FnOnce() + Send + 'static,
        B: FnOnce() + Send + 'static,
        C: FnOnce() + Send + 'static;
}

pub type Scenario<P> = (&'static str, fn(P));

fn scenarios<P: Pool>() -> Vec<Scenario<P>> {
    vec![
        ("submit1", |p| throughput::submit(p, 1)),
        ("submit2", |p| throughput::submit(p, 2)),
        ("submit4", |p| throughput::submit(p, 4)),
        ("chain", throughput::chain),
        ("pingpong", throughput::pingpong),
        ("pingpong1", throughput::pingpong),
        ("burst", burst::burst),
        ("blocked64_cold", blocked::cold),
        ("blocked64_warm", blocked::warm),
        ("blockmix", blocked::blockmix),
        ("blockread", blockread::blockread),
        ("oversub", cpu::oversub),
        ("quota", cpu::oversub),
        ("idle", idle::idle),
        ("startup", throughput::startup),
    ]
}

static QUICK: AtomicBool = AtomicBool::new(false);

/// For the tests: a thousandth of the work, numbers without meaning.
pub fn quick() -> bool {
    QUICK.load(Ordering::Relaxed)
}

/// Scales a number of repetitions.
pub fn amount(n: usize) -> usize {
    match n {
        n if !quick() => n,
        0..=7999 => 8,
        n => n / 1000,
    }
}

pub fn emit(name: &str, value: f64) {
    println!("{} {:.3}", name, value);
}

/// fib(n), and how many calls of the naive fib() compute it.
pub fn fib_calls(n: u64) -> (u64, u64) {
    let (a, b) = (0..n).fold((0, 1), |(a, b), _| (b, a + b));
    (a, 2 * b - 1)
}

/// Ends a scenario that this peer cannot do.
pub fn skip(why: &str) -> ! {
    eprintln!("{}", why);
    exit(SKIP)
}

fn usage<P: Pool>() -> ! {
    eprintln!("usage: {} SCENARIO [--quick] | --list", P::NAME);
    exit(2)
}

/// Runs the scenario that the arguments name, one of `more` or of those here. The
/// process ends with it, even if tasks still sleep.
pub fn main<P: Pool>(more: &[Scenario<P>]) -> ! {
    let mut name = None;
    for arg in std::env::args().skip(1) {
        if arg == "--quick" {
            QUICK.store(true, Ordering::Relaxed);
        } else if name.replace(arg).is_some() {
            usage::<P>();
        }
    }
    let name = name.unwrap_or_else(|| usage::<P>());
    let mut all = scenarios::<P>();
    all.extend_from_slice(more);
    match name.as_str() {
        "--list" => {
            all.iter().for_each(|s| println!("{}", s.0));
            println!("empty\nempty_mem");
        }
        "empty" => (),
        "empty_mem" => idle::emit_memory(),
        _ => match all.iter().find(|s| s.0 == name) {
            Some(s) => s.1(P::open()),
            None => skip(&format!("{}: no scenario {}", P::NAME, name)),
        },
    }
    exit(0)
}
