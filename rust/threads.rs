//! A thread pool that survives `fork`, and the one way in which kernels use it.
//!
//! After `fork` the child has the pool's memory but none of its threads: a job given to it would
//! wait for ever. The pool therefore remembers its process, and a child makes one of its own.
//! An atomic pointer guards it, because a lock could be held at the moment of the fork.

use std::process;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::Result;
use crate::kernels::Pulse;

/// Work, in numbers read, below which waking threads costs more than it saves; `make sanitize` is told
/// to wake them for less.
const PARALLEL_FROM: usize = match option_env!("MIA_SKLEARN_THREADS_FOR_LITTLE") {
    None => 1 << 14,
    Some(_) => 1 << 7,
};

/// Work from which the pulse is asked: some hundredths of a second.
const LONG: usize = 1 << 23;

/// The most time that should pass between two looks at the pulse.
const PART: Duration = Duration::from_millis(400);

struct Owned {
    process: u32,
    pool: ThreadPool,
}

static CURRENT: AtomicPtr<Owned> = AtomicPtr::new(ptr::null_mut());

/// Calls `body` on each item, on several threads when `work` is large. A thread has one `scratch`.
///
/// Items own what they write, so the result does not depend on the number of threads.
pub fn for_each<I: Send, S>(
    items: Vec<I>,
    work: usize,
    scratch: impl Fn() -> S + Sync,
    body: impl Fn(&mut S, I) + Sync,
) {
    match pool_for(work) {
        Some(pool) => pool.install(|| items.into_par_iter().for_each_init(&scratch, &body)),
        None => {
            let mut own = scratch();
            items.into_iter().for_each(|item| body(&mut own, item));
        }
    }
}

/// As `for_each`, asking `pulse` where the work takes long enough for someone to give up.
pub fn for_each_or_stop<I: Send, S: Send>(
    items: Vec<I>,
    work: usize,
    pulse: Pulse,
    scratch: impl Fn() -> S + Sync,
    body: impl Fn(&mut S, I) + Sync,
) -> Result<()> {
    if work >= LONG {
        return for_each_pulsed(items, pulse, scratch, body);
    }
    for_each(items, work, scratch, body);
    Ok(())
}

/// As `for_each` on several threads, in parts between which the calling thread asks `pulse`.
pub fn for_each_pulsed<I: Send, S: Send>(
    items: Vec<I>,
    pulse: Pulse,
    scratch: impl Fn() -> S + Sync,
    body: impl Fn(&mut S, I) + Sync,
) -> Result<()> {
    let mut part = 2 * count();
    let mut items = items.into_iter();
    // Handed from part to part: memory that is new at each costs more than some parts.
    let spare = Mutex::new(vec![]);
    let scratches = || spare.lock().unwrap_or_else(PoisonError::into_inner);
    let with_scratch = |_: &mut (), item| {
        let mut own = scratches().pop().unwrap_or_else(&scratch);
        body(&mut own, item);
        scratches().push(own);
    };
    while items.len() > 0 {
        let began = Instant::now();
        let next: Vec<I> = items.by_ref().take(part).collect();
        for_each(next, PARALLEL_FROM, || (), with_scratch);
        pulse()?;
        // Threads wait for each other at the end of a part: as few as the pulse allows.
        if began.elapsed() < PART / 2 {
            part *= 2;
        }
    }
    Ok(())
}

/// Sorts numbers in ascending order; NaN must be absent.
pub fn sort(values: &mut [f64]) {
    match pool_for(values.len()) {
        Some(pool) => pool.install(|| values.par_sort_unstable_by(f64::total_cmp)),
        None => values.sort_unstable_by(f64::total_cmp),
    }
}

/// The number of threads that large jobs use.
pub fn count() -> usize {
    // joblib limits its workers by OMP_NUM_THREADS; obeying it avoids oversubscription.
    ["RAYON_NUM_THREADS", "OMP_NUM_THREADS"]
        .iter()
        .find_map(|name| std::env::var(name).ok()?.parse().ok())
        .filter(|&n: &usize| n > 0)
        .unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from))
}

fn pool_for(work: usize) -> Option<&'static ThreadPool> {
    if work < PARALLEL_FROM {
        return None;
    }
    // SAFETY: the pointer is null or came from `Box::into_raw` below and is never freed.
    let current = CURRENT.load(Ordering::Acquire);
    if let Some(owned) = unsafe { current.as_ref() } {
        if owned.process == process::id() {
            return (owned.pool.current_num_threads() > 1).then_some(&owned.pool);
        }
    }
    // Where threads are refused (a process limit), one thread does the work.
    let pool = ThreadPoolBuilder::new()
        .num_threads(count())
        .thread_name(|i| format!("mia-sklearn-{i}"))
        .build()
        .ok()?;
    let made = Box::into_raw(Box::new(Owned {
        process: process::id(),
        pool,
    }));
    // A parent's pool is left as it is: dropping it would wait for threads that do not exist.
    match CURRENT.compare_exchange(current, made, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => {}
        // SAFETY: another thread was first, and nobody else has seen `made`.
        Err(_) => drop(unsafe { Box::from_raw(made) }),
    }
    pool_for(work)
}
