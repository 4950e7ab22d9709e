// SPDX-License-Identifier: MIT

//! Tasks that really block, in four ways by their number modulo 4: a read from a pipe,
//! an fsync, a mutex, page faults.
//!
//! The files are in TMPDIR, else in /var/tmp: in /tmp they may be in memory.

use crate::blocked::{run_mix, MIX_TASKS};
use crate::clock::{now, sleep, sleep_until, MSEC, USEC};
use crate::{amount, skip, Pool};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::io::{AsRawFd, FromRawFd};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::Mutex;
use std::thread;

const ANSWER_AFTER: u64 = MSEC;
const HOLD_EVERY: usize = 16;
const HOLD_FOR: u64 = 200 * USEC;
const FAULTS: usize = 16;
const PAGE: usize = 4096;

struct Question {
    due: u64,
    pipe: usize,
}

struct Blocker {
    dir: PathBuf,
    ask: Mutex<Sender<Question>>,
    readers: Vec<File>,
    mutex: Mutex<()>,
    /// A mapping of a file that is not in memory.
    cold: &'static [u8],
}

fn pipe() -> io::Result<(File, File)> {
    let mut fd = [0; 2];
    // SAFETY: two descriptors that nobody else has.
    unsafe {
        if libc::pipe2(fd.as_mut_ptr(), libc::O_CLOEXEC) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok((File::from_raw_fd(fd[0]), File::from_raw_fd(fd[1])))
    }
}

fn allow_many_files() {
    // SAFETY: a plain struct that the calls read and write.
    unsafe {
        let mut lim = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut lim);
        lim.rlim_cur = lim.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &lim);
    }
}

/// Starts the helper outside the pool. All questions wait as long, so they end in the
/// order in which they were asked.
fn make_pipes(n: usize) -> io::Result<(Sender<Question>, Vec<File>)> {
    let pipes = (0..n).map(|_| pipe()).collect::<io::Result<Vec<_>>>()?;
    let (readers, mut writers): (Vec<_>, Vec<_>) = pipes.into_iter().unzip();
    let (ask, questions) = mpsc::channel::<Question>();
    thread::spawn(move || {
        for q in questions {
            sleep_until(q.due);
            writers[q.pipe]
                .write_all(b"a")
                .expect("the reader is there");
        }
    });
    Ok((ask, readers))
}

/// Not in memory, and no page brings its neighbours.
fn make_cold(dir: &Path, n: usize) -> io::Result<&'static [u8]> {
    let name = dir.join("cold");
    let size = n * FAULTS * PAGE;
    fs::write(&name, vec![b'x'; size])?;
    let file = File::open(&name)?;
    file.sync_all()?;
    fs::remove_file(&name)?;
    // SAFETY: a new mapping that stays, of a file that nobody else can open.
    unsafe {
        libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED);
        let map = libc::mmap(
            std::ptr::null_mut(),
            size,
            libc::PROT_READ,
            libc::MAP_PRIVATE,
            file.as_raw_fd(),
            0,
        );
        if map == libc::MAP_FAILED || libc::madvise(map, size, libc::MADV_RANDOM) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(std::slice::from_raw_parts(map as *const u8, size))
    }
}

impl Blocker {
    fn new(n: usize) -> io::Result<Self> {
        let top = std::env::var("TMPDIR").unwrap_or_else(|_| "/var/tmp".into());
        let dir = Path::new(&top).join(format!("peers-{}", std::process::id()));
        fs::create_dir(&dir)?;
        let (ask, readers) = make_pipes(n)?;
        let cold = make_cold(&dir, n)?;
        Ok(Blocker {
            dir,
            ask: Mutex::new(ask),
            readers,
            mutex: Mutex::new(()),
            cold,
        })
    }

    fn read_pipe(&self, n: usize) {
        let q = Question {
            due: now() + ANSWER_AFTER,
            pipe: n,
        };
        self.ask
            .lock()
            .unwrap()
            .send(q)
            .expect("the helper is there");
        (&self.readers[n]).read_exact(&mut [0]).expect("an answer");
    }

    fn sync_file(&self, n: usize) {
        let name = self.dir.join(format!("f{}", n));
        let mut file = File::create(&name).expect("a file");
        file.write_all(&[0; 32]).expect("writing");
        file.sync_all().expect("fsync");
        fs::remove_file(&name).expect("removing");
    }

    fn hold_mutex(&self, n: usize) {
        let _held = self.mutex.lock().unwrap();
        if n % HOLD_EVERY == 0 {
            sleep(HOLD_FOR);
        }
    }

    fn touch_pages(&self, n: usize) {
        for i in 0..FAULTS {
            // SAFETY: within the slice. Volatile: a read that no compiler leaves out.
            unsafe { std::ptr::read_volatile(&self.cold[(n * FAULTS + i) * PAGE]) };
        }
    }

    fn block(&self, i: usize) {
        match i % 4 {
            0 => self.read_pipe(i / 4),
            1 => self.sync_file(i / 4),
            2 => self.hold_mutex(i / 4),
            _ => self.touch_pages(i / 4),
        }
    }
}

pub fn blockread<P: Pool>(pool: P) {
    let n = amount(MIX_TASKS);
    allow_many_files();
    let b: &'static Blocker = match Blocker::new(n / 4) {
        Ok(b) => Box::leak(Box::new(b)),
        Err(e) => skip(&format!("{}: {}", P::NAME, e)),
    };
    run_mix(pool, n, move |i| b.block(i));
    fs::remove_dir(&b.dir).expect("an empty directory");
}
