//! Statistics kernels of mia-sklearn. `kernels` is plain Rust; only `python` knows of Python.

pub mod error;
pub mod kernels;
mod python;
pub mod threads;
