//! What a caller can get wrong. `python` maps each variant to one Python exception.

use std::fmt;

#[derive(Debug, Clone, PartialEq)]
pub enum Error {
    Length {
        name: &'static str,
        found: usize,
        expected: usize,
    },
    Shape {
        name: &'static str,
        found: (usize, usize),
        expected: (usize, usize),
    },
    Skip {
        start: usize,
        stop: usize,
        columns: usize,
    },
    NotPositive {
        name: &'static str,
        value: f64,
    },
    Empty(&'static str),
    HoldsNan(&'static str),
    /// A row that is zero, or not finite.
    NoDirection(usize),
    /// Labels that do not number clusters from 0 on.
    Label(i64),
    /// The caller asked a long kernel to stop.
    Interrupted,
}

pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length {
                name,
                found,
                expected,
            } => write!(
                f,
                "{name} has {found} rows where {expected} were expected: one per record."
            ),
            Self::Shape {
                name,
                found,
                expected,
            } => write!(
                f,
                "{name} has shape {found:?} where that of signal was expected, {expected:?}."
            ),
            Self::Skip {
                start,
                stop,
                columns,
            } => write!(
                f,
                "skip=({start}, {stop}) is not a range of the {columns} columns of references."
            ),
            Self::NotPositive { name, value } => {
                write!(f, "{name} must be positive and finite, got {value}.")
            }
            Self::Empty(name) => write!(f, "{name} is empty; pass at least one value."),
            Self::HoldsNan(name) => write!(f, "{name} holds NaN; drop those values first."),
            Self::NoDirection(row) => write!(
                f,
                "Row {row} is zero, NaN or infinite and has no direction; drop it."
            ),
            Self::Label(label) => write!(
                f,
                "labels must number clusters from 0 to n - 1, none of them empty, got {label}."
            ),
            Self::Interrupted => write!(f, "Interrupted."),
        }
    }
}

impl std::error::Error for Error {}
