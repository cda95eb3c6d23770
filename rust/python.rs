//! The Python module: converts arguments, releases the interpreter lock, calls a kernel.

use pyo3::prelude::*;

#[pymodule]
fn _rust(_module: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}
