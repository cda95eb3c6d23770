//! The Python module: converts arguments, releases the interpreter lock, calls a kernel.

use std::sync::{Mutex, PoisonError};

use ndarray::{Array2, ArrayD};
use numpy::{
    Element, IntoPyArray, PyArray1, PyArray2, PyArrayDescrMethods, PyArrayDyn, PyArrayMethods,
    PyReadonlyArray1, PyReadonlyArray2, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::{Error, Result};
use crate::kernels::cosine::Index;
use crate::kernels::tile::References;
use crate::kernels::{
    boosting, density, euclidean, gower, leave_one_out, linkage, pchip, pooled, ranks, rmia,
    shrunken, statistics, trees, Pulse,
};

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        PyValueError::new_err(error.to_string())
    }
}

/// A table of float32 or float64, read in place.
enum Table<'py> {
    Single(PyReadonlyArray2<'py, f32>),
    Double(PyReadonlyArray2<'py, f64>),
}

/// Calls a generic kernel with the references in their own type.
macro_rules! with_references {
    ($table:expr, $skip:expr, |$references:ident| $call:expr) => {
        match &$table {
            Table::Single(array) => {
                let $references = References::new(array.as_array(), $skip)?;
                $call
            }
            Table::Double(array) => {
                let $references = References::new(array.as_array(), $skip)?;
                $call
            }
        }
    };
}

/// Calls a generic kernel with two tables, each in its own type.
macro_rules! with_tables {
    ($first:expr, $second:expr, |$a:ident, $b:ident| $call:expr) => {
        match (&$first, &$second) {
            (Table::Single(a), Table::Single(b)) => with_tables!(a, b => $a, $b, $call),
            (Table::Single(a), Table::Double(b)) => with_tables!(a, b => $a, $b, $call),
            (Table::Double(a), Table::Single(b)) => with_tables!(a, b => $a, $b, $call),
            (Table::Double(a), Table::Double(b)) => with_tables!(a, b => $a, $b, $call),
        }
    };
    ($first:ident, $second:ident => $a:ident, $b:ident, $call:expr) => {{
        let ($a, $b) = ($first.as_array(), $second.as_array());
        $call
    }};
}

fn table<'py>(name: &str, value: &Bound<'py, PyAny>) -> PyResult<Table<'py>> {
    let array = value.cast::<PyUntypedArray>().map_err(|_| {
        PyTypeError::new_err(format!(
            "{name} must be a NumPy array, got {}.",
            value.get_type()
        ))
    })?;
    if array.ndim() != 2 {
        return Err(PyValueError::new_err(format!(
            "{name} must have shape (n_records, n_models), got {} dimension(s).",
            array.ndim()
        )));
    }
    let array = readable(array)?;
    if let Ok(single) = array.cast::<PyArray2<f32>>() {
        Ok(Table::Single(single.try_readonly()?))
    } else if let Ok(double) = array.cast::<PyArray2<f64>>() {
        Ok(Table::Double(double.try_readonly()?))
    } else {
        Err(PyTypeError::new_err(format!(
            "{name} must be float32 or float64 in native byte order, got {}.",
            array.dtype()
        )))
    }
}

/// A copy of an argument of whatever dimension; other types of number are converted.
fn numbers(value: &Bound<'_, PyAny>) -> PyResult<ArrayD<f64>> {
    let array = value
        .py()
        .import("numpy")?
        .call_method1("asarray", (value, "float64"))?;
    let array = readable(array.cast::<PyUntypedArray>()?)?;
    let numbers = array.cast::<PyArrayDyn<f64>>()?.try_readonly()?;
    Ok(numbers.as_array().to_owned())
}

/// A copy of a one-dimensional argument.
fn vector(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Vec<f64>> {
    let numbers = numbers(value)?;
    if numbers.ndim() != 1 {
        return Err(PyValueError::new_err(format!(
            "{name} must have one dimension, got {}.",
            numbers.ndim()
        )));
    }
    Ok(numbers.iter().copied().collect())
}

/// A copy of signals, one or several per record, as a table, and their shape.
fn signals(value: &Bound<'_, PyAny>) -> PyResult<(Array2<f64>, Vec<usize>)> {
    let numbers = numbers(value)?;
    let shape = numbers.shape().to_vec();
    let (records, width) = match shape[..] {
        [records] => (records, 1),
        [records, width] => (records, width),
        _ => {
            return Err(PyValueError::new_err(format!(
                "signal must have one or two dimensions, got {}.",
                shape.len()
            )))
        }
    };
    let table = Array2::from_shape_vec((records, width), numbers.iter().copied().collect())
        .map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok((table, shape))
}

/// The array itself, or a copy of a field of packed records, which Rust cannot address.
fn readable<'py>(array: &Bound<'py, PyUntypedArray>) -> PyResult<Bound<'py, PyUntypedArray>> {
    let size = array.dtype().itemsize() as isize;
    let aligned = array.getattr("flags")?.getattr("aligned")?.is_truthy()?;
    if aligned && (size == 0 || array.strides().iter().all(|stride| stride % size == 0)) {
        Ok(array.clone())
    } else {
        Ok(array.call_method0("copy")?.cast_into()?)
    }
}

fn rows<'py, T: Element>(
    py: Python<'py>,
    numbers: Vec<T>,
    records: usize,
    width: usize,
) -> PyResult<Bound<'py, PyArray2<T>>> {
    let array = Array2::from_shape_vec((records, width), numbers)
        .map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(array.into_pyarray(py))
}

/// Runs a long kernel without the interpreter lock; between its parts Ctrl-C is honoured.
fn interruptible<T: Send>(
    py: Python<'_>,
    kernel: impl FnOnce(Pulse) -> Result<T> + Send,
) -> PyResult<T> {
    let raised = Mutex::new(None);
    let result = py.detach(|| {
        kernel(&|| {
            Python::attach(|py| py.check_signals()).map_err(|error| {
                *raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Error::Interrupted
            })
        })
    });
    match raised.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(result?),
    }
}

#[pyfunction]
#[pyo3(signature = (signal, references, skip=None))]
fn reference_statistics<'py>(
    py: Python<'py>,
    signal: &Bound<'py, PyAny>,
    references: &Bound<'py, PyAny>,
    skip: Option<(usize, usize)>,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let signal = vector("signal", signal)?;
    let references = table("references", references)?;
    let numbers = with_references!(references, skip, |references| {
        interruptible(py, |pulse| {
            statistics::reference_statistics(&signal, references, pulse)
        })?
    });
    rows(py, numbers, signal.len(), statistics::COLUMNS)
}

#[pyfunction]
#[pyo3(signature = (signal, references, bandwidths, skip=None))]
fn kernel_log_density<'py>(
    py: Python<'py>,
    signal: &Bound<'py, PyAny>,
    references: &Bound<'py, PyAny>,
    bandwidths: &Bound<'py, PyAny>,
    skip: Option<(usize, usize)>,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let signal = vector("signal", signal)?;
    let bandwidths = vector("bandwidths", bandwidths)?;
    let references = table("references", references)?;
    let numbers = with_references!(references, skip, |references| {
        interruptible(py, |pulse| {
            density::kernel_log_density(&signal, references, &bandwidths, pulse)
        })?
    });
    rows(py, numbers, signal.len(), bandwidths.len())
}

#[pyfunction]
fn rmia_scores<'py>(
    py: Python<'py>,
    log_ratios: &Bound<'py, PyAny>,
    log_population: &Bound<'py, PyAny>,
    gamma: f64,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let log_ratios = vector("log_ratios", log_ratios)?;
    let log_population = vector("log_population", log_population)?;
    let scores = interruptible(py, |pulse| {
        rmia::rmia_scores(&log_ratios, &log_population, gamma, pulse)
    })?;
    Ok(scores.into_pyarray(py))
}

#[pyfunction]
fn pchip_p_values<'py>(
    py: Python<'py>,
    signal: &Bound<'py, PyAny>,
    references: &Bound<'py, PyAny>,
    of_loss: bool,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let signal = table("signal", signal)?;
    let references = table("references", references)?;
    with_tables!(signal, references, |signal, references| {
        let p = interruptible(py, |pulse| {
            pchip::pchip_p_values(signal, references, of_loss, pulse)
        })?;
        rows(py, p, signal.nrows(), signal.ncols())
    })
}

#[pyfunction]
#[pyo3(signature = (signal, references, places=None))]
fn rank_p_values<'py>(
    py: Python<'py>,
    signal: &Bound<'py, PyAny>,
    references: &Bound<'py, PyAny>,
    places: Option<PyReadonlyArray2<'py, f64>>,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let signal = table("signal", signal)?;
    let references = table("references", references)?;
    let places = places.as_ref().map(|places| places.as_array());
    with_tables!(signal, references, |signal, references| {
        let p = interruptible(py, |pulse| {
            ranks::rank_p_values(signal, references, places, pulse)
        })?;
        rows(py, p, signal.nrows(), signal.ncols())
    })
}

type NumbersAndTable<'py> = (Bound<'py, PyArrayDyn<f64>>, Bound<'py, PyArray2<f64>>);

#[pyfunction]
fn leave_one_out_t<'py>(
    py: Python<'py>,
    signal: &Bound<'py, PyAny>,
    references: &Bound<'py, PyAny>,
) -> PyResult<NumbersAndTable<'py>> {
    let (signal, shape) = signals(signal)?;
    let references = table("references", references)?;
    let (models, (target, each)) = with_references!(references, None, |references| {
        let models = references.models();
        let result = interruptible(py, |pulse| {
            leave_one_out::leave_one_out_t(signal.view(), references, pulse)
        })?;
        (models, result)
    });
    let target = ArrayD::from_shape_vec(shape, target)
        .map_err(|error| PyValueError::new_err(error.to_string()))?;
    let each = rows(py, each, signal.nrows(), models)?;
    Ok((target.into_pyarray(py), each))
}

type Pooled<'py> = (Bound<'py, PyArrayDyn<f64>>, Bound<'py, PyArray2<f64>>, f64);

#[pyfunction]
#[pyo3(signature = (signal, references, variance=None))]
fn shrunken_t<'py>(
    py: Python<'py>,
    signal: &Bound<'py, PyAny>,
    references: &Bound<'py, PyAny>,
    variance: Option<f64>,
) -> PyResult<Pooled<'py>> {
    let (signal, shape) = signals(signal)?;
    let references = table("references", references)?;
    let (models, found) = with_references!(references, None, |references| {
        let models = references.models();
        let found = interruptible(py, |pulse| {
            shrunken::shrunken_t(signal.view(), references, variance, pulse)
        })?;
        (models, found)
    });
    let own = ArrayD::from_shape_vec(shape, found.own)
        .map_err(|error| PyValueError::new_err(error.to_string()))?;
    let each = rows(py, found.each, signal.nrows(), models)?;
    Ok((own.into_pyarray(py), each, found.variance))
}

#[pyfunction]
fn pooled_p_values<'py>(
    py: Python<'py>,
    signal: &Bound<'py, PyAny>,
    references: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let signal = table("signal", signal)?;
    let references = table("references", references)?;
    with_tables!(signal, references, |signal, references| {
        let p = interruptible(py, |pulse| {
            pooled::pooled_p_values(signal, references, pulse)
        })?;
        rows(py, p, signal.nrows(), signal.ncols())
    })
}

type Nearest<'py> = (Bound<'py, PyArray2<f64>>, Bound<'py, PyArray2<i64>>);

#[pyfunction]
fn gower_nearest<'py>(
    py: Python<'py>,
    queries: PyReadonlyArray2<'py, f64>,
    table: PyReadonlyArray2<'py, f64>,
    caps: &Bound<'py, PyAny>,
    n_neighbors: usize,
) -> PyResult<Nearest<'py>> {
    let caps = vector("caps", caps)?;
    let (queries, table) = (queries.as_array(), table.as_array());
    let found = interruptible(py, |pulse| {
        gower::gower_nearest(queries, table, &caps, n_neighbors, pulse)
    })?;
    let distances = rows(py, found.distances, queries.nrows(), n_neighbors)?;
    Ok((
        distances,
        rows(py, found.rows, queries.nrows(), n_neighbors)?,
    ))
}

#[pyfunction]
fn euclidean_nearest<'py>(
    py: Python<'py>,
    queries: PyReadonlyArray2<'py, f32>,
    table: PyReadonlyArray2<'py, f32>,
    n_neighbors: usize,
) -> PyResult<Nearest<'py>> {
    let (queries, table) = (queries.as_array(), table.as_array());
    let found = interruptible(py, |pulse| {
        euclidean::euclidean_nearest(queries, table, n_neighbors, pulse)
    })?;
    let distances = rows(py, found.distances, queries.nrows(), n_neighbors)?;
    Ok((
        distances,
        rows(py, found.rows, queries.nrows(), n_neighbors)?,
    ))
}

#[pyfunction]
#[pyo3(signature = (rows, feature, threshold, left, right, *, missing_left, value, starts, baseline))]
#[expect(clippy::too_many_arguments, reason = "columns of a table of nodes")]
fn boosted_sums<'py>(
    py: Python<'py>,
    rows: PyReadonlyArray2<'py, f32>,
    feature: PyReadonlyArray1<'py, i64>,
    threshold: PyReadonlyArray1<'py, f64>,
    left: PyReadonlyArray1<'py, i64>,
    right: PyReadonlyArray1<'py, i64>,
    missing_left: PyReadonlyArray1<'py, bool>,
    value: PyReadonlyArray1<'py, f64>,
    starts: PyReadonlyArray1<'py, i64>,
    baseline: f64,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let nodes = trees::Nodes {
        feature: feature.as_slice()?,
        threshold: threshold.as_slice()?,
        left: left.as_slice()?,
        right: right.as_slice()?,
    };
    let (missing_left, value) = (missing_left.as_slice()?, value.as_slice()?);
    let (rows, starts) = (rows.as_array(), starts.as_slice()?);
    let sums = interruptible(py, |pulse| {
        trees::boosted_sums(rows, nodes, missing_left, value, starts, baseline, pulse)
    })?;
    Ok(sums.into_pyarray(py))
}

#[pyfunction]
#[pyo3(signature = (
    rows, member, *, trees, learning_rate, leaves, rows_in_leaf, l2, columns, seed
))]
#[expect(clippy::too_many_arguments, reason = "parameters of a booster")]
fn boosted_trees<'py>(
    py: Python<'py>,
    rows: PyReadonlyArray2<'py, f32>,
    member: PyReadonlyArray1<'py, bool>,
    trees: usize,
    learning_rate: f64,
    leaves: usize,
    rows_in_leaf: usize,
    l2: f64,
    columns: usize,
    seed: u64,
) -> PyResult<Bound<'py, PyDict>> {
    let growth = boosting::Growth {
        trees,
        learning_rate,
        leaves,
        rows_in_leaf,
        l2,
        columns,
        seed,
    };
    let (rows, member) = (rows.as_array(), member.as_array());
    let grown = interruptible(py, |pulse| {
        boosting::boosted_trees(rows, member, growth, pulse)
    })?;
    let found = PyDict::new(py);
    found.set_item("feature", grown.feature.into_pyarray(py))?;
    found.set_item("threshold", grown.threshold.into_pyarray(py))?;
    found.set_item("left", grown.left.into_pyarray(py))?;
    found.set_item("right", grown.right.into_pyarray(py))?;
    found.set_item("missing_left", grown.missing_left.into_pyarray(py))?;
    found.set_item("value", grown.value.into_pyarray(py))?;
    found.set_item("starts", grown.starts.into_pyarray(py))?;
    found.set_item("baseline", grown.baseline)?;
    Ok(found)
}

type Linkage<'py> = (Bound<'py, PyArray2<i64>>, Bound<'py, PyArray1<f64>>);

#[pyfunction]
fn average_linkage<'py>(py: Python<'py>, vectors: &Bound<'py, PyAny>) -> PyResult<Linkage<'py>> {
    let tree = match table("vectors", vectors)? {
        Table::Single(vectors) => {
            let vectors = vectors.as_array();
            interruptible(py, |pulse| linkage::average_linkage(vectors, pulse))
        }
        Table::Double(vectors) => {
            let vectors = vectors.as_array();
            interruptible(py, |pulse| linkage::average_linkage(vectors, pulse))
        }
    }?;
    let merges = tree.children.len();
    let children = Array2::from_shape_vec((merges, 2), tree.children.into_flattened())
        .map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok((children.into_pyarray(py), tree.heights.into_pyarray(py)))
}

#[pyfunction]
fn cluster_medoids<'py>(
    py: Python<'py>,
    vectors: &Bound<'py, PyAny>,
    labels: PyReadonlyArray1<'py, i64>,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let labels = labels.as_array();
    let medoids = match table("vectors", vectors)? {
        Table::Single(vectors) => {
            let vectors = vectors.as_array();
            interruptible(py, |pulse| linkage::cluster_medoids(vectors, labels, pulse))
        }
        Table::Double(vectors) => {
            let vectors = vectors.as_array();
            interruptible(py, |pulse| linkage::cluster_medoids(vectors, labels, pulse))
        }
    }?;
    Ok(medoids.into_pyarray(py))
}

enum Prepared {
    Single(Index<f32>),
    Double(Index<f64>),
}

/// References that cosine neighbours are counted among.
#[pyclass(frozen, module = "mia_sklearn._rust")]
struct CosineIndex(Prepared);

#[pymethods]
impl CosineIndex {
    #[new]
    fn new(py: Python<'_>, references: &Bound<'_, PyAny>) -> PyResult<Self> {
        let prepared = match table("references", references)? {
            Table::Single(array) => {
                let array = array.as_array();
                Prepared::Single(interruptible(py, |pulse| Index::new(array, pulse))?)
            }
            Table::Double(array) => {
                let array = array.as_array();
                Prepared::Double(interruptible(py, |pulse| Index::new(array, pulse))?)
            }
        };
        Ok(Self(prepared))
    }

    #[pyo3(signature = (queries, radii, cap=None))]
    fn count<'py>(
        &self,
        py: Python<'py>,
        queries: &Bound<'py, PyAny>,
        radii: &Bound<'py, PyAny>,
        cap: Option<u64>,
    ) -> PyResult<Bound<'py, PyArray2<i64>>> {
        let radii = vector("radii", radii)?;
        let queries = table("queries", queries)?;
        /// One call for each pair of types.
        macro_rules! count {
            ($index:expr, $array:expr) => {{
                let (index, array) = ($index, $array.as_array());
                interruptible(py, |pulse| index.count(array, &radii, cap, pulse))?
            }};
        }
        let counts = match (&self.0, &queries) {
            (Prepared::Single(index), Table::Single(array)) => count!(index, array),
            (Prepared::Single(index), Table::Double(array)) => count!(index, array),
            (Prepared::Double(index), Table::Single(array)) => count!(index, array),
            (Prepared::Double(index), Table::Double(array)) => count!(index, array),
        };
        let records = counts.len() / radii.len();
        rows(py, counts, records, radii.len())
    }

    /// What makes the same index again: for pickle and copy.
    fn __getnewargs__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyAny>,) {
        match &self.0 {
            Prepared::Single(index) => (index.rows().into_pyarray(py).into_any(),),
            Prepared::Double(index) => (index.rows().into_pyarray(py).into_any(),),
        }
    }
}

/// Statistics kernels, compiled; `_rust.pyi` documents them.
///
/// They keep nothing but the pool of threads, behind one atomic pointer, and classes are frozen: no lock
/// of the interpreter is needed. ThreadSanitizer saw nothing in eight threads of an interpreter without
/// one that called them all, and did see a writer to an array that a kernel was reading.
#[pymodule(gil_used = false)]
fn _rust(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<CosineIndex>()?;
    module.add_function(wrap_pyfunction!(reference_statistics, module)?)?;
    module.add_function(wrap_pyfunction!(kernel_log_density, module)?)?;
    module.add_function(wrap_pyfunction!(pchip_p_values, module)?)?;
    module.add_function(wrap_pyfunction!(rank_p_values, module)?)?;
    module.add_function(wrap_pyfunction!(rmia_scores, module)?)?;
    module.add_function(wrap_pyfunction!(leave_one_out_t, module)?)?;
    module.add_function(wrap_pyfunction!(pooled_p_values, module)?)?;
    module.add_function(wrap_pyfunction!(shrunken_t, module)?)?;
    module.add_function(wrap_pyfunction!(euclidean_nearest, module)?)?;
    module.add_function(wrap_pyfunction!(gower_nearest, module)?)?;
    module.add_function(wrap_pyfunction!(boosted_sums, module)?)?;
    module.add_function(wrap_pyfunction!(boosted_trees, module)?)?;
    module.add_function(wrap_pyfunction!(average_linkage, module)?)?;
    module.add_function(wrap_pyfunction!(cluster_medoids, module)?)?;
    Ok(())
}
