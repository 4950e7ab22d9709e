// SPDX-License-Identifier: MIT

//! What the kernel knows about this process.

use std::fs;

fn field(file: &str, name: &str) -> Option<u64> {
    let line = file.lines().find(|line| {
        line.strip_prefix(name)
            .map_or(false, |rest| rest.starts_with(':'))
    })?;
    line[name.len() + 1..]
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

/// The number after "name:" in a file of /proc/self.
pub fn field_of(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/self/{}", file)).expect(file);
    field(&text, name).unwrap_or(0)
}

/// The number of threads without the main one.
pub fn threads() -> u64 {
    field_of("status", "Threads") - 1
}

/// CPUs that this process may use.
pub fn cpus() -> f64 {
    // SAFETY: a plain set of bits that the call fills.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::sched_getaffinity(0, std::mem::size_of_val(&set), &mut set);
        libc::CPU_COUNT(&set) as f64
    }
}

pub struct Usage {
    pub switches: u64,
    pub cpu_us: f64,
}

/// Context switches and CPU time of all threads but the main one.
pub fn usage() -> Usage {
    let mut u = Usage {
        switches: 0,
        cpu_us: 0.0,
    };
    let main = std::process::id().to_string();
    for task in fs::read_dir("/proc/self/task").expect("/proc") {
        let task = task.expect("/proc").path();
        if task.ends_with(&main) {
            continue;
        }
        // A thread may have ended.
        let status = fs::read_to_string(task.join("status")).unwrap_or_default();
        let sched = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
        u.switches += field(&status, "voluntary_ctxt_switches").unwrap_or(0)
            + field(&status, "nonvoluntary_ctxt_switches").unwrap_or(0);
        let ns = sched
            .split(' ')
            .next()
            .and_then(|ns| ns.parse::<f64>().ok());
        u.cpu_us += ns.unwrap_or(0.0) / 1e3;
    }
    u
}

/// Of all threads, those that have ended too.
pub fn switches() -> f64 {
    // SAFETY: plain numbers that the call fills.
    let r = unsafe {
        let mut r: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut r);
        r
    };
    (r.ru_nvcsw + r.ru_nivcsw) as f64
}
