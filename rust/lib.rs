//! Statistics kernels of mia-sklearn. `kernels` is plain Rust; only `python` knows of Python.

mod python;
